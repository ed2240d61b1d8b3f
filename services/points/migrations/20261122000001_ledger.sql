-- Members' accounts, lots and the append-only ledger.

-- One row a member: the balances that a posting locks, and the head of the member's hash chain.
create table account (
    member_id uuid primary key,
    member_no text not null,
    active bigint not null default 0 check (active >= 0),
    pending bigint not null default 0 check (pending >= 0),
    reserved bigint not null default 0 check (reserved >= 0),
    debt bigint not null default 0 check (debt >= 0),
    lifetime bigint not null default 0 check (lifetime >= 0),
    -- How often the first spending was granted, and whether a grant stands now.
    first_spending_ordinal integer not null default 0,
    first_spending_stands boolean not null default false,
    -- Entries so far, and the hash of the last one (32 zero bytes before the first).
    sequence bigint not null default 0,
    head bytea not null default decode(repeat('00', 32), 'hex') check (length(head) = 32)
) with (fillfactor = 70);
-- api.points.account.get and entries.list look members up by number.
create index account_member_no on account (member_no);

-- The claim of an accrual, one a document, written also when no point moves.
create table accrual (
    store text not null,
    document text not null,
    member_id uuid not null,
    member_no text not null,
    issued_at timestamptz not null,
    business_date date not null,
    received_at timestamptz not null,
    program_version integer not null,
    vehicle text,
    visit boolean not null,
    paid_visit boolean not null,
    -- [{"category", "paid", "base"}]: what a campaign and a later correction work on.
    categories jsonb not null,
    expires_on date not null,
    posted_at timestamptz not null,
    settled_at timestamptz,
    primary key (store, document)
    -- Each is closed once, soon after: room on its page for that, and no index on what changes.
) with (fillfactor = 60);

-- Points credited together: one a posting, with the store that funds it.
create table lot (
    member_id uuid not null,
    lot_id uuid not null,
    store text not null,
    document text not null,
    points bigint not null check (points > 0),
    remaining bigint not null check (remaining between 0 and points),
    expires_on date not null,
    created_at timestamptz not null,
    primary key (member_id, lot_id)
);
-- Spending and account.get take a member's live lots by expiry.
create index lot_live on lot (member_id, expires_on) where remaining > 0;

-- A movement: debit, credit, points > 0. One member each; chained by the member's sequence. Never changed.
create table entry (
    member_id uuid not null,
    sequence bigint not null,
    entry_id uuid not null,
    debit text not null,
    credit text not null,
    points bigint not null check (points > 0),
    kind text not null,
    store text not null,
    document text not null,
    category text not null,
    rule text not null,
    -- First spending is keyed by (member, ordinal), whichever document brought it; 0 for other kinds.
    ordinal integer not null,
    qualifying boolean not null,
    pending boolean not null,
    lot_id uuid not null,
    expires_on date not null,
    -- How the number came about: what was paid, at which rate or factor, on which base.
    paid_fen bigint,
    rate text,
    base bigint,
    posted_at timestamptz not null,
    hash bytea not null check (length(hash) = 32),
    primary key (member_id, sequence),
    constraint entry_moves check (debit <> credit)
);
-- An entry's natural key (accrual, rule, kind, category); also finds the entries of a document.
create unique index entry_natural_key on entry (store, document, kind, rule, category);
-- First spending's natural key.
create unique index entry_first_spending on entry (member_id, ordinal) where kind = 'first_spending';

do $$
declare role text := 'jifen_' || current_schema();
begin
    execute format('grant select, insert, update on account to %I', role);
    execute format('grant select, insert on accrual, lot, entry to %I', role);
    execute format('grant update (settled_at) on accrual to %I', role);
    execute format('grant update (remaining) on lot to %I', role);
end $$;
