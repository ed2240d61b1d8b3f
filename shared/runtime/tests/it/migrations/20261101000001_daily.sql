-- What the daily work under test did, in which order; a part done twice stands here twice.
create table day_log (
    place bigint generated always as identity,
    day date not null,
    part integer not null
);

do $$
declare role text := 'jifen_' || current_schema();
begin
    execute format('grant select, insert on day_log to %I', role);
end $$;
