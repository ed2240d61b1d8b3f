-- Bonuses that corrections took back.

-- One row for every entry of the ledger that takes a campaign's bonus back: the claim that makes it count once. Append-only.
create table returned (
    entry_id uuid primary key,
    member_id uuid not null,
    store text not null,
    document text not null,
    campaign text not null,
    version bigint not null check (version > 0),
    points bigint not null check (points > 0),
    at timestamptz not null
);

-- The report's question: how many points came back of what each campaign granted? Answered from the index alone.
create index returned_by_campaign on returned (campaign, version) include (points);

do $$
declare role text := 'jifen_' || current_schema();
begin
    execute format('grant select, insert on returned to %I', role);
end $$;
