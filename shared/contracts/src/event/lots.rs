//! points: what becomes of points by the passing of time.

use chrono::{DateTime, NaiveDate, Utc};
use jifen_kernel::{MemberId, Points, StoreCode};
use serde::{Deserialize, Serialize};

use super::{AccrualSource, Balance, PostedEntry};
use crate::EventType;

/// Points of a funding store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FundedPoints {
    /// Who funded them.
    pub store: StoreCode,
    /// How many.
    pub points: Points,
}

/// points: what was pending can be spent: its days are over, its member is activated, or a person has released it; whichever was
/// last. One per document. Envelope `sequence` is the account's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Activated {
    /// What the accrual rests on.
    #[serde(default, skip_serializing_if = "AccrualSource::is_invoice")]
    pub source: AccrualSource,
    /// The accrual's store.
    pub store: StoreCode,
    /// The accrual's document.
    pub document: String,
    /// Whose account.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// When.
    pub at: DateTime<Utc>,
    /// The entries that moved them.
    pub entries: Vec<PostedEntry>,
    /// The member's balance after it.
    pub balance: Balance,
}
event!(Activated, "points", "activated", |event| Some(&event.store));

/// points: points of a member will end. One per member, last day and number of days ahead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Expiring {
    /// The store that funds most of them.
    pub store: StoreCode,
    /// Whose account.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// Their last local day.
    pub on: NaiveDate,
    /// So many days ahead.
    pub days: u32,
    /// How many, as of now.
    pub points: Points,
    /// The rules in force.
    pub program_version: u32,
    /// When.
    pub at: DateTime<Utc>,
    /// The member's balance now.
    pub balance: Balance,
}
event!(Expiring, "points", "expiring", |event| Some(&event.store));

/// points: points of a member ended unspent: breakage, less by what [`Revived`] brings back and by what [`super::Reversed`] claims of
/// it. One per member and last day with the daily run; what was held beyond its last day ends when it comes back, by one more. Envelope
/// `sequence` is the account's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Expired {
    /// The store that funded most of them.
    pub store: StoreCode,
    /// Whose account.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// Their last local day.
    pub on: NaiveDate,
    /// How many.
    pub points: Points,
    /// Who funded them: breakage.
    pub funded_by: Vec<FundedPoints>,
    /// The rules in force.
    pub program_version: u32,
    /// When.
    pub at: DateTime<Utc>,
    /// The member's balance after it.
    pub balance: Balance,
}
event!(Expired, "points", "expired", |event| Some(&event.store));

/// What brings back what had ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RevivalCause {
    /// A paid visit.
    Visit,
    /// Staff.
    Staff,
}

/// points: points that had ended unspent live again, out of breakage. One per member and visit, or decision of staff. Envelope
/// `sequence` is the account's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Revived {
    /// The store that funded most of them.
    pub store: StoreCode,
    /// Whose account.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// What brought them back.
    pub cause: RevivalCause,
    /// Of a visit: its invoice, `store/number`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// How many.
    pub points: Points,
    /// Who funded them: so much less breakage.
    pub funded_by: Vec<FundedPoints>,
    /// Of these: repaid a debt.
    pub repaid: Points,
    /// Their last local day now.
    pub until: NaiveDate,
    /// The rules in force.
    pub program_version: u32,
    /// When.
    pub at: DateTime<Utc>,
    /// The member's balance after it.
    pub balance: Balance,
}
event!(Revived, "points", "revived", |event| Some(&event.store));
