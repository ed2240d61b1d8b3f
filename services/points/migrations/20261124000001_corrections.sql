-- Corrections of invoices, and debts.

-- Invoices of the member with a net customer-paid amount in a category that earns: the first spending stands while there is one.
-- Without a value of its own in rows of members who have none.
alter table account add column spendings integer check (spendings >= 0);
update account a set spendings = (
    select count(*) from accrual i where i.member_id = a.member_id and exists (
        select 1 from jsonb_array_elements(i.categories) c where (c ->> 'base')::bigint > 0
    )
) where first_spending_stands;

alter table accrual
    -- What corrections have left of it; null while there was none.
    add column net jsonb,
    -- Of fixed bonuses: the paid amounts from which they stay.
    add column keep jsonb;

-- An entry's natural key: (accrual, rule, kind, category); what moves the points later is numbered besides. Also finds the entries of
-- a document.
create unique index entry_key on entry (store, document, kind, rule, category, ordinal);
drop index entry_natural_key;
drop index entry_of_entry;
-- An entry is activated or lapses once; says whether a first spending is activated.
create unique index entry_moved_once on entry (of_entry, kind) where kind in ('activation', 'lapse');

-- The claim of a correction; while it waits for its invoice, the event.
create table correction (
    store text not null,
    kind text not null check (kind in ('refund', 'void', 'replacement')),
    number text not null,
    -- The invoice.
    document text not null,
    -- Of a refund: [{"line", "amount"}].
    refunded jsonb not null,
    claimed_at timestamptz not null,
    applied_at timestamptz,
    event jsonb,
    event_id uuid,
    correlation text,
    traceparent text,
    primary key (store, kind, number),
    constraint correction_waits check ((applied_at is null) = (event is not null) and (event is null) = (event_id is null))
);
-- All corrections of an invoice.
create index correction_document on correction (store, document);
-- What waits.
create index correction_waiting on correction (claimed_at) where applied_at is null;

do $$
declare role text := 'jifen_' || current_schema();
begin
    execute format('grant select, insert on correction to %I', role);
    execute format('grant update (applied_at, event, event_id, correlation, traceparent) on correction to %I', role);
    execute format('grant update (net, keep) on accrual to %I', role);
    -- A correction takes points out of a lot that waits.
    execute format('grant update (points) on pending_lot to %I', role);
end $$;
