-- Several ways to a member for one occasion, and messages that wait for their hour.
alter table send
    -- Counts the ways that were tried for one occasion. The first one's row is the occasion's claim.
    add column attempt smallint not null default 1 check (attempt between 1 and 9),
    -- When a message that waits is decided upon, and from when on it is not sent any more.
    add column due_at timestamptz,
    add column drop_at timestamptz,
    -- What there is to tell, sealed: only where it may be told later or on another way, and no longer than that.
    add column facts bytea,
    -- Monday of the local week of which an advertising message used up a part.
    add column promotion_week date,
    -- The gateway said at last that the member has it, after it had said that it wouldn't arrive.
    add column delivered_late boolean not null default false;

alter table send drop constraint send_pkey, add primary key (member_id, kind, business_key, attempt);

alter table send drop constraint send_state_check, drop constraint send_why_check, drop constraint send_suppressed, drop constraint send_reported;
alter table send
    add constraint send_state_check
        check (state in ('waiting', 'commanded', 'suppressed', 'accepted', 'unknown', 'delivered', 'failed', 'expired')),
    add constraint send_why_check
        check (why in ('no_consent', 'no_contact', 'no_template', 'not_active', 'expired', 'weekly_cap', 'unfit')),
    add constraint send_suppressed check ((state = 'suppressed') = (why is not null)),
    add constraint send_limited check ((state in ('suppressed', 'waiting')) = (not_after is null)),
    add constraint send_waiting check ((state = 'waiting') = (due_at is not null)),
    add constraint send_reported check ((state in ('commanded', 'suppressed', 'waiting')) = (reported_at is null));

-- What is due?
create index send_due on send (due_at) where due_at is not null;
-- How much advertising did these members have this week?
create index send_promotions on send (member_id, promotion_week) where promotion_week is not null;
-- Which facts are kept for nothing?
create index send_kept on send (not_after) where facts is not null and not_after is not null;

-- What is remembered of members for messages that no event causes. Empty fields are not known yet: events come in any order.
create table member (
    member_id uuid primary key,
    store text,
    -- Of the birthday, its own sequence and that of the state: each is replaced by a later one only.
    sequence bigint not null default 0,
    month smallint check (month between 1 and 12),
    day smallint check (day between 1 and 31),
    -- The first year in which this birthday counts; before it the one before does.
    from_year integer,
    prior_month smallint,
    prior_day smallint,
    active_sequence bigint not null default 0,
    active boolean not null default false,
    tier text,
    tier_ordinal bigint not null default 0
);
-- Whose birthday is it?
create index member_birthday on member (month, day, member_id) where month is not null;
-- And whose was it until the change counts?
create index member_prior_birthday on member (prior_month, prior_day, member_id) where prior_month is not null;

-- Which task was given for which reason: once, for ever.
create table task (
    store text not null,
    about text not null,
    kind text not null,
    member_id uuid not null,
    task_id uuid not null,
    created_at timestamptz not null,
    primary key (store, about, kind, member_id)
);

do $$
declare role text := 'jifen_' || current_schema();
begin
    execute format('grant update (state, why, channel, template, not_after, due_at, drop_at, facts, promotion_week, delivered_late, '
                   'reported_at, provider_id, provider_code) on send to %I', role);
    execute format('grant select, insert, update on member to %I', role);
    execute format('grant select, insert on task to %I', role);
end $$;
