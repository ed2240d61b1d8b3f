-- What staff do to accounts: freezing, and adjustments with a second person.

-- When an account was frozen, why and by whom; and when that ended.
create table account_freeze (
    member_id uuid not null,
    frozen_at timestamptz not null,
    reason text not null,
    staff_id text not null,
    role text not null,
    unfrozen_at timestamptz,
    unfreeze_reason text,
    unfreeze_staff_id text,
    unfreeze_role text,
    primary key (member_id, frozen_at)
);
-- Whoever would take points asks whether the account is frozen; it is so once at a time.
create unique index account_freeze_open on account_freeze (member_id) where unfrozen_at is null;

create table adjustment (
    adjustment_id uuid primary key,
    member_id uuid not null,
    member_no text not null,
    store text not null,
    -- Given, or taken where negative.
    points bigint not null check (points <> 0),
    reason text not null,
    note text,
    state text not null check (state in ('waiting', 'posted', 'rejected')),
    program_version integer not null,
    staff_id text not null,
    role text not null,
    created_at timestamptz not null,
    decided_staff_id text,
    decided_role text,
    decided_at timestamptz,
    constraint adjustment_is_decided check (state <> 'rejected' or decided_at is not null),
    constraint adjustment_two_persons check (lower(decided_staff_id) <> lower(staff_id))
);
-- api.points.adjustment.list of a member.
create index adjustment_member on adjustment (member_id, adjustment_id);
-- api.points.adjustment.list by state; what waits is looked for most.
create index adjustment_state on adjustment (state, adjustment_id);

do $$
declare role text := 'jifen_' || current_schema();
begin
    execute format('grant select, insert on account_freeze, adjustment to %I', role);
    execute format('grant update (unfrozen_at, unfreeze_reason, unfreeze_staff_id, unfreeze_role) on account_freeze to %I', role);
    execute format('grant update (state, decided_staff_id, decided_role, decided_at) on adjustment to %I', role);
end $$;
