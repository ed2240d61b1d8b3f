//! Timed entrances.

pub mod correct;
pub mod expiry;
pub mod holds;
pub mod lapse;
mod parts;
pub mod release;
pub mod seal;

pub use parts::Part;
