-- Registrations that wait for their activation, the codes that activate them, and how many codes were sent.

alter table member
    drop constraint member_status_check,
    add constraint member_status_check check (status in ('registered', 'active', 'lapsed')),
    -- While it waits: the local day with whose beginning it lapses, and the one on which that is announced, until it is.
    add column lapses_on date,
    add column warn_on date,
    add column language text not null default 'zh' constraint member_language check (language in ('zh', 'en')),
    -- The first calendar year in which the birthday counts; null: it always did.
    add column birthday_from_year integer,
    add constraint member_waits check ((status = 'registered') = (lapses_on is not null) and (warn_on is null or lapses_on is not null));

-- Serves: what lapses up to a day.
create index member_lapses on member (lapses_on, member_id) where lapses_on is not null;
-- Serves: what is announced up to a day.
create index member_warned on member (warn_on, member_id) where warn_on is not null;

alter table personal
    drop constraint personal_field_check,
    add constraint personal_field_check check (field ~ '^(phone|name|birthday|wechat_openid|(vin|plate)/[0-9]{1,2})$');

-- What a member agreed to and no longer does is remembered as such.
alter table consent add column granted boolean not null default true;

-- A change of phone claims the new one before it gives the old one back, so for a moment a member has two.
drop index identity_one_phone;
-- Serves: the phone of a member.
create index identity_phone on identity (member_id) where kind = 'phone';

-- The last code sent to a member. Only its keyed hash is kept, with a salt of its own.
create table activation_code (
    member_id uuid primary key references member,
    salt bytea not null check (octet_length(salt) = 16),
    hash bytea not null check (octet_length(hash) = 32),
    issued_at timestamptz not null,
    not_after timestamptz not null,
    attempts_left integer not null check (attempts_left >= 0),
    used_at timestamptz
);

-- How many codes were sent in a span of time, for a phone, a store and the group: what bounds them for any number of copies.
create table code_count (
    -- `group`, `phone/<keyed hash>`, `store/<code>`: also the order in which rows are locked.
    scope text collate "C" not null,
    -- The beginning of the local day or of the hour.
    since timestamptz not null,
    issued integer not null check (issued >= 0),
    primary key (scope, since)
);

-- Serves: spans long past are forgotten.
create index code_count_since on code_count (since);

do $$
declare role text := 'jifen_' || current_schema();
begin
    execute format('grant update (status, sequence, lapses_on, warn_on, language, birthday_from_year) on member to %I', role);
    execute format('grant update (granted, granted_at) on consent to %I', role);
    execute format('grant update (sealed), delete on personal to %I', role);
    execute format('grant update (owned_since), delete on vehicle to %I', role);
    execute format('grant select, insert, update on activation_code to %I', role);
    execute format('grant select, insert, update (issued), delete on code_count to %I', role);
end $$;
