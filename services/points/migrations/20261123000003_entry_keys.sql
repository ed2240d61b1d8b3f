-- One key for the entries of all sources: with a condition of its own on source, a plan made on an empty table read the whole index.

drop index entry_natural_key;
drop index entry_source_key;
-- An entry's natural key (accrual, rule, kind, category); also finds the entries of a document. Rules differ by source, and a
-- campaign's grant has a kind of its own here, so documents of different sources may have the same number.
create unique index entry_natural_key on entry (store, document, kind, rule, category);
