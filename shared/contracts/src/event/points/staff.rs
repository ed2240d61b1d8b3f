//! points: what staff did to an account.

use chrono::{DateTime, Utc};
use jifen_kernel::{MemberId, Points, StoreCode, Token};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Balance;
use crate::EventType;

/// points: staff corrected an account. Published once for each adjustment, when it is posted. Envelope `sequence` is the account's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Adjusted {
    /// The adjustment.
    pub adjustment_id: Uuid,
    /// The store that it is charged to: it funds what is given.
    pub store: StoreCode,
    /// Whose account.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// Given, or taken where negative.
    pub points: Points,
    /// The program's reason.
    pub reason: Token,
    /// Of what was given: repaid a debt.
    pub repaid: Points,
    /// When.
    pub at: DateTime<Utc>,
    /// The member's balance after it.
    pub balance: Balance,
}
event!(Adjusted, "points", "adjusted", |event| Some(&event.store));

/// points: an account was frozen: it earns, and nothing of it can be held, spent or taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Frozen {
    /// Whose account.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// When.
    pub at: DateTime<Utc>,
}
event!(Frozen, "points", "frozen", |_| None);

/// points: a frozen account can be spent from again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Unfrozen {
    /// Whose account.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// When.
    pub at: DateTime<Utc>,
}
event!(Unfrozen, "points", "unfrozen", |_| None);
