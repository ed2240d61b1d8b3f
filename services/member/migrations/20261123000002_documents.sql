-- What stores report: sign-ups, and cars delivered to members.

-- One row a sign-up, for ever: its claim.
create table sign_up (
    store text collate "C" not null,
    number text collate "C" not null,
    -- Keyed hash of the canonical content: tells a duplicate from a conflict.
    content_hash bytea not null check (octet_length(content_hash) = 32),
    -- The message that brought it first: a redelivery of that very message is no duplicate. Sequences begin anew when a
    -- stream is made anew, hence both.
    stream_sequence bigint not null,
    received_at timestamptz not null,
    member_id uuid not null references member deferrable initially deferred,
    -- The customer was a member before.
    existing boolean not null,
    -- Who brought the customer, as the store wrote it.
    referral_code text,
    primary key (store, number)
);

-- Messages that were no sign-up of their own, recognised when they are delivered again.
create table sign_up_arrival (
    stream_sequence bigint not null,
    stored_at timestamptz not null,
    fate text not null check (fate in ('duplicate', 'rejected')),
    primary key (stream_sequence, stored_at)
);

-- One row a delivery, for ever: of several sales of one car the latest decides whose it is, in whatever order they come.
create table vehicle_sale (
    store text collate "C" not null,
    sale_no text collate "C" not null,
    -- The VIN, as in `identity`.
    vin text collate "C" not null,
    member_id uuid not null references member,
    delivered_at timestamptz not null,
    primary key (store, sale_no)
);

-- Serves: the latest sale of a car.
create index vehicle_sale_vin on vehicle_sale (vin, delivered_at);

do $$
declare role text := 'jifen_' || current_schema();
begin
    execute format('grant select, insert on sign_up, sign_up_arrival, vehicle_sale to %I', role);
end $$;
