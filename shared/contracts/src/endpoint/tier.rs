//! tier: standings, entitlements, and what staff decides.

use chrono::{DateTime, NaiveDate, Utc};
use jifen_kernel::{MemberId, Points};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{AnnounceReply, AnnounceRequest, CountsReply, Empty, Endpoint, MemberRequest};
use crate::{
    code::Text,
    program::{TierMetric, TierValue},
};

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
    /// Qualifying points; 0 for a tier that isn't reached by points alone.
    pub points: Points,
    /// The other ways to it; any of them does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub any: Vec<MissingWay>,
}

/// What one way to a tier still asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MissingWay {
    /// All of it.
    pub all: Vec<MetricValue>,
}

/// A metric and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MetricValue {
    /// Which.
    pub metric: TierMetric,
    /// How much.
    pub value: TierValue,
}

/// The membership year of a tier that must be earned again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MembershipYear {
    /// Its first local day.
    pub from: NaiveDate,
    /// Its last local day.
    pub to: NaiveDate,
    /// The last local day of grace: what settles by then still counts for this year.
    pub grace_to: NaiveDate,
    /// The tier is earned for another year already.
    pub earned: bool,
    /// The member was warned of the step down.
    pub warned: bool,
    /// What keeping the tier still asks for; any of these ways does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<MissingWay>,
}

/// A benefit of the tier, or of one below.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct BenefitReply {
    /// Its kind.
    pub kind: String,
    /// What it is.
    pub text: Text,
    /// Of a discount: percent off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u32>,
}

/// A countable benefit that may be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EntitlementReply {
    /// Its key.
    pub entitlement_id: Uuid,
    /// The benefit's kind: what a store names to use it.
    pub benefit: String,
    /// What it is.
    pub name: Text,
    /// How often it may be used in all.
    pub count: u32,
    /// How often still.
    pub left: u32,
    /// The last local day on which it may be.
    pub valid_until: NaiveDate,
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
    /// When it was reached; `null` for a member who has none yet, and stands lowest.
    pub since: Option<DateTime<Utc>>,
    /// Qualifying points so far.
    pub qualifying: Points,
    /// The step above, unless this is the highest.
    pub next: Option<NextTier>,
    /// Countable benefits that are valid.
    pub entitlements: Vec<EntitlementReply>,
    /// The registration awaits activation: all counts, nothing is granted or announced.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub awaiting_activation: bool,
    /// On a yearly ladder, above its lowest step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub year: Option<MembershipYear>,
    /// What the tier brings, with what it includes of those below.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub benefits: Vec<BenefitReply>,
    /// Every metric that is not 0, up to now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<MetricValue>,
}

endpoint!(
    /// A member without entries answers the lowest tier.
    for_stores = true, StandingGet = "api.tier.standing.get", MemberRequest => StandingReply
);

endpoint!(
    /// Members by tier code.
    TierCounts = "api.tier.standing.counts", Empty => CountsReply
);

/// A store gives a countable benefit once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EntitlementUseRequest {
    /// The caller's id of this operation, at most 64 characters.
    pub operation_id: String,
    /// The store that gives it.
    pub store: String,
    /// The number on the card.
    pub member_no: String,
    /// The benefit's kind.
    pub benefit: String,
    /// The store's document, if there is one.
    #[serde(default)]
    pub document: Option<String>,
}

/// A store takes back a use of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EntitlementUndoRequest {
    /// The caller's id of this operation, at most 64 characters.
    pub operation_id: String,
    /// The store that gave it.
    pub store: String,
    /// The use.
    pub use_id: Uuid,
}

/// A use, or one taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EntitlementUseReply {
    /// The use: `undo` names it.
    pub use_id: Uuid,
    /// Of which entitlement.
    pub entitlement_id: Uuid,
    /// The benefit's kind.
    pub benefit: String,
    /// How often it may be used still.
    pub left: u32,
    /// The last local day on which it may be.
    pub valid_until: NaiveDate,
}

endpoint!(
    /// Mutating. Of several the one that ends first is used.
    for_stores = true, EntitlementUse = "api.tier.entitlement.use", EntitlementUseRequest => EntitlementUseReply
);

endpoint!(
    /// Mutating. Once for each use.
    for_stores = true, EntitlementUndo = "api.tier.entitlement.undo", EntitlementUndoRequest => EntitlementUseReply
);

/// Staff brings a member to a tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TierGiftRequest {
    /// The caller's id of this operation, at most 64 characters.
    pub operation_id: String,
    /// The number on the card.
    pub member_no: String,
    /// The tier: one of the program in force that may be reached in this way.
    pub tier: String,
    /// Why, 1 to 200 characters: who looks back later reads it.
    pub reason: String,
}

/// Where the member stands now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TierGiftReply {
    /// The member.
    pub member_id: MemberId,
    /// The tier now: with other conditions unmet, or before activation, not the one that was asked for.
    pub tier: String,
}

endpoint!(
    /// Mutating.
    TierInvite = "api.tier.member.invite", TierGiftRequest => TierGiftReply
);

endpoint!(
    /// Mutating.
    TierApprove = "api.tier.member.approve", TierGiftRequest => TierGiftReply
);

endpoint!(
    /// Says once more where members stand, for services that weren't there when they rose.
    TierAnnounce = "api.tier.standing.announce", AnnounceRequest => AnnounceReply
);
