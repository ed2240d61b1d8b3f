-- What ladders of every kind ask for: facts of any source, the state of a registration, and when time changes something.
alter table contribution
    -- An accrual's source, or another fact's: invoice, interaction, vehicle_sale, approval.
    add column source text not null default 'invoice',
    -- Settlement; unknown of what was counted before.
    add column at timestamptz,
    -- The price of a car, in fen.
    add column amount_fen bigint check (amount_fen >= 0),
    -- The kind of an interaction, the series of a car, the tier of an invitation or approval.
    add column detail text,
    drop constraint contribution_pkey,
    -- Invoices and interactions are numbered each for themselves.
    add primary key (store, document, source);

-- All facts of a member, for ladders that ask for more than points, and for api.tier.standing.get.
create index contribution_by_member on contribution (member_id);

alter table standing
    -- The store of the registration, or of the first document.
    add column store text,
    add column awaiting boolean not null default false,
    add column active_on date,
    -- The first day of the lower tier that the member was last warned of.
    add column warned_of date,
    -- The day up to which time was taken into account.
    add column decided_to date,
    -- The day on which time may change something.
    add column next_due date,
    -- The version whose ladder the day's run saw last.
    add column ladder_version bigint not null default 0;

update standing s set store = (select c.store from contribution c where c.member_id = s.member_id order by c.business_date limit 1);

-- The day's run: who is due.
create index standing_due on standing (next_due, member_id) where next_due is not null;
-- The day's run: who has not been seen under the ladder in force.
create index standing_by_ladder on standing (ladder_version, member_id);

-- Countable benefits: one row a grant. Read and written under the lock of the member's standing.
create table entitlement (
    entitlement_id uuid primary key,
    member_id uuid not null,
    tier text not null,
    kind text not null,
    name_zh text not null,
    name_en text not null,
    count int not null check (count > 0),
    used int not null default 0,
    granted_on date not null,
    valid_until date not null,
    -- Over, and announced to be.
    closed boolean not null default false,
    program_version bigint not null,
    granted_at timestamptz not null,
    constraint entitlement_never_overused check (used between 0 and count),
    -- A day's grant is one, whoever looks how often.
    constraint entitlement_once_a_day unique (member_id, kind, tier, granted_on)
);

-- Each use at a store. A use is taken back once.
create table entitlement_use (
    use_id uuid primary key,
    entitlement_id uuid not null references entitlement,
    member_id uuid not null,
    store text not null,
    document text,
    used_at timestamptz not null,
    undone_at timestamptz
);

-- Who gave a member a tier by hand, and why. The row of `contribution` makes it count; this says what people want to know later.
create table gift (
    source text not null,
    operation_id text not null,
    member_id uuid not null,
    tier text not null,
    reason text not null,
    at timestamptz not null,
    primary key (source, operation_id)
);

do $$
declare role text := 'jifen_' || current_schema();
begin
    execute format('grant select, insert, update on entitlement to %I', role);
    execute format('grant select, insert, update on entitlement_use to %I', role);
    execute format('grant select, insert on gift to %I', role);
end $$;
