//! member: who joined, and what became of it.

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
    /// The model series, if anybody said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<String>,
    /// The day on which it was handed over new, as far as is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_on: Option<NaiveDate>,
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
    #[serde(default = "MemberStatus::default_active", skip_serializing_if = "MemberStatus::is_active")]
    pub status: MemberStatus,
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
    /// Nothing has changed: it is said once more, for those who weren't there when it happened. The registration that they miss
    /// doesn't come any more, and `at` is when it was.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub announced: bool,
}
event!(MemberUpdated, "member", "updated", |event| Some(&event.store));

/// What a code that a member was sent is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CodePurpose {
    /// To activate a registration.
    Activation,
}

impl CodePurpose {
    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Activation => "activation",
        }
    }
}

/// member: a code is to be sent to the member's phone. Whoever sends it opens it; nobody else can.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MemberCodeIssued {
    /// The member.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// The store that caused it.
    pub store: StoreCode,
    /// What it is good for.
    pub purpose: CodePurpose,
    /// The code's digits, sealed for `notification` and bound to [`Self::bound`], base64.
    pub code_sealed: String,
    /// It holds until then, unless used, or replaced by a later one, before: a code that arrives later is no use.
    pub not_after: DateTime<Utc>,
    /// When it was made.
    pub at: DateTime<Utc>,
}

impl MemberCodeIssued {
    /// What the sealed code is bound to: it opens as no other member's.
    pub fn bound(member: MemberId) -> Vec<u8> {
        format!("member/code/{member}").into_bytes()
    }
}
event!(MemberCodeIssued, "member", "code_issued", |event| Some(&event.store));

/// member: a registration will lapse unless it is activated before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MemberLapseWarned {
    /// The member.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// The store of the registration.
    pub store: StoreCode,
    /// The local day with whose beginning it lapses: the day before is the last to activate.
    pub on: NaiveDate,
    /// When.
    pub at: DateTime<Utc>,
}
event!(MemberLapseWarned, "member", "lapse_warned", |event| Some(&event.store));

/// member: a member agreed to messages of one purpose on one channel, or does so no longer. Envelope `sequence` orders a
/// member's events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MemberConsentChanged {
    /// The member.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// The store of the registration.
    pub store: StoreCode,
    /// `sms`, `wechat`, `app`, `email`.
    pub channel: String,
    /// `service`, `promotion`.
    pub purpose: String,
    /// True: agreed. False: no longer.
    pub granted: bool,
    /// When.
    pub at: DateTime<Utc>,
}
event!(MemberConsentChanged, "member", "consent_changed", |event| Some(&event.store));
