//! points by staff: adjustments with a second pair of eyes, frozen accounts.

use chrono::{DateTime, Utc};
use jifen_kernel::{MemberId, Points, StoreCode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{endpoint::Endpoint, strict};

/// Who does something, as the caller knows them: the caller vouches for both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Staff {
    /// The person's staff number: 1 to 64 characters.
    pub staff_id: String,
    /// The role in which it is done: one of the program's.
    pub role: String,
}

/// Gives points to a member, or takes some.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AdjustmentCreateRequest {
    /// The caller's id of this operation, at most 64 characters.
    pub operation_id: String,
    /// The store that it is charged to: it funds what is given.
    pub store: String,
    /// The number on the card.
    pub member_no: String,
    /// Given, or taken where negative.
    pub points: Points,
    /// One of the program's reasons.
    pub reason: String,
    /// More about it, at most 200 characters; no personal values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Who asks for it.
    #[serde(deserialize_with = "strict::one_object")]
    pub by: Staff,
}

/// A second person agrees, or doesn't.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AdjustmentDecisionRequest {
    /// The caller's id of this operation, at most 64 characters.
    pub operation_id: String,
    /// The adjustment.
    pub adjustment_id: Uuid,
    /// Who decides: never who asked for it.
    #[serde(deserialize_with = "strict::one_object")]
    pub by: Staff,
}

/// How an adjustment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AdjustmentState {
    /// It waits for a second person.
    Waiting,
    /// The points have moved.
    Posted,
    /// A second person refused it.
    Rejected,
}

impl AdjustmentState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Posted, Self::Rejected];

    /// As on the wire and in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Posted => "posted",
            Self::Rejected => "rejected",
        }
    }
}

/// An adjustment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AdjustmentReply {
    /// Its key.
    pub adjustment_id: Uuid,
    /// How it stands.
    pub state: AdjustmentState,
    /// Whose account.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// The store that it is charged to.
    pub store: StoreCode,
    /// Given, or taken where negative.
    pub points: Points,
    /// The program's reason.
    pub reason: String,
    /// More about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Who asked for it.
    pub by: Staff,
    /// When.
    pub at: DateTime<Utc>,
    /// The second person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<Staff>,
    /// When that one decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<DateTime<Utc>>,
}

endpoint!(
    /// Mutating. Posted at once up to what the role may do alone, else it waits for a second person.
    AdjustmentCreate = "api.points.adjustment.create", AdjustmentCreateRequest => AdjustmentReply
);

endpoint!(
    /// Mutating. Posts what waits.
    AdjustmentApprove = "api.points.adjustment.approve", AdjustmentDecisionRequest => AdjustmentReply
);

endpoint!(
    /// Mutating.
    AdjustmentReject = "api.points.adjustment.reject", AdjustmentDecisionRequest => AdjustmentReply
);

/// Which adjustments.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AdjustmentsRequest {
    /// Of one member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_no: Option<String>,
    /// In this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<AdjustmentState>,
    /// 1 to 200; 50 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Only older ones: the `adjustment_id` of the last one of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Uuid>,
}

/// Adjustments, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AdjustmentsReply {
    /// A page.
    pub adjustments: Vec<AdjustmentReply>,
}

endpoint!(
    /// Adjustments, newest first.
    AdjustmentList = "api.points.adjustment.list", AdjustmentsRequest => AdjustmentsReply
);

/// Freezes an account, or ends that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FreezeRequest {
    /// The caller's id of this operation, at most 64 characters.
    pub operation_id: String,
    /// The number on the card.
    pub member_no: String,
    /// Why, 1 to 200 characters; no personal values.
    pub reason: String,
    /// Who does it.
    #[serde(deserialize_with = "strict::one_object")]
    pub by: Staff,
}

/// Whether an account is frozen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FreezeReply {
    /// Whose account.
    pub member_id: MemberId,
    /// It is frozen now.
    pub frozen: bool,
    /// Since when it is as it is.
    pub at: DateTime<Utc>,
}

endpoint!(
    /// Mutating. A frozen account earns; nothing of it can be held, spent or taken, and what is held may only come back.
    AccountFreeze = "api.points.account.freeze", FreezeRequest => FreezeReply
);

endpoint!(
    /// Mutating.
    AccountUnfreeze = "api.points.account.unfreeze", FreezeRequest => FreezeReply
);
