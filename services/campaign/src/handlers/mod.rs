//! One file per inbound event: claim, load, decide, save over a set.

mod earned;

pub use earned::AssessEarned;
