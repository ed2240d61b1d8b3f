-- Reviews of pending points: of which kind of document they are, and what was decided on them by whom.

-- As in `entry`: null for invoices. One number may stand for documents of several kinds.
alter table pending_lot add column source text;
update pending_lot p set source = e.source from entry e
where e.member_id = p.member_id and e.lot_id = p.lot_id and e.of_entry is null and e.source is not null;

-- Each decision, with what waited before it and what became of that. Never changed.
create table review (
    number bigint generated always as identity primary key,
    member_id uuid not null,
    source text,
    store text not null,
    document text not null,
    decision text not null check (decision in ('released', 'rejected')),
    points bigint not null check (points > 0),
    released bigint not null check (released >= 0),
    reversed bigint not null check (reversed >= 0),
    staff_id text not null,
    role text not null,
    reason text not null,
    note text,
    at timestamptz not null,
    constraint review_adds_up check (released + reversed <= points)
);
-- api.points.lots.list: the decisions on a member's points.
create index review_member on review (member_id, number);

do $$
declare role text := 'jifen_' || current_schema();
begin
    execute format('grant select, insert on review to %I', role);
end $$;
