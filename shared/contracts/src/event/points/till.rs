//! points: what was held, spent and given back.

use chrono::{DateTime, Utc};
use jifen_kernel::{MemberId, Points, StoreCode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Balance;
use crate::EventType;

/// points: points are reserved for a redemption in progress. Envelope `sequence` is the account's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Held {
    /// The hold.
    pub hold_id: Uuid,
    /// Where they will be spent.
    pub store: StoreCode,
    /// Whose.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// How many.
    pub points: Points,
    /// When they come back unless they are spent.
    pub expires_at: DateTime<Utc>,
    /// When.
    pub at: DateTime<Utc>,
    /// The member's balance after it.
    pub balance: Balance,
}
event!(Held, "points", "held", |event| Some(&event.store));

/// points: held points were spent; what was held beyond them came back in the same moment. Published once for each hold. Envelope
/// `sequence` is the account's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Captured {
    /// The hold.
    pub hold_id: Uuid,
    /// Where they were spent.
    pub store: StoreCode,
    /// For what: an invoice's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// Whose.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// How many.
    pub points: Points,
    /// What else was held, and is no longer.
    pub released: Points,
    /// Of that: repaid a debt.
    pub repaid: Points,
    /// Of that: its last day was over, so it ended.
    pub expired: Points,
    /// When.
    pub at: DateTime<Utc>,
    /// The member's balance after it.
    pub balance: Balance,
}
event!(Captured, "points", "captured", |event| Some(&event.store));

/// Why held points came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseCause {
    /// Whoever holds them asked for it.
    Asked,
    /// Its time was over.
    Expired,
}

/// points: held points came back unspent. Published once for each hold. Envelope `sequence` is the account's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Released {
    /// The hold.
    pub hold_id: Uuid,
    /// Where they would have been spent.
    pub store: StoreCode,
    /// Why.
    pub cause: ReleaseCause,
    /// Whose.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// How many.
    pub points: Points,
    /// Of these: repaid a debt.
    pub repaid: Points,
    /// Of these: their last day was over, so they ended.
    pub expired: Points,
    /// When.
    pub at: DateTime<Utc>,
    /// The member's balance after it.
    pub balance: Balance,
}
event!(Released, "points", "released", |event| Some(&event.store));

/// points: spent points came back, because the invoice that they paid for was voided. Published once for each hold. Envelope
/// `sequence` is the account's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Returned {
    /// The hold that they were captured from.
    pub hold_id: Uuid,
    /// Where they were spent.
    pub store: StoreCode,
    /// The voided invoice.
    pub document: String,
    /// Whose.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// How many.
    pub points: Points,
    /// Of these: repaid a debt.
    pub repaid: Points,
    /// Of these: their last day was over and the program grants no more, so they ended.
    pub expired: Points,
    /// When.
    pub at: DateTime<Utc>,
    /// The member's balance after it.
    pub balance: Balance,
}
event!(Returned, "points", "returned", |event| Some(&event.store));
