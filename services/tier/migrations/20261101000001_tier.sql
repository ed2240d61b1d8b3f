-- One row for every accrual that was counted: the claim that makes it count once, with the facts that a ladder may ask for.
create table contribution (
    store text not null,
    document text not null,
    member_id uuid not null,
    program_version bigint not null check (program_version > 0),
    business_date date not null,
    -- Points that count towards a tier.
    qualifying bigint not null check (qualifying >= 0),
    -- {"maintenance": 80000}: customer-paid fen by category, since a year's spend leaves some categories out.
    paid_fen jsonb not null,
    visit boolean not null,
    paid_visit boolean not null,
    -- The vehicle's keyed hash.
    vehicle text,
    counted_at timestamptz not null,
    primary key (store, document),
    constraint contribution_paid_visit_is_visit check (visit or not paid_visit)
);

-- Where each member stands. A row without a tier is one that was opened to be locked and is filled in the same commit.
create table standing (
    member_id uuid primary key,
    member_no text not null,
    qualifying bigint not null default 0 check (qualifying >= 0),
    tier text,
    -- When the tier was reached.
    tier_since timestamptz,
    -- The program whose ladder gave it.
    tier_version bigint check (tier_version > 0),
    -- Changes of tier so far: the ordinal and sequence of the last change.
    changes bigint not null default 0 check (changes >= 0),
    constraint standing_tier_whole check ((tier is null) = (tier_since is null) and (tier is null) = (tier_version is null))
) with (fillfactor = 80);

-- api.tier.standing.get: who has this number? Unique, since a card names one member.
create unique index standing_by_member_no on standing (member_no);

do $$
declare role text := 'jifen_' || current_schema();
begin
    execute format('grant select, insert on contribution to %I', role);
    execute format('grant select, insert, update on standing to %I', role);
end $$;
