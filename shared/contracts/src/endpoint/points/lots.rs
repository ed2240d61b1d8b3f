//! points: lots, what moves their end, and what is pending.

use chrono::{DateTime, NaiveDate, Utc};
use jifen_kernel::{Points, StoreCode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Staff;
use crate::{
    code::Text,
    endpoint::{Endpoint, MemberRequest},
    event::AccrualSource,
};

/// What moved the end of a lot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LotChangeKind {
    /// The member was active: points slide.
    Activity,
    /// Staff gave more time.
    Extension,
    /// What had ended lives again.
    Revival,
}

impl LotChangeKind {
    /// As in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Activity => "activity",
            Self::Extension => "extension",
            Self::Revival => "revival",
        }
    }
}

/// A lot that ends on another day than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ChangedLot {
    /// The lot.
    pub lot_id: Uuid,
    /// What can be spent of it.
    pub points: Points,
    /// Its last day before.
    pub before: NaiveDate,
    /// Its last day now.
    pub after: NaiveDate,
}

/// A change as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct KeptChange {
    /// What moved it.
    pub kind: LotChangeKind,
    /// The last day before.
    pub before: NaiveDate,
    /// The last day after it.
    pub after: NaiveDate,
    /// Staff number of who did it, if staff did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Their reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The document that brought it, `store/number`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

/// Points credited together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ListedLot {
    /// Its key.
    pub lot_id: Uuid,
    /// Who funds it.
    pub store: String,
    /// The document that brought it.
    pub document: String,
    /// How many they were.
    pub points: Points,
    /// What is left of them.
    pub remaining: Points,
    /// Its last day, local.
    pub expires_on: NaiveDate,
    /// Not spendable yet.
    pub pending: bool,
    /// Spendable from this local day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<NaiveDate>,
    /// A person must look at it first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub review: bool,
    /// Of pending points: what kind of document brought them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<AccrualSource>,
    /// What moved its end, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<KeptChange>,
}

/// What somebody decided on pending points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReviewDecision {
    /// They may be spent.
    Released,
    /// They went back to who funds them.
    Rejected,
}

impl ReviewDecision {
    /// As in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::Rejected => "rejected",
        }
    }
}

/// A decision as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct KeptReview {
    /// What kind of document.
    pub source: AccrualSource,
    /// Its store.
    pub store: String,
    /// The document.
    pub document: String,
    /// What was decided.
    pub decision: ReviewDecision,
    /// Points that waited for it.
    pub points: Points,
    /// Of these: spendable after it.
    pub released: Points,
    /// Of these: gone after it. The rest waits for something else.
    pub reversed: Points,
    /// Who decided.
    pub by: Staff,
    /// Why: in words, or the code of a rejection.
    pub reason: String,
    /// More about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

/// A member's lots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LotsReply {
    /// Those that hold points, and those that were changed; the one that ends first in front. The first 500.
    pub lots: Vec<ListedLot>,
    /// What was decided on pending points that somebody had to look at, newest first. The last 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reviews: Vec<KeptReview>,
}

endpoint!(
    /// A member's lots, with what moved their ends.
    for_stores = true, LotsList = "api.points.lots.list", MemberRequest => LotsReply
);

/// More time for live lots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LotsExtendRequest {
    /// The caller's id of the operation, 1 to 64 characters.
    pub operation_id: String,
    /// The number on the card.
    pub member_no: String,
    /// Which; all that hold points if none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lots: Vec<Uuid>,
    /// Their last day from now on: those that end later stay as they are.
    pub until: NaiveDate,
    /// Who does it.
    pub by: Staff,
    /// Why, 1 to 200 characters.
    pub reason: String,
}

/// What was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LotsChanged {
    /// Each with its end before and after; none where nothing had to be.
    pub lots: Vec<ChangedLot>,
}

endpoint!(
    /// Gives live lots more time.
    LotsExtend = "api.points.lots.extend", LotsExtendRequest => LotsChanged
);

/// Expired lots shall live again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LotsReviveRequest {
    /// The caller's id of the operation, 1 to 64 characters.
    pub operation_id: String,
    /// The number on the card.
    pub member_no: String,
    /// Which; all that may if none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lots: Vec<Uuid>,
    /// Who does it.
    pub by: Staff,
    /// Why, 1 to 200 characters.
    pub reason: String,
}

