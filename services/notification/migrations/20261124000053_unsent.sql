-- A command whose time was over before the broker took it: since when that is known, until it is said and the next way is tried.
alter table send add column unsent_since timestamptz;
-- Which are to be said?
create index send_unsent on send (unsent_since) where unsent_since is not null;

do $$
declare role text := 'jifen_' || current_schema();
begin
    execute format('grant update (unsent_since) on send to %I', role);
end $$;
