//! member: who joined.

use chrono::{DateTime, NaiveDate, Utc};
use jifen_kernel::{MemberId, StoreCode};
use serde::{Deserialize, Serialize};

use super::KeyedHash;
use crate::{EventType, endpoint::MemberStatus};

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
    /// `registered` until activated: points are pending, nothing is granted or announced.
    #[serde(default = "active", skip_serializing_if = "is_active")]
    pub status: MemberStatus,
}

fn active() -> MemberStatus {
    MemberStatus::Active
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_active(status: &MemberStatus) -> bool {
    *status == MemberStatus::Active
}
event!(MemberRegistered, "member", "registered", |event| Some(&event.store));

/// member: a registration was activated; also the first and only state of a store-confirmed one, which publishes none of this.
/// Envelope `sequence` orders a member's events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MemberActivated {
    /// The member.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// The store of the registration.
    pub store: StoreCode,
    /// When.
    pub at: DateTime<Utc>,
}
event!(MemberActivated, "member", "activated", |event| Some(&event.store));

/// member: a registration was not activated in time. Number and pending points stay; registering the phone again revives it.
/// Envelope `sequence` orders a member's events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MemberLapsed {
    /// The member.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// The store of the registration.
    pub store: StoreCode,
    /// When.
    pub at: DateTime<Utc>,
}
event!(MemberLapsed, "member", "lapsed", |event| Some(&event.store));

/// member: what others know of a member changed; the whole of it. Envelope `sequence` orders a member's events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MemberUpdated {
    /// The member.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// The store of the registration.
    pub store: StoreCode,
    /// When.
    pub at: DateTime<Utc>,
    /// The phone, hashed.
    pub phone: KeyedHash,
    /// The vehicles, hashed.
    pub vehicles: Vec<VehicleKeys>,
    /// For birthday campaigns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub birthday: Option<MonthDay>,
    /// The first calendar year in which this birthday counts; before it the one before does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub birthday_from_year: Option<i32>,
    /// The state.
    pub status: MemberStatus,
}
event!(MemberUpdated, "member", "updated", |event| Some(&event.store));
