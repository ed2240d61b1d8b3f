-- What corrections leave of invoices: promises shrink with it, and reports are net of it.

-- One row an invoice that was corrected, or that a promise rests on: whoever changes a promise locks it first.
create table corrected (
    store text not null,
    document text not null,
    member_id uuid not null,
    -- [{"category", "paid", "base"}], of each the least that was said: corrections leave less and less, in whatever order they are
    -- heard of. Null while nothing was said.
    categories jsonb,
    -- What is still paid in all of them.
    paid_fen bigint check (paid_fen >= 0),
    -- {"campaign": points}: given back to budgets and caps when another invoice took this one's place, ahead of the entries that take
    -- them back.
    ahead jsonb not null default '{}',
    primary key (store, document),
    constraint corrected_says_both check ((categories is null) = (paid_fen is null))
);

-- A promise of which nothing is left is never granted.
alter table deferred drop constraint deferred_points_check;
alter table deferred add constraint deferred_points_check check (points >= 0);
-- A correction asks for what was promised for its invoice.
create index deferred_of_document on deferred (store, document) where granted_at is null and points > 0;

-- What came back is an entry of the ledger, or what was cut off a promise. The category tells bonuses of one invoice apart: '' for
-- those that have none, null where it wasn't kept.
alter table returned add column category text;
-- What is left of a bonus, where another invoice takes the place of the one that brought it.
create index returned_of_document on returned (store, document);

do $$
declare role text := 'jifen_' || current_schema();
begin
    execute format('grant select, insert, update on corrected to %I', role);
end $$;
