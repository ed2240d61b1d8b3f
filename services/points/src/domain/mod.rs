//! Pure decisions of the ledger.

pub mod account;
pub mod base;
pub mod expiry;
pub mod post_invoice;
pub mod settle_accrual;
#[cfg(test)]
mod samples;
