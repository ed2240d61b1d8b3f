-- The cars of members, for audiences by vehicle.

-- One row a member whose registration is known: the cars as the last event that names them says, each as in that event. The highest
-- sequence counts.
create table garage (
    member_id uuid primary key,
    sequence bigint not null,
    cars jsonb not null
);

-- Whoever is known so far has cars that nobody has said here yet; `jifen replay` says them.
insert into garage (member_id, sequence, cars) select distinct member_id, -1, '[]'::jsonb from birthday;

do $$
declare role text := 'jifen_' || current_schema();
begin
    execute format('grant select, insert, update on garage to %I', role);
end $$;
