-- One row for every accrual that was answered, also where no campaign applied: the claim that makes the answer count once.
create table assessment (
    store text not null,
    document text not null,
    member_id uuid not null,
    program_version bigint not null check (program_version > 0),
    assessed_at timestamptz not null,
    primary key (store, document)
);

-- What a campaign granted to a member for one category of one document. Append-only: a correction is a row of its own.
create table participation (
    member_id uuid not null,
    store text not null,
    document text not null,
    category text not null,
    campaign text not null,
    version bigint not null check (version > 0),
    factor_basis_points bigint not null check (factor_basis_points > 10000),
    base bigint not null check (base > 0),
    points bigint not null check (points > 0),
    granted_at timestamptz not null,
    primary key (member_id, store, document, category, campaign),
    -- A grant may be cut by its budget, never raised.
    constraint participation_within_factor check (points::numeric * 10000 <= base::numeric * (factor_basis_points - 10000))
);

-- The report's question: how many bonuses, members and points has each campaign granted? Answered from the index alone.
create index participation_by_campaign on participation (campaign, version, member_id) include (points);

-- What the campaigns with a budget have granted, by code: versions of one campaign share it. The only rows here that
-- postings of different members lock; a campaign without a budget has none.
create table budget (
    campaign text primary key,
    granted bigint not null check (granted >= 0),
    -- The highest limit that a version has named so far.
    ceiling bigint not null,
    constraint budget_not_overrun check (granted <= ceiling)
);

do $$
declare role text := 'jifen_' || current_schema();
begin
    execute format('grant select, insert on assessment, participation to %I', role);
    execute format('grant select, insert, update on budget to %I', role);
end $$;
