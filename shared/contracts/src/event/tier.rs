//! tier: who rose.

use chrono::{DateTime, NaiveDate, Utc};
use jifen_kernel::{MemberId, StoreCode, Token};
use serde::{Deserialize, Serialize};

use crate::EventType;

/// tier: a member reached a higher tier. Envelope `sequence` is the standing's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TierUpgraded {
    /// Who.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// The tier before.
    pub from: Token,
    /// The tier now.
    pub to: Token,
    /// Counts a member's changes of tier.
    pub ordinal: i64,
    /// When it took effect.
    pub at: DateTime<Utc>,
    /// The program whose ladder decided.
    pub program_version: u32,
    /// The store whose document caused it.
    pub store: StoreCode,
    /// That document.
    pub document: String,
}
event!(TierUpgraded, "tier", "upgraded", |event| Some(&event.store));

/// tier: a member's year ended below what the tier asks for. Envelope `sequence` is the standing's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TierDowngraded {
    /// Who.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// The tier before.
    pub from: Token,
    /// The tier now.
    pub to: Token,
    /// Counts a member's changes of tier.
    pub ordinal: i64,
    /// When it took effect.
    pub at: DateTime<Utc>,
    /// The program whose ladder decided.
    pub program_version: u32,
    /// The member's store.
    pub store: StoreCode,
}
event!(TierDowngraded, "tier", "downgraded", |event| Some(&event.store));

/// tier: a member will lose the tier unless something is added. Once a membership year.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TierDowngradeWarned {
    /// Who.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// The tier now.
    pub from: Token,
    /// The tier to come.
    pub to: Token,
    /// The first local day of the lower tier.
    pub on: NaiveDate,
    /// When it was said.
    pub at: DateTime<Utc>,
    /// The program whose ladder decided.
    pub program_version: u32,
    /// The member's store.
    pub store: StoreCode,
}
event!(TierDowngradeWarned, "tier", "downgrade_warned", |event| Some(&event.store));
