//! Timed entrances.

pub mod correct;
pub mod lapse;
mod parts;
pub mod release;

pub use parts::Part;