endpoint!(
    /// Brings back what ended unspent, each lot once, as the program's `[revival]` allows.
    LotsRevive = "api.points.lots.revive", LotsReviveRequest => LotsChanged
);

/// A reviewer lets pending points go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PendingReleaseRequest {
    /// The caller's id of the operation, 1 to 64 characters.
    pub operation_id: String,
    /// The number on the card.
    pub member_no: String,
    /// What kind of document; an invoice if not given. One number may stand for documents of several kinds.
    #[serde(default, skip_serializing_if = "AccrualSource::is_invoice")]
    pub source: AccrualSource,
    /// The document's store.
    pub store: StoreCode,
    /// The document whose points wait for a review.
    pub document: String,
    /// Who does it.
    pub by: Staff,
    /// Why, 1 to 200 characters.
    pub reason: String,
}

/// What became of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PendingReleaseReply {
    /// Points that wait for no review any longer; spendable unless the member isn't activated.
    pub released: Points,
    /// What can be spent now.
    pub active: Points,
}

endpoint!(
    /// Ends the review of a document's pending points: they may be spent.
    PendingRelease = "api.points.pending.release", PendingReleaseRequest => PendingReleaseReply
);

/// A reviewer refuses pending points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PendingRejectRequest {
    /// The caller's id of the operation, 1 to 64 characters.
    pub operation_id: String,
    /// The number on the card.
    pub member_no: String,
    /// What kind of document; an invoice if not given.
    #[serde(default, skip_serializing_if = "AccrualSource::is_invoice")]
    pub source: AccrualSource,
    /// The document's store.
    pub store: StoreCode,
    /// The document whose points wait for a review.
    pub document: String,
    /// Who does it.
    pub by: Staff,
    /// Why: one of the program's reasons for adjustments.
    pub reason: String,
    /// More about it, at most 200 characters; no personal values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What became of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PendingRejectReply {
    /// Points that went back to who funds them.
    pub rejected: Points,
    /// Points of the member that are pending still.
    pub pending: Points,
}

endpoint!(
    /// Refuses a document's points that wait for a review: they go back, as by a correction. A document that waits as a whole is none
    /// that earns any longer, and gives nothing later.
    PendingReject = "api.points.pending.reject", PendingRejectRequest => PendingRejectReply
);

/// Points of another system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ImportedLot {
    /// Names it among the lots of its source, for ever: 1 to 64 characters, the first one not `~`. Empty with `nth`.
    pub line: String,
    /// Of a lot that has no name of its own: the how-manieth it is, from 1, among the lots of its source that say exactly the same.
    /// So it is known by what it says, wherever it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nth: Option<u32>,
    /// The number on the card.
    pub member_no: String,
    /// The store that funds them.
    pub store: StoreCode,
    /// How many.
    pub points: Points,
    /// Their last day, local.
    pub expires_on: NaiveDate,
    /// The day on which they were earned; today if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earned_on: Option<NaiveDate>,
    /// They count towards a tier.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub qualifying: bool,
}

/// Opening balances, lot by lot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LotsImportRequest {
    /// The caller's id of the operation, 1 to 64 characters.
    pub operation_id: String,
    /// Where they come from: with a lot's line its identity, so that a file can be imported again.
    #[schemars(with = "String", extend("pattern" = "^[a-z0-9_]{1,32}$"))]
    pub source: jifen_kernel::Token,
    /// Judges and changes nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// 1 to 500.
    pub lots: Vec<ImportedLot>,
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImportStatus {
    /// It is the member's, or would be.
    Imported,
    /// It was imported before.
    Duplicate,
    /// It is wrong.
    Rejected,
}

/// What became of a line, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ImportOutcome {
    /// The line.
    pub line: String,
    /// What became of it.
    pub status: ImportStatus,
    /// Of a rejected one: a stable code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The field that is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Text>,
}

/// In the order of the lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LotsImportReply {
    /// One a line.
    pub lots: Vec<ImportOutcome>,
}

endpoint!(
    /// Imports opening balances as lots with their own ends, each line once.
    LotsImport = "api.points.lots.import", LotsImportRequest => LotsImportReply
);
