-- Lots of a source that say the same: one without a name of its own may be one that was imported under a name.
create index imported_lot_alike on imported_lot (source, sha256);
