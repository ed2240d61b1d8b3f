-- A message that is set aside twice, since its acknowledgement was lost or its copy was killed, is one letter. A stream that was
-- made anew counts from 1 again: its messages are told from the old ones' by when they were stored.
alter table dead_letter add column stored_at timestamptz;
alter table dead_letter drop constraint dead_letter_consumer_stream_stream_sequence_at_key;
alter table dead_letter add constraint dead_letter_place unique (consumer, stream, stream_sequence, stored_at);
