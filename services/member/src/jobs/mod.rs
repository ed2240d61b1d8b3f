//! Timed entrances.

pub mod lapse;
