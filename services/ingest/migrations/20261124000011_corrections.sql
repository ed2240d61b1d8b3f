-- Refunds, voids and reopened bills: what is kept of an accepted bill, and where a correction and its bill meet.

alter table document
    -- Of an accepted invoice its lines and reductions, of an accepted refund its lines, as compact JSON: what later corrections
    -- and comparisons need, and nothing personal. Not there in rows of older releases.
    add column bill text,
    -- Corrections wait for this one's outcome. Never true for most.
    add column awaited boolean,
    -- Of an invoice: the void or the other invoice that took it back.
    add column voided_by text;

-- `absent`: nothing has come under this number, or nothing that lasts. The row is only the place where a correction that is ahead
-- of its invoice and the invoice meet: both lock it, and the invoice's claim takes it over. No row for this is ever written on
-- the way of an invoice that nobody waits for.
alter table document drop constraint document_status_check;
alter table document add constraint document_status_check check (status in ('accepted', 'parked', 'lapsed', 'absent'));

-- Which corrections wait for which invoice: refunds and voids, which are parked meanwhile, and invoices that replace it, which
-- are not. The primary key serves "what waits for these invoices?".
create table waiting_correction (
    store text collate "C" not null,
    invoice_no text collate "C" not null,
    kind text collate "C" not null check (kind in ('refund', 'void', 'invoice')),
    number text collate "C" not null,
    primary key (store, invoice_no, kind, number)
);

do $$
declare role text := 'jifen_' || current_schema();
begin
    -- Whoever takes an absent row over writes all of it.
    execute format('grant update (content_hash, stream_sequence, received_at, issued_at, bill, awaited, voided_by) on document to %I',
                   role);
    execute format('grant select, insert, delete on waiting_correction to %I', role);
end $$;
