//! All SQL of this service. Lock order: the rulebook's advisory lock, then rows are read in a later statement.

pub mod version;
