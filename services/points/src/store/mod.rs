//! All SQL of the ledger, one file a table family.

pub mod accounts;
pub mod accruals;
pub mod activations;
pub mod corrections;
pub mod direct;
pub mod ending;
pub mod entries;
pub mod given;
pub mod listing;
pub mod lots;
pub mod seals;
pub mod waiting;
