-- What waits for its order is looked at ever more seldom: most orders come soon, and some never (a number that is no invoice's).
alter table waiting_interaction add column look_at timestamptz;
update waiting_interaction set look_at = waiting_since;
alter table waiting_interaction alter column look_at set not null;
-- Which are due for a look?
create index waiting_interaction_look on waiting_interaction (look_at);

do $$
declare role text := 'jifen_' || current_schema();
begin
    execute format('grant update (look_at) on waiting_interaction to %I', role);
end $$;
