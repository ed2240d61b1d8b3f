-- What corrections take back of what was counted.

-- One row for every correction of an accrual that was heard of, once by its event.
create table deduction (
    event_id uuid primary key,
    -- The accrual.
    store text not null,
    document text not null,
    source text not null,
    member_id uuid not null,
    -- Points that count towards a tier no longer.
    qualifying bigint not null check (qualifying >= 0),
    -- {"maintenance": 20000}: fen by category that the customer paid less.
    paid_fen jsonb not null,
    visit_lost boolean not null,
    paid_visit_lost boolean not null,
    heard_at timestamptz not null
);

-- All deductions of a member, with the facts that they cut; and those that came before their accrual, when that is counted.
create index deduction_by_member on deduction (member_id);

-- Each entry of the ledger takes back once, whichever event names it.
create table deducted_entry (
    entry_id uuid primary key,
    event_id uuid not null
);

alter table standing
    -- Deductions that came before their accrual and wait for it: read with the lock, so that an accrual asks for them only then.
    add column waiting int not null default 0 check (waiting >= 0);

do $$
declare role text := 'jifen_' || current_schema();
begin
    execute format('grant select, insert on deduction to %I', role);
    execute format('grant select, insert on deducted_entry to %I', role);
end $$;
