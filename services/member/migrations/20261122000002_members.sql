-- Members, the keys they are found by, and the vault of their personal values.

-- Gives the nine digits of a member number that are not its check digit. Gaps are harmless: a refused or rolled back
-- registration uses a number up.
create sequence member_no_sequence as bigint minvalue 100000000 maxvalue 999999999 no cycle;

create table member (
    member_id uuid primary key,
    -- Serves: the member of a number (api.member.member.get).
    member_no text not null constraint member_no_unique unique constraint member_no_form check (member_no ~ '^M[0-9]{10}$'),
    -- Orders the events about this member; the registration is 1.
    sequence bigint not null check (sequence >= 1),
    status text not null check (status in ('active')),
    store text not null check (store ~ '^[A-Z0-9][A-Z0-9_-]{0,15}$'),
    registered_at timestamptz not null
);

-- One random key a member, sealed with the installation's vault key. Whoever deletes this row makes every personal value
-- of the member unreadable, also in backups: that is what erasing is.
create table data_key (
    member_id uuid primary key references member,
    sealed bytea not null check (length(sealed) = 60)
);

-- Personal values, each sealed with its member's data key and bound to its place.
create table personal (
    member_id uuid not null references member,
    field text not null check (field ~ '^(phone|name|birthday|(vin|plate)/[0-9]{1,2})$'),
    sealed bytea not null,
    primary key (member_id, field)
);

create table vehicle (
    member_id uuid not null references member,
    -- Counts a member's vehicles from 1; the VIN and plate are the personal values vin/<no> and plate/<no>.
    vehicle_no smallint not null check (vehicle_no between 1 and 99),
    owned_since date not null,
    primary key (member_id, vehicle_no)
);

-- What a member is found by: keyed hashes of phone, VIN and plate, never the values. The key of this table is what keeps
-- one phone one member, and one vehicle one owner, whoever registers at the same moment. A registration claims its keys
-- before it is decided, so the member may follow within the transaction.
create table identity (
    hash text primary key check (hash ~ '^[0-9]+:[0-9a-f]{64}$'),
    kind text not null check (kind in ('phone', 'vin', 'plate')),
    member_id uuid not null references member deferrable initially deferred
);

-- Serves: a member has one phone.
create unique index identity_one_phone on identity (member_id) where kind = 'phone';

create table consent (
    member_id uuid not null references member,
    channel text not null check (channel in ('sms', 'wechat', 'app', 'email')),
    purpose text not null check (purpose in ('service', 'promotion')),
    granted_at timestamptz not null,
    primary key (member_id, channel, purpose)
);

do $$
declare role text := 'jifen_' || current_schema();
begin
    execute format('grant usage on sequence member_no_sequence to %I', role);
    execute format('grant select, insert on member, data_key, personal, vehicle, consent to %I', role);
    -- A claim that came to nothing is given to another request of its batch, or deleted.
    execute format('grant select, insert, delete, update (member_id) on identity to %I', role);
end $$;
