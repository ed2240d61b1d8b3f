-- A promise says how it was computed, so that a refund takes back what the net amount doesn't give any longer.
alter table deferred add column bonuses jsonb;
