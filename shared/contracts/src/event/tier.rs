//! tier: who rose and fell, and what that brought.

use chrono::{DateTime, NaiveDate, Utc};
use jifen_kernel::{MemberId, StoreCode, Token};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{EventType, code::Text};

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
    /// The store whose document caused it; the member's where none did.
    pub store: StoreCode,
    /// That document; the operation of an invitation or approval, `activation` or `program` where nothing else caused it.
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

/// tier: where a member stands, said once more for those who weren't there when it happened: nothing has changed. Envelope
/// `sequence` is the standing's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TierStanding {
    /// Who.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// The tier.
    pub tier: Token,
    /// How many changes of tier led here.
    pub ordinal: i64,
    /// Since when.
    pub since: DateTime<Utc>,
    /// The program whose ladder decided.
    pub program_version: u32,
    /// The member's store.
    pub store: StoreCode,
}
event!(TierStanding, "tier", "standing", |event| Some(&event.store));

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

/// tier: a countable benefit is there to be used. Once per `entitlement_id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EntitlementGranted {
    /// Its key.
    pub entitlement_id: Uuid,
    /// Whose.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// The tier that brought it.
    pub tier: Token,
    /// The benefit's kind.
    pub benefit: Token,
    /// What it is, for people.
    pub name: Text,
    /// How often it may be used.
    pub count: u32,
    /// The last local day on which it may be.
    pub valid_until: NaiveDate,
    /// When it was granted.
    pub at: DateTime<Utc>,
    /// The program that gives it.
    pub program_version: u32,
    /// The member's store.
    pub store: StoreCode,
}
event!(EntitlementGranted, "tier", "entitlement_granted", |event| Some(&event.store));

/// tier: a store gave a countable benefit, or took that back. Once per `use_id` and `undone`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EntitlementUsed {
    /// Which.
    pub entitlement_id: Uuid,
    /// This use.
    pub use_id: Uuid,
    /// The use was taken back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub undone: bool,
    /// Whose.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// The benefit's kind.
    pub benefit: Token,
    /// What it is, for people.
    pub name: Text,
    /// How often it may be used still.
    pub left: u32,
    /// The last local day on which it may be.
    pub valid_until: NaiveDate,
    /// When.
    pub at: DateTime<Utc>,
    /// The store that gave it.
    pub store: StoreCode,
    /// The store's document, where it named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
}
event!(EntitlementUsed, "tier", "entitlement_used", |event| Some(&event.store));

/// tier: a countable benefit ended before it was used up. Once per `entitlement_id`, unless it was granted again in between: what goes
/// with a tier that a correction took back comes with it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EntitlementExpired {
    /// Which.
    pub entitlement_id: Uuid,
    /// Whose.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// The benefit's kind.
    pub benefit: Token,
    /// What it was, for people.
    pub name: Text,
    /// How often it might have been used still.
    pub left: u32,
    /// The last local day on which it might have been.
    pub valid_until: NaiveDate,
    /// When it ended: behind that day, when a better one took its place, or when a correction took its tier back.
    pub at: DateTime<Utc>,
    /// The member's store.
    pub store: StoreCode,
}
event!(EntitlementExpired, "tier", "entitlement_expired", |event| Some(&event.store));
