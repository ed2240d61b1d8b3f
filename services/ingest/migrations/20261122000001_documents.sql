-- Documents of stores, what became of them, and the look-up by which customers are found.

-- One row a document that is one, for ever: its claim, its fate, and while it waits its content. Keys are compared
-- bytewise: rows are inserted and locked in the same order everywhere, whatever the database's own collation is.
create table document (
    store text collate "C" not null,
    kind text collate "C" not null,
    number text collate "C" not null,
    -- Keyed hash of the canonical content: tells a duplicate from a conflict.
    content_hash bytea not null check (octet_length(content_hash) = 32),
    status text not null check (status in ('accepted', 'parked', 'lapsed')),
    -- Why it waits or lapsed.
    code text,
    -- The message that brought it first: a redelivery of that very message is no duplicate. Sequences begin anew when a
    -- stream is made anew, hence both.
    stream_sequence bigint not null,
    received_at timestamptz not null,
    issued_at timestamptz not null,
    -- The local day and the rules it was checked with on arrival; those it was stamped with once it is accepted.
    business_date date not null,
    program_version integer not null check (program_version > 0),
    member_id uuid,
    accepted_at timestamptz,
    -- Only while it waits: the canonical content, sealed, and what its second receipt repeats of the first.
    content bytea,
    sha256 bytea check (octet_length(sha256) = 32),
    event_id text,
    traceparent text,
    primary key (store, kind, number),
    constraint document_code check ((status = 'accepted') = (code is null)),
    constraint document_earns check ((status = 'accepted') = (member_id is not null) and (member_id is null) = (accepted_at is null)),
    constraint document_waits check (
        (status = 'parked') = (content is not null) and (status = 'parked') = (sha256 is not null)
        and (status = 'parked' or (event_id is null and traceparent is null))
    )
);

-- A customer's key (member number, phone, VIN, plate; each a keyed hash). With a member it is the look-up; without one it is
-- the meeting row of documents that wait for the key. One row for both: who waits and who registers lock the same row.
create table customer_key (
    key text collate "C" primary key,
    member_id uuid,
    member_no text,
    -- Vehicles only: the first local day on which the member owned it.
    owned_since date,
    -- When the member registered with it: decides whether a waiting document has lapsed.
    known_at timestamptz,
    -- Of the member's event that brought it: only a higher one replaces it.
    sequence bigint,
    changed_at timestamptz,
    constraint customer_key_owner check (
        (member_id is null) = (member_no is null) and (member_id is null) = (known_at is null)
        and (member_id is null) = (sequence is null) and (member_id is null) = (changed_at is null)
    )
);

-- Which documents wait for which key. The primary key serves "what waits for these keys?".
create table parked_key (
    key text collate "C" not null,
    store text collate "C" not null,
    kind text collate "C" not null,
    number text collate "C" not null,
    -- The document's: a vehicle counts only if the member owned it then.
    business_date date not null,
    primary key (key, store, kind, number)
);

-- Messages that brought nothing new: counted, and recognised when they are delivered again.
create table arrival (
    stream_sequence bigint not null,
    stored_at timestamptz not null,
    fate text not null check (fate in ('duplicate', 'rejected')),
    primary key (stream_sequence, stored_at)
);

-- Refused documents, kept sealed. One row for the same bytes on the same subject.
create table reject (
    reject_id uuid primary key,
    -- The subject's tokens as written, cut.
    store text collate "C" not null,
    kind text collate "C" not null,
    sha256 bytea not null check (octet_length(sha256) = 32),
    document text,
    code text not null,
    pointer text,
    detail text not null,
    bytes integer not null check (bytes >= 0),
    times integer not null check (times > 0),
    payload bytea not null,
    -- The message that brought it first: what a resubmission counts as its arrival.
    stream_sequence bigint not null,
    received_at timestamptz not null,
    at timestamptz not null,
    resubmitted_at timestamptz,
    -- "Were these bytes refused before?"
    constraint reject_bytes unique (store, kind, sha256)
);

do $$
declare role text := 'jifen_' || current_schema();
begin
    execute format('grant select, insert on document, customer_key, arrival, reject to %I', role);
    execute format('grant update (status, code, business_date, program_version, member_id, accepted_at, content, sha256, event_id,
                                  traceparent) on document to %I', role);
    execute format('grant update (member_id, member_no, owned_since, known_at, sequence, changed_at) on customer_key to %I', role);
    execute format('grant select, insert, delete on parked_key to %I', role);
    execute format('grant update (document, code, pointer, detail, times, resubmitted_at) on reject to %I', role);
end $$;
