-- Documents that nobody will claim any more are looked for once a day, refused ones by their number.

-- Which documents wait for a customer since before a day? Only those that wait are in it.
create index document_parked on document (store, kind, number) include (business_date) where status = 'parked' and code = 'document.parked';

-- What was refused under this number?
create index reject_document on reject (store, document) where document is not null;
