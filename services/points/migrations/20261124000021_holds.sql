-- Points reserved for a redemption, and what was spent for which invoice.

create table hold (
    hold_id uuid primary key,
    member_id uuid not null,
    store text not null,
    points bigint not null check (points > 0),
    captured bigint not null default 0 check (captured between 0 and points),
    state text not null default 'open' check (state in ('open', 'captured', 'released', 'expired')),
    program_version integer not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    resolved_at timestamptz,
    -- What they paid for: an invoice of the store.
    document text,
    -- The invoice was voided, and they came back.
    returned_at timestamptz,
    constraint hold_is_resolved check ((state = 'open') = (resolved_at is null)),
    constraint hold_is_captured check ((state = 'captured') = (captured > 0)),
    constraint hold_is_returned check (returned_at is null or (state = 'captured' and document is not null))
    -- Each is resolved once, soon after: room on its page for that.
) with (fillfactor = 80);
-- The job gives back what is held too long.
create index hold_open on hold (expires_at, hold_id) where state = 'open';
-- A void finds what was captured for its invoice.
create index hold_document on hold (store, document) where document is not null;

-- Where captures and voids of an invoice meet: each writes and locks the row, then reads what the other left.
create table spent_document (
    store text not null,
    document text not null,
    -- It counts no longer.
    voided_at timestamptz,
    -- Another invoice took its place: what was captured for this one counts for that.
    replaced_by text,
    primary key (store, document),
    constraint spent_document_replaced check (replaced_by is null or voided_at is not null)
);
-- A void finds the invoices in whose place its own stands.
create index spent_document_replaced on spent_document (store, replaced_by) where replaced_by is not null;

do $$
declare role text := 'jifen_' || current_schema();
begin
    execute format('grant select, insert on hold, spent_document to %I', role);
    execute format('grant update (captured, state, expires_at, resolved_at, document, returned_at) on hold to %I', role);
    execute format('grant update (voided_at, replaced_by) on spent_document to %I', role);
end $$;
