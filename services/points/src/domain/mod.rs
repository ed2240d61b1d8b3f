//! Pure decisions of the ledger.

pub mod account;
pub mod base;
pub mod expiry;
pub mod post_invoice;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod samples;
pub mod settle_accrual;
