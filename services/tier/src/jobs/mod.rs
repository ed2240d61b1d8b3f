//! Timed entrances.

mod year;

pub use year::YearsRun;
