-- Lots of what came back when its own lot was over: which lot it was spent from. What ends unspent there is claimed from nobody either. A
-- table beside, since almost no lot is one of these.
create table grace_lot (
    member_id uuid not null,
    lot_id uuid not null,
    -- The first of them, where points went out and came back more than once.
    of_lot uuid not null,
    primary key (member_id, lot_id)
);
insert into grace_lot (member_id, lot_id, of_lot)
with recursive returned as (
    select r.member_id, r.lot_id, c.lot_id as of_lot
    from entry r join entry c on c.member_id = r.member_id and c.entry_id = r.of_entry
    where r.kind = 'return' and c.kind = 'capture' and r.lot_id <> c.lot_id
), root as (
    select r.* from returned r where not exists (select 1 from returned b where b.member_id = r.member_id and b.lot_id = r.of_lot)
    union
    select r.member_id, r.lot_id, b.of_lot from root b join returned r on r.member_id = b.member_id and r.of_lot = b.lot_id
)
select member_id, lot_id, of_lot from root;

do $$
declare role text := 'jifen_' || current_schema();
begin
    execute format('grant select, insert on grace_lot to %I', role);
end $$;
