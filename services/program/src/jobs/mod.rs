//! Timed entrances.

mod first_version;

pub use first_version::{FirstVersion, store_first_version};
