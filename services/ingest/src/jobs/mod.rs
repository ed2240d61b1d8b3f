//! Timed entrances.

pub mod lapse_parked;
pub mod missed_pairs;
