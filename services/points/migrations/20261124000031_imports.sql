-- Opening balances from other systems.

-- The claim of a line: with its source its identity, for ever.
create table imported_lot (
    source text not null,
    line text not null,
    -- Of its content: the same line with another one is a mistake.
    sha256 bytea not null,
    member_id uuid not null,
    imported_at timestamptz not null,
    primary key (source, line)
);

do $$
declare role text := 'jifen_' || current_schema();
begin
    execute format('grant select, insert on imported_lot to %I', role);
end $$;
