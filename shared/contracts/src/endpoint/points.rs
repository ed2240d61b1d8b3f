//! points: accounts and entries.

use chrono::{DateTime, NaiveDate, Utc};
use jifen_kernel::{MemberId, Money, Points, StoreCode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{CountsReply, Empty, Endpoint, MemberRequest};
use crate::{
    code::Text,
    event::{AccrualSource, EntryKind},
    program::Limit,
};

mod lots;
mod staff;
mod till;

pub use lots::*;
pub use staff::*;
pub use till::*;

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
    /// It earns, but nothing of it can be held, spent or taken.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub frozen: bool,
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
    /// How many moved.
    pub points: Points,
    /// From where: the member's `active`, `pending`, `reserved` or `debt` (what leaves there is owed), or outside, `issued:SH01` and the like.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub debit: String,
    /// To where: what gets to `debt` is owed no longer.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub credit: String,
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

/// What is to be explained: an entry, or a document, also one that earned nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ExplainRequest {
    /// The number on the card.
    pub member_no: String,
    /// An entry of this member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry_id: Option<Uuid>,
    /// Without an entry: what kind of document; an invoice if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<AccrualSource>,
    /// Without an entry: the document's store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreCode>,
    /// Without an entry: the document's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
}

/// Which cap cut a base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CapKind {
    /// That of one invoice.
    Invoice,
    /// That of a member's day.
    Daily,
}

/// A cap that cut an invoice's base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AppliedCap {
    /// Which.
    pub kind: CapKind,
    /// What it left to the invoice, of all categories together.
    pub left: Points,
}

/// How a number came about, computed again from what was stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ExplainReply {
    /// What it rests on.
    pub source: AccrualSource,
    /// The document's store.
    pub store: String,
    /// The document.
    pub document: String,
    /// The document's local day.
    pub business_date: NaiveDate,
    /// The rules applied.
    pub program_version: u32,
    /// The entry; none where no point moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<Entry>,
    /// The entry that this one moves or takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of_entry: Option<Uuid>,
    /// What was paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub paid: Option<Money>,
    /// The rate or factor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<String>,
    /// The base: before caps, or what a factor worked on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Points>,
    /// Caps that cut it, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caps: Vec<AppliedCap>,
    /// Of accruals without an invoice: `rewarded`, or why less or nothing was earned (`off`, `over_limit`, `about_missing`,
    /// `order_unknown`, `other_member`, `too_late`, `below_one_point`, `budget_spent`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// The limit of its kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// Rewarded before it in the limit's period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted: Option<i64>,
    /// What the partner's budget had left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_left: Option<Points>,
    /// As posted.
    pub points: Points,
    /// As computed again under the same rules.
    pub recomputed: Points,
    /// Both are the same.
    pub equal: bool,
    /// In a sentence.
    pub why: Text,
}

endpoint!(
    /// How an entry came about, or why a document earned nothing.
    for_stores = true, EntryExplain = "api.points.entry.explain", ExplainRequest => ExplainReply
);

endpoint!(
    /// `accounts`, `entries/<kind>`, `points/<kind>`, `settled`, `unsettled`; `breakage/<store>`: points that a store funded and that ended
    /// unspent, less those that live again.
    PointsCounts = "api.points.account.counts", Empty => CountsReply
);
