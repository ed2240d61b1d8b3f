-- What stores say they did on a day, and what arrived of it.

-- A day's close is accepted and nobody's.
alter table document drop constraint document_earns;
alter table document add constraint document_earns check (
    (status = 'accepted') = (accepted_at is not null) and (status = 'accepted' and kind <> 'day_close') = (member_id is not null)
);

-- What arrived of a day? Days come in about their order, so that a summary of blocks finds them, and costs an invoice nothing.
create index document_by_day on document using brin (business_date) with (pages_per_range = 32);
