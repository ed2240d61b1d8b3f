//! What happens to a batch: telling members, and hearing how it went.

mod contacts;
mod report;
mod tell;

pub use report::{Report, Reported};
pub use tell::Tell;
