//! All SQL of the service. Locks are taken in this order: `contribution` by (store, document, source), or `deducted_entry` and
//! `deduction` by their ids, then `standing` by `member_id`; entitlements and their uses are read and written under the standing's lock.

pub mod contribution;
pub mod deduction;
pub mod entitlement;
pub mod standing;
