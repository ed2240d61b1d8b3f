//! All SQL of the ledger, one file a table family.

pub mod accounts;
pub mod accruals;
pub mod entries;
