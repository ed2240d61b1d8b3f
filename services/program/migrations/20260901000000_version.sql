-- The rulebook: one row a version, never changed, never removed.
create table version (
    -- Counts from 1 without gaps: taken as newest + 1 under the lock of `store::version::lock`.
    version integer primary key check (version >= 1),
    -- First local day on which it holds, and that day's beginning in the version's own time zone.
    effective_from date not null check (effective_from >= date '2000-01-01'),
    starts_at timestamptz not null,
    -- SHA-256 of the canonical JSON of `document`.
    hash text not null check (hash ~ '^[0-9a-f]{64}$'),
    applied_at timestamptz not null,
    -- The rules.
    document jsonb not null
);

do $$
begin
    -- Append-only: the service may neither alter nor remove a version.
    execute format('grant select, insert on version to %I', 'jifen_' || current_schema());
end $$;
