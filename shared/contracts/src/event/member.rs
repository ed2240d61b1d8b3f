//! member: who joined.

use chrono::{DateTime, NaiveDate, Utc};
use jifen_kernel::{MemberId, StoreCode};
use serde::{Deserialize, Serialize};

use super::KeyedHash;
use crate::EventType;

/// A vehicle of a member, as others may know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct VehicleKeys {
    /// The VIN, hashed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vin: Option<KeyedHash>,
    /// The plate, hashed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plate: Option<KeyedHash>,
    /// First day of ownership: a parked invoice found by vehicle alone earns from here on.
    pub owned_since: NaiveDate,
}

/// A birthday without its year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MonthDay {
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
}

/// member: a customer became a member. Envelope `sequence` orders a member's events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MemberRegistered {
    /// The new member.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// The store that signed the customer up.
    pub store: StoreCode,
    /// When.
    pub registered_at: DateTime<Utc>,
    /// The phone, hashed.
    pub phone: KeyedHash,
    /// The vehicles, hashed.
    pub vehicles: Vec<VehicleKeys>,
    /// For birthday campaigns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub birthday: Option<MonthDay>,
}
event!(MemberRegistered, "member", "registered", |event| Some(&event.store));
