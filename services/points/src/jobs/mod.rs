//! Timed entrances.

pub mod correct;
pub mod expiry;
pub mod holds;
pub mod lapse;
pub mod offsets;
mod parts;
pub mod release;
pub mod seal;
pub mod settle;

pub use parts::Part;
