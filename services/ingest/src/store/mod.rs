//! All SQL of ingest, one file a table family.

pub mod arrivals;
pub mod corrections;
pub mod customer_keys;
pub mod days;
pub mod documents;
pub mod figures;
pub mod former_owners;
pub mod members;
pub mod parked_keys;
pub mod rejects;
