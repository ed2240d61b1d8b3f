//! One file per inbound event: claim, load, decide, save over a set.

mod accrual_settled;

pub use accrual_settled::CountAccruals;
