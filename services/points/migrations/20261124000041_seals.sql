-- Seals: what proves the ledger beyond the reach of whoever may change its rows.

-- One row a seal: a signed Merkle root over heads of members' chains, chained to the seal before. Never changed.
create table seal (
    seal bigint primary key check (seal > 0),
    sealed_at timestamptz not null,
    previous bytea not null check (length(previous) = 32),
    root bytea not null check (length(root) = 32),
    leaves bigint not null check (leaves > 0),
    key bytea not null check (length(key) = 32),
    signature bytea not null check (length(signature) = 64)
);

-- The heads under a seal. A member's entries behind the sealed head before, up to this one, belong to this seal: each entry to one.
create table sealed_head (
    member_id uuid not null,
    sequence bigint not null,
    -- The sequence of the member's sealed head before; 0 for the first.
    behind bigint not null check (behind >= 0 and behind < sequence),
    head bytea not null check (length(head) = 32),
    seal bigint not null,
    primary key (member_id, sequence)
);
-- The leaves of a seal, in the order of the tree.
create index sealed_head_seal on sealed_head (seal, member_id);

-- How far the sealer looked: up to which instant of posting, and among the accounts on its round through all of them.
create table sealing (
    one boolean primary key default true check (one),
    -- When it looked; null if it shall look on at once.
    looked_at timestamptz,
    looked_to timestamptz,
    round_to uuid
);
insert into sealing default values;

-- The sealer finds members with new entries. A block range index: a posting pays next to nothing for it.
create index entry_posted_at on entry using brin (posted_at) with (pages_per_range = 32);

do $$
declare role text := 'jifen_' || current_schema();
begin
    execute format('grant select, insert on seal, sealed_head to %I', role);
    execute format('grant select, update on sealing to %I', role);
end $$;
