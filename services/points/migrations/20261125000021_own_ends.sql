-- Lots with an end of their own, which no activity moves: of opening balances, and of what came back when its own end was over. What
-- lives again has its row in `lot_change`. A table beside, since almost no lot is one of these.
create table own_end (
    member_id uuid not null,
    lot_id uuid not null,
    primary key (member_id, lot_id)
);
insert into own_end select member_id, lot_id from entry where source = 'import' and of_entry is null;
-- Of returned points: those whose lot isn't the one that they were spent from.
insert into own_end
select r.member_id, r.lot_id from entry r join entry c on c.member_id = r.member_id and c.entry_id = r.of_entry
where r.kind = 'return' and r.lot_id <> c.lot_id
on conflict do nothing;

-- An activity asks for the open holds of its members: what is held then lives on, too.
create index hold_open_member on hold (member_id) where state = 'open';

do $$
declare role text := 'jifen_' || current_schema();
begin
    execute format('grant select, insert on own_end to %I', role);
end $$;
