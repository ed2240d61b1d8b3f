//! Timed entrances.

pub mod missed_pairs;
