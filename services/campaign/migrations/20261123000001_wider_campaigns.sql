-- Fixed bonuses beside multipliers, promised ones beside posted ones, and what the invoice was worth.
alter table participation
    alter column factor_basis_points drop not null,
    alter column base drop not null,
    -- The customer-paid amount from which a fixed bonus stays; it has no category.
    add column keep_from_fen bigint,
    -- What the customer paid on the invoice: on the campaign's first row of it alone, so that a sum counts each invoice once.
    add column paid_fen bigint not null default 0 check (paid_fen >= 0),
    -- Posted some working days after the campaign's end.
    add column deferred boolean not null default false,
    add constraint participation_multiplies_or_is_fixed check (
        (category = '') = (keep_from_fen is not null)
        and (factor_basis_points is null) = (keep_from_fen is not null)
        and (base is null) = (keep_from_fen is not null)
    );

drop index participation_by_campaign;
-- The report's question, now with revenue: how many bonuses, members, points and yuan has each campaign? From the index alone.
create index participation_by_campaign on participation (campaign, version, member_id) include (points, paid_fen);

-- What a member had of a campaign with a cap for each. Locked by that member's accruals alone.
create table member_share (
    member_id uuid not null,
    campaign text not null,
    granted bigint not null check (granted >= 0),
    primary key (member_id, campaign)
);

-- Promised and not posted: granted some working days after the campaign's end, once.
create table deferred (
    campaign text not null,
    store text not null,
    document text not null,
    member_id uuid not null,
    member_no text not null,
    version bigint not null check (version > 0),
    points bigint not null check (points > 0),
    promised_at timestamptz not null,
    granted_at timestamptz,
    primary key (campaign, store, document)
);

-- What is still to be granted of the campaigns that are due, and what the report calls promised.
create index deferred_open on deferred (campaign, store, document) include (version, points) where granted_at is null;

-- What is known of members, for audiences. The whole of it comes with each of their events; the highest sequence counts.
create table member (
    member_id uuid primary key,
    store text not null,
    status text not null check (status in ('registered', 'active', 'lapsed')),
    sequence bigint not null
);

-- Whoever may take part in a campaign, by store.
create index member_by_store on member (store, member_id);

-- Birthdays as they were said: of those that count from one year on the last. Year 0 is the one that came first: it is there
-- for every member whose registration is known, also without a birthday.
create table birthday (
    member_id uuid not null,
    from_year integer not null,
    sequence bigint not null,
    month smallint check (month between 1 and 12),
    primary key (member_id, from_year)
);

-- Changes of tier, so that the one in force at any settlement can be told. Append-only.
create table tier_change (
    member_id uuid not null,
    ordinal bigint not null,
    tier text not null,
    at timestamptz not null,
    primary key (member_id, ordinal)
);

-- What was said about campaigns as a whole: each once. Append-only.
create table announcement (
    campaign text not null,
    kind text not null check (kind in ('preheated', 'started', 'ended')),
    version bigint not null check (version > 0),
    at timestamptz not null,
    primary key (campaign, kind)
);

do $$
declare role text := 'jifen_' || current_schema();
begin
    execute format('grant select, insert on tier_change, announcement to %I', role);
    execute format('grant select, insert, update on member_share, deferred, member, birthday to %I', role);
end $$;
