-- Caps, accruals that are no invoice's, and points that wait for their member's activation.

-- Without a value of their own in the rows of plain invoices, so that those stay as small as they are.
alter table accrual
    -- The member was not activated, as far as ingest knew.
    add column awaiting boolean,
    -- What the daily cap left when it cut this invoice: later sums are held against it.
    add column daily_left bigint;

alter table entry
    -- What kind of document; null for an invoice.
    add column source text,
    -- The entry that this one moves from pending to active, or takes back.
    add column of_entry uuid;

-- An invoice and an interaction of one store may have the same number, and an activation has the number of what it moves.
drop index entry_natural_key;
-- An entry's natural key (accrual, rule, kind, category), of invoices; also finds the entries of one.
create unique index entry_natural_key on entry (store, document, kind, rule, category) where source is null and of_entry is null;
-- The same of other documents.
create unique index entry_source_key on entry (source, store, document, kind, rule, category)
    where source is not null and of_entry is null;
-- An entry is activated or lapses once.
create unique index entry_of_entry on entry (of_entry, kind) where of_entry is not null;

-- The claim of an accrual that is settled where it is posted: an interaction, a partner's purchase, a campaign's grant. Written
-- once, also when it earns nothing, with all that the decision rested on.
create table direct_accrual (
    store text not null,
    document text not null,
    source text not null,
    member_id uuid not null,
    member_no text not null,
    occurred_at timestamptz not null,
    business_date date not null,
    program_version integer not null,
    -- The interaction's kind, the partner's code, the campaign's code.
    subject text not null,
    about text,
    amount_fen bigint,
    awaiting boolean not null,
    -- Rewarded before it in its period; what was left of the partner's budget.
    counted bigint,
    budget_left bigint,
    outcome text not null,
    points bigint not null check (points >= 0),
    posted_at timestamptz not null,
    primary key (store, document, source)
);
-- Limits count what a member was rewarded for in a period.
create index direct_accrual_rewarded on direct_accrual (member_id, subject, business_date) where source = 'interaction' and points > 0;

-- Interactions about an order that isn't posted yet.
create table waiting_interaction (
    store text not null,
    document text not null,
    about text not null,
    business_date date not null,
    event jsonb not null,
    -- The event's own id and chain, for what it causes later.
    event_id uuid not null,
    correlation text,
    traceparent text,
    waiting_since timestamptz not null,
    primary key (store, document)
);

-- What a partner's budget has granted so far: locked by the batches with purchases from it.
create table partner_budget (
    partner text primary key,
    granted bigint not null check (granted >= 0)
);

-- Members known to be activated: asked about only for accruals that say that their member wasn't.
create table activation (
    member_id uuid primary key,
    activated_at timestamptz not null
);

-- Lots that wait for their member's activation: they become lots then, or lapse.
create table pending_lot (
    member_id uuid not null,
    lot_id uuid not null,
    store text not null,
    document text not null,
    points bigint not null check (points > 0),
    expires_on date not null,
    business_date date not null,
    created_at timestamptz not null,
    primary key (member_id, lot_id)
);
-- The daily job takes back what waited too long.
create index pending_lot_business_date on pending_lot (business_date);

do $$
declare role text := 'jifen_' || current_schema();
begin
    execute format('grant update (categories, daily_left) on accrual to %I', role);
    execute format('grant select, insert on direct_accrual, activation to %I', role);
    execute format('grant select, insert, delete on waiting_interaction, pending_lot to %I', role);
    execute format('grant select, insert, update on partner_budget to %I', role);
end $$;
