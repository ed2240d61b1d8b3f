-- The tables of the runtime, the same in every service's schema. The service's role is named after the schema.

-- Events written with the state that they announce. A ring of 16 daily slots, by the day in the event's UUIDv7;
-- a slot is truncated when its day is 8 days past and nothing in it is unpublished.
create table outbox (
    slot smallint not null,
    commit_id uuid not null,
    ordinal integer not null,
    id uuid not null,
    stream text not null,
    subject text not null,
    sealed boolean not null,
    payload bytea not null,
    primary key (slot, commit_id, ordinal)
) partition by list (slot);

-- One header a commit and stream: what the sweeper reads and the relay marks.
create table outbox_commit (
    slot smallint not null,
    commit_id uuid not null,
    stream text not null,
    copy integer not null,
    row_count integer not null,
    created_at timestamptz not null,
    published_at timestamptz,
    -- As acknowledged by the broker: what the guard against its amnesia compares.
    stream_created_at timestamptz,
    lowest_sequence bigint,
    highest_sequence bigint,
    highest_id uuid,
    primary key (slot, commit_id, stream)
) partition by list (slot);

-- Which internal events were consumed, where the effect has no natural key. A ring of 24 daily slots.
create table inbox (
    slot smallint not null,
    consumer text not null,
    source text not null,
    id uuid not null,
    payload_hash bytea not null,
    primary key (slot, consumer, source, id)
) partition by list (slot);

do $$
begin
    for slot in 0..15 loop
        execute format('create table outbox_%s partition of outbox for values in (%s)', slot, slot);
        execute format('create table outbox_commit_%s partition of outbox_commit for values in (%s)', slot, slot);
    end loop;
    for slot in 0..23 loop
        execute format('create table inbox_%s partition of inbox for values in (%s)', slot, slot);
    end loop;
end $$;

-- The sweeper's question: which commits are not published yet?
create index outbox_commit_unpublished on outbox_commit (created_at) where published_at is null;

-- Answers given to mutating requests, for ever.
create table operation (
    endpoint text not null,
    operation_id text not null,
    request_hash bytea not null,
    answer jsonb,
    refused boolean not null default false,
    created_at timestamptz not null,
    primary key (endpoint, operation_id)
);

-- What could not be processed: kept whole, sealed, until an operator retries it.
create table dead_letter (
    id uuid primary key,
    consumer text not null,
    stream text not null,
    stream_sequence bigint not null,
    subject text not null,
    payload bytea not null,
    code text not null,
    reason text not null,
    trace_id text,
    at timestamptz not null,
    retried_at timestamptz,
    unique (consumer, stream, stream_sequence, at)
);

-- The program's versions, as told by the service that owns them.
create table program_version (
    version integer primary key,
    applied jsonb not null
);

do $$
declare role text := 'jifen_' || current_schema();
begin
    execute format('grant select, insert on outbox, inbox to %I', role);
    execute format('grant select, insert, update on outbox_commit to %I', role);
    execute format('grant select, insert, update, delete on operation to %I', role);
    execute format('grant select, insert, update on dead_letter to %I', role);
    execute format('grant select, insert on program_version to %I', role);
    for slot in 0..15 loop
        execute format('grant select, truncate on outbox_%s, outbox_commit_%s to %I', slot, slot, role);
    end loop;
    for slot in 0..23 loop
        execute format('grant select, truncate on inbox_%s to %I', slot, role);
    end loop;
end $$;
