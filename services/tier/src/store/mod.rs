//! All SQL of the service. Locks are taken in this order: `contribution` by (store, document), `standing` by `member_id`.

pub mod contribution;
pub mod standing;
