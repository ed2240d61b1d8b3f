//! What happens to a batch: telling members, and hearing how it went; and which lost commands are still needed.

mod again;
mod contacts;
mod report;
mod tell;

pub use again::Unanswered;
pub use report::{Report, Reported};
pub use tell::Tell;
