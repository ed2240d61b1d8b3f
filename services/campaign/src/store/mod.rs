//! All SQL of the service. Locks are taken in this order: `assessment` by (store, document), `budget` by code.

pub mod assessment;
pub mod budget;
pub mod participation;
