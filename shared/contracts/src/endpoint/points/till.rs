//! points at the till: what they pay, and holding, spending and giving them back.

use chrono::{DateTime, Utc};
use jifen_kernel::{MemberId, Money, Points};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::endpoint::Endpoint;

/// What points pay of a bill. With neither `points` nor `offset`: as much as can be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct QuoteRequest {
    /// The till's store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// What the customer pays of the bill, in yuan.
    #[serde(deserialize_with = "crate::strict::amount")]
    pub bill: Money,
    /// Whose points; without it the bill alone limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_no: Option<String>,
    /// So many points are offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points: Option<Points>,
    /// So much shall be paid by points, in yuan; `points` must be missing then.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::strict::optional_amount")]
    pub offset: Option<Money>,
}

/// What points pay, as the program in force has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct QuoteReply {
    /// To be held: whole steps, rounded down; 0 where less than the minimum is left.
    pub points: Points,
    /// What they pay, in yuan.
    pub offset: Money,
    /// What is left to pay, in yuan.
    pub payable: Money,
    /// The most that can be taken for this bill, from this member.
    pub most: Points,
    /// The member's spendable points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<Points>,
    /// Points that pay one yuan.
    pub points_per_yuan: u32,
    /// Points are taken in steps of so many.
    pub step: u32,
    /// The fewest that pay.
    pub minimum: u32,
    /// The share of a bill that points may pay, in percent.
    pub max_share_percent: u32,
    /// The rules applied.
    pub program_version: u32,
}

endpoint!(
    /// What points pay of a bill. Promises nothing: `hold.create` does.
    for_stores = true, QuoteGet = "api.points.quote.get", QuoteRequest => QuoteReply
);

/// Reserves points for a redemption in progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HoldCreateRequest {
    /// The caller's id of this operation, at most 64 characters.
    pub operation_id: String,
    /// Where they will be spent.
    pub store: String,
    /// The number on the card.
    pub member_no: String,
    /// How many.
    pub points: Points,
    /// Seconds after which they come back unless they are spent; what the program says if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_s: Option<u32>,
}

/// Spends held points: all, or some, and the rest comes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HoldCaptureRequest {
    /// The caller's id of this operation, at most 64 characters.
    pub operation_id: String,
    /// The store that holds them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// The hold.
    pub hold_id: Uuid,
    /// How many; all if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points: Option<Points>,
    /// The invoice that they pay for: when it is voided, they come back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
}

/// Gives held points back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HoldReleaseRequest {
    /// The caller's id of this operation, at most 64 characters.
    pub operation_id: String,
    /// The store that holds them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// The hold.
    pub hold_id: Uuid,
}

/// Holds points for longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HoldExtendRequest {
    /// The caller's id of this operation, at most 64 characters.
    pub operation_id: String,
    /// The store that holds them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// The hold.
    pub hold_id: Uuid,
    /// Seconds from now after which they come back; what the program says if not given. Never shortens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_s: Option<u32>,
}

/// How a hold stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HoldState {
    /// The points are reserved.
    Open,
    /// They were spent, all or some.
    Captured,
    /// They were given back.
    Released,
    /// Its time was over: they came back.
    Expired,
}

impl HoldState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Open, Self::Captured, Self::Released, Self::Expired];

    /// As on the wire and in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Captured => "captured",
            Self::Released => "released",
            Self::Expired => "expired",
        }
    }
}

/// A hold, and the account after the operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HoldReply {
    /// The hold.
    pub hold_id: Uuid,
    /// Whose points.
    pub member_id: MemberId,
    /// How it stands.
    pub state: HoldState,
    /// Held by it, when it was made.
    pub points: Points,
    /// Spent of it.
    pub captured: Points,
    /// When what is still held comes back.
    pub expires_at: DateTime<Utc>,
    /// Held in all.
    pub reserved: Points,
    /// Spendable.
    pub active: Points,
    /// Owed.
    pub debt: Points,
}

endpoint!(
    /// Mutating. Of several tills on one balance, those get points for whom there are enough.
    for_stores = true, HoldCreate = "api.points.hold.create", HoldCreateRequest => HoldReply
);

endpoint!(
    /// Mutating. A hold is captured, released or expires: one of these, once.
    for_stores = true, HoldCapture = "api.points.hold.capture", HoldCaptureRequest => HoldReply
);

endpoint!(
    /// Mutating.
    for_stores = true, HoldRelease = "api.points.hold.release", HoldReleaseRequest => HoldReply
);

endpoint!(
    /// Mutating. Up to the program's limit.
    for_stores = true, HoldExtend = "api.points.hold.extend", HoldExtendRequest => HoldReply
);
