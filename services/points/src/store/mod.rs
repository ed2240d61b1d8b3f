//! All SQL of the ledger, one file a table family.

pub mod accounts;
pub mod accruals;
pub mod activations;
pub mod adjustments;
pub mod audit;
pub mod corrections;
pub mod direct;
pub mod ending;
pub mod entries;
pub mod freezes;
pub mod given;
pub mod holds;
pub mod imports;
pub mod listing;
pub mod lot_changes;
pub mod lots;
pub mod offsets;
pub mod reviews;
pub mod seals;
pub mod settlement;
pub mod spent;
pub mod waiting;
