-- The sweeper takes the oldest commits of each stream: one that takes nothing for days must not make it read the whole backlog.
-- The sweeper's question: which commits of this stream are not published yet, the oldest first?
create index outbox_commit_waiting on outbox_commit (stream, created_at) where published_at is null;

drop index outbox_commit_unpublished;
