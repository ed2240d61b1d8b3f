-- The tables of the service under test: an effect by its natural key, and a sum that counts what the inbox let through.
create table effect (
    key text primary key
);

create table tally (
    key text primary key,
    times bigint not null
);

do $$
declare role text := 'jifen_' || current_schema();
begin
    execute format('grant select, insert on effect to %I', role);
    execute format('grant select, insert, update on tally to %I', role);
end $$;
