//! Timed entrances.

pub mod lapse;
pub mod release;
