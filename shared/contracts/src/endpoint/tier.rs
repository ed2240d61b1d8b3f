//! tier: standings.

use chrono::{DateTime, Utc};
use jifen_kernel::{MemberId, Points};
use serde::{Deserialize, Serialize};

use super::{CountsReply, Empty, Endpoint, MemberRequest};
use crate::code::Text;

/// The step above.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct NextTier {
    /// Its code.
    pub tier: String,
    /// What is missing.
    pub missing: Missing,
}

/// What a member lacks for the next tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Missing {
    /// Qualifying points.
    pub points: Points,
}

/// Where a member stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct StandingReply {
    /// The member.
    pub member_id: MemberId,
    /// The tier's code.
    pub tier: String,
    /// Its name.
    pub name: Text,
    /// When it was reached; `null` for a member who never earned.
    pub since: Option<DateTime<Utc>>,
    /// Qualifying points so far.
    pub qualifying: Points,
    /// The step above, unless this is the highest.
    pub next: Option<NextTier>,
    /// Countable benefits: none in this release.
    pub entitlements: Vec<serde_json::Value>,
}

endpoint!(
    /// A member without entries answers the lowest tier.
    for_stores = true, StandingGet = "api.tier.standing.get", MemberRequest => StandingReply
);

endpoint!(
    /// Members by tier code.
    TierCounts = "api.tier.standing.counts", Empty => CountsReply
);
