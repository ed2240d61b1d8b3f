-- What becomes of points by the passing of time: pending ones with a day of their own, ends, reminders, and what moved an end.

alter table pending_lot
    -- Its member isn't activated.
    add column awaits_activation boolean not null default true,
    -- Spendable from the beginning of this local day; null where no day is waited for.
    add column until date,
    -- A person must look at it first.
    add column awaits_review boolean not null default false;
-- The daily job makes spendable what waits for nothing but its day.
create index pending_lot_until on pending_lot (until, member_id, lot_id) where not awaits_activation and not awaits_review;

-- The daily job goes through what ended, and what will end on a day, by this order.
create index lot_expiry on lot (expires_on, member_id, lot_id) where remaining > 0;

-- Of which end a member was reminded how many days ahead: once each. Forgotten when it is over.
create table reminder (
    expires_on date not null,
    days integer not null,
    member_id uuid not null,
    told_at timestamptz not null,
    primary key (expires_on, days, member_id)
);

-- Lots whose end was moved: by an activity, by staff, or because they live again.
create table lot_change (
    number bigint generated always as identity primary key,
    member_id uuid not null,
    lot_id uuid not null,
    kind text not null check (kind in ('activity', 'extension', 'revival')),
    -- The last day before and after.
    before date not null,
    after date not null check (after > before),
    -- What brought it: the document, or staff with their reason.
    store text,
    document text,
    by_staff text,
    reason text,
    at timestamptz not null
);
-- The changes of a member's lots.
create index lot_change_member on lot_change (member_id, lot_id);
-- What ended lives again once.
create unique index lot_change_revived on lot_change (member_id, lot_id) where kind = 'revival';

do $$
declare role text := 'jifen_' || current_schema();
begin
    execute format('grant select, insert, delete on reminder to %I', role);
    execute format('grant select, insert on lot_change to %I', role);
    execute format('grant update (expires_on) on lot to %I', role);
    execute format('grant update (awaits_activation, awaits_review) on pending_lot to %I', role);
end $$;
