//! What happens to a batch: telling members, hearing how it went and what they answered; and which lost commands are still needed.

mod again;
pub(crate) mod consent;
pub(crate) mod contacts;
pub(crate) mod kept;
mod reply;
pub(crate) mod report;
pub(crate) mod tasks;
mod tell;
mod told;

pub use again::Unanswered;
pub use reply::{Replied, Reply};
pub use report::{Report, Reported};
pub use tell::Tell;
pub use told::{CampaignNews, ExpiryNews, MemberNews, Told};
