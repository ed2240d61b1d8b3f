-- What is known of members: which keys they have, and whether they are activated.

-- Read with the owner of a key, for every document.
alter table customer_key
    -- The member is not activated.
    add column awaiting boolean not null default false,
    -- When an event last said that the member has the key: between two members the later one has it. Not there in rows
    -- that an older release wrote: then when it became known.
    add column held_at timestamptz;

-- One row a member of whom any event came. The keys are those of the last event that named them; whose they are stands in
-- customer_key. Sequences are those of the member's events, negative before the first.
create table member (
    member_id uuid primary key,
    member_no text,
    keys text[] not null default '{}',
    keys_sequence bigint not null default -1,
    awaiting boolean not null default false,
    status_sequence bigint not null default -1
);

-- Whoever is known so far was activated at registration: there was no other way.
insert into member (member_id, member_no, keys, keys_sequence, status_sequence)
select member_id, min(member_no), array_agg(key order by key), max(sequence), max(sequence)
from customer_key where member_id is not null group by member_id;

do $$
declare role text := 'jifen_' || current_schema();
begin
    execute format('grant update (awaiting, held_at) on customer_key to %I', role);
    execute format('grant select, insert on member to %I', role);
    execute format('grant update (member_no, keys, keys_sequence, awaiting, status_sequence) on member to %I', role);
end $$;
