-- Settlement between stores: what the entries moved, summed by month and store as seals come; a closed month is kept as it was.

-- How far the summing is: all entries under seals up to this one are in it.
create table settlement_place (
    one boolean primary key default true check (one),
    seal bigint not null default 0
);
insert into settlement_place default values;

-- Points moved in a month, from one store's books to another's: few rows, however many entries. `*` is the group, which holds debts.
create table settlement_flow (
    month date not null check (extract(day from month) = 1),
    debit_store text not null,
    debit text not null,
    credit_store text not null,
    credit text not null,
    kind text not null,
    points bigint not null check (points > 0),
    entries bigint not null check (entries > 0),
    primary key (month, debit_store, debit, credit_store, credit, kind)
);

-- Of a month: what belongs to documents of an earlier one.
create table settlement_late (
    month date not null,
    store text not null,
    document text not null,
    source text not null,
    kind text not null,
    business_month date not null check (business_month < month),
    points bigint not null check (points > 0),
    entries bigint not null check (entries > 0),
    primary key (month, store, document, source, kind)
);

-- Months that are closed, in their order, with the value of a point then.
create table settlement_month (
    month date primary key check (extract(day from month) = 1),
    closed_at timestamptz not null,
    point_value text not null,
    program_version integer not null,
    seal bigint not null
);

-- The flows of closed months: never changed.
create table settlement_closed (
    month date not null references settlement_month,
    debit_store text not null,
    debit text not null,
    credit_store text not null,
    credit text not null,
    kind text not null,
    points bigint not null check (points > 0),
    entries bigint not null check (entries > 0),
    primary key (month, debit_store, debit, credit_store, credit, kind)
);

do $$
declare role text := 'jifen_' || current_schema();
begin
    execute format('grant select, update on settlement_place to %I', role);
    execute format('grant select, insert, update on settlement_flow, settlement_late to %I', role);
    execute format('grant select, insert on settlement_month, settlement_closed to %I', role);
end $$;
