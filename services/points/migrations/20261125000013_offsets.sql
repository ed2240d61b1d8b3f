-- What points pay of a bill by its own words, held against what was captured for it.

alter table accrual
    -- In fen; null where points pay nothing: so the rows of other bills stay as they are.
    add column offset_fen bigint check (offset_fen > 0);
-- The bills of a day that points pay.
create index accrual_offset on accrual (posted_at) where offset_fen is not null;
-- What was captured on a day for bills.
create index hold_captured on hold (resolved_at) where state = 'captured' and document is not null;

-- Bills whose own words and captured points differ, once each.
create table offset_difference (
    store text not null,
    document text not null,
    said_fen bigint not null,
    captured bigint not null,
    captured_fen bigint not null,
    found_at timestamptz not null,
    primary key (store, document)
);

do $$
declare role text := 'jifen_' || current_schema();
begin
    execute format('grant select, insert on offset_difference to %I', role);
end $$;
