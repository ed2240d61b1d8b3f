-- What two members' chains say of documents with one number, and which invoices still wait for an activation.

-- An entry's natural key, of one member: entries that are numbered by their place in a chain may stand at the same place of another's,
-- for another kind of document with the same number. Also finds the entries of a document.
create unique index entry_key_of_member on entry (store, document, kind, rule, category, ordinal, member_id);
drop index entry_key;

-- The lapse asks for a member's invoices that were posted before the activation.
create index accrual_awaiting on accrual (member_id, business_date) where awaiting;
