//! points: accounts and entries.

use chrono::{DateTime, NaiveDate, Utc};
use jifen_kernel::{MemberId, Points};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{CountsReply, Empty, Endpoint, MemberRequest};
use crate::{code::Text, event::EntryKind};

/// Points that end on a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Expiring {
    /// The last day, local.
    pub on: NaiveDate,
    /// How many.
    pub points: Points,
}

/// A member's account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AccountReply {
    /// The member.
    pub member_id: MemberId,
    /// Spendable.
    pub active: Points,
    /// Earned, not spendable yet.
    pub pending: Points,
    /// Held for redemptions in progress.
    pub reserved: Points,
    /// Owed.
    pub debt: Points,
    /// All that was ever earned (DOMAIN default 11).
    pub lifetime: Points,
    /// By day, soonest first.
    pub expiring: Vec<Expiring>,
    /// Entries so far.
    pub sequence: i64,
}

endpoint!(
    /// A member without entries answers zeros.
    for_stores = true, AccountGet = "api.points.account.get", MemberRequest => AccountReply
);

/// Which entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EntriesRequest {
    /// The number on the card.
    pub member_no: String,
    /// 1 to 200; 50 if not given.
    #[serde(default)]
    pub limit: Option<u32>,
    /// Only entries with a lower sequence: the `sequence` of the last entry of the page before.
    #[serde(default)]
    pub before: Option<i64>,
}

/// One ledger entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Entry {
    /// Its key.
    pub entry_id: Uuid,
    /// Its place in the member's chain, from 1.
    pub sequence: i64,
    /// What it is about.
    pub kind: EntryKind,
    /// Credited to the member.
    pub points: Points,
    /// Where the document came from.
    pub store: String,
    /// The document.
    pub document: String,
    /// `earn@3` and the like.
    pub rule: String,
    /// How the number came about, for people.
    pub why: Text,
    /// The category, where one applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Last day of its lot, local.
    pub expires_on: NaiveDate,
    /// When it was posted.
    pub at: DateTime<Utc>,
    /// Its hash in the chain, hex.
    pub hash: String,
}

/// Entries, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EntriesReply {
    /// A page.
    pub entries: Vec<Entry>,
}

endpoint!(
    /// A member's entries, newest first.
    for_stores = true, EntriesList = "api.points.entries.list", EntriesRequest => EntriesReply
);

endpoint!(
    /// `accounts`, `entries`, `points/<kind>`, `settled`, `unsettled`.
    PointsCounts = "api.points.account.counts", Empty => CountsReply
);
