//! One file per inbound event: claim, load, decide, save over a set.

mod earned;
mod members;
mod promises;
mod reversed;
mod tiers;

pub use earned::AssessEarned;
pub use members::{LearnMembers, MemberFact};
pub use reversed::ReturnBonuses;
pub use tiers::{LearnTiers, TierFact};
