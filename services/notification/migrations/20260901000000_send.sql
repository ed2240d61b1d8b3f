-- What members were told, or were not to be told: one row an occasion, for ever. Holds no telephone number, name or text: those are
-- in the sealed command only.
create table send (
    member_id uuid not null,
    kind text not null check (kind ~ '^[a-z_]{1,32}$'),
    -- With member and kind: what makes it this occasion and no other. 'welcome', '<store>/<document>', the ordinal of an upgrade.
    business_key text not null check (business_key <> ''),
    -- UUIDv7, unique by its making. Not a unique index: the table may be distributed by member_id.
    notification_id uuid not null,
    channel text not null,
    store text not null,
    -- The version of the program whose text it is.
    program_version integer not null check (program_version >= 1),
    -- The provider's template.
    template text not null,
    state text not null
        check (state in ('commanded', 'suppressed', 'accepted', 'unknown', 'delivered', 'failed', 'expired')),
    -- Why nothing was sent.
    why text check (why in ('no_consent', 'no_contact')),
    -- Until when a gateway may send it.
    not_after timestamptz,
    created_at timestamptz not null,
    -- The gateway's last word that counted: its time and the provider's own id and code.
    reported_at timestamptz,
    provider_id text,
    provider_code text,
    primary key (member_id, kind, business_key),
    constraint send_suppressed check ((state = 'suppressed') = (why is not null) and (state = 'suppressed') = (not_after is null)),
    constraint send_reported check ((state in ('commanded', 'suppressed')) = (reported_at is null))
);

-- A gateway's receipt: which message is it about?
create index send_notification on send (notification_id);

do $$
declare role text := 'jifen_' || current_schema();
begin
    -- Rows stay: what was told can't be taken back. Only reports change them.
    execute format('grant select, insert on send to %I', role);
    execute format('grant update (state, reported_at, provider_id, provider_code) on send to %I', role);
end $$;
