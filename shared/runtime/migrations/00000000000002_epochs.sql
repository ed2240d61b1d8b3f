-- One life of a stream in one life of the broker: what was acknowledged in one can be compared with what is there now.
alter table outbox_commit add column epoch bigint;

-- The guard's questions: which epochs are there, what is the highest that a stream acknowledged in one, what lies above?
create index outbox_commit_acked on outbox_commit (stream, epoch, highest_sequence)
    where published_at is not null and highest_sequence is not null;
