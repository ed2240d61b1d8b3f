//! One file per kind of inbound event: claim, load, decide, save over a set.

mod count;
mod deduct;
mod members;

pub use count::Count;
pub use deduct::Deduct;
pub use members::{Activate, Register};
