//! Pure decisions of the ledger.

pub mod account;
pub mod activation;
pub mod activity;
pub mod adjustment;
pub mod audit;
pub mod base;
pub mod caps;
pub mod correct;
pub mod direct;
pub mod ending;
pub mod expiry;
pub mod explain;
pub mod hold;
pub mod interaction;
pub mod lot_change;
pub mod lots;
pub mod net;
pub mod offset;
pub mod partner;
pub mod pending;
pub mod post_invoice;
#[cfg(test)]
mod properties;
pub mod quote;
pub mod review;
#[cfg(test)]
mod samples;
pub mod settle_accrual;
pub mod settlement;
