-- Whose a vehicle was: a document of a day on which its former owner had it still finds that member.

-- One row for every time that a vehicle's key left a member: written when the look-up passes it on or clears it.
create table former_owner (
    key text collate "C" not null,
    member_id uuid not null,
    member_no text not null,
    -- The first local day on which the member owned it.
    owned_since date not null,
    -- When somebody first said that the member has it no more.
    left_at timestamptz not null,
    -- When the member registered with it.
    known_at timestamptz not null,
    primary key (key, member_id, owned_since)
);

do $$
declare role text := 'jifen_' || current_schema();
begin
    execute format('grant select, insert on former_owner to %I', role);
    execute format('grant update (left_at, known_at) on former_owner to %I', role);
end $$;
