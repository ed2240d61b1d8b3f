//! member: registration, members, contacts.

use chrono::{DateTime, NaiveDate, Utc};
use jifen_kernel::MemberId;
use serde::{Deserialize, Serialize};

use super::{CountsReply, Empty, Endpoint};
use crate::strict;

/// A vehicle at registration: at least one of both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct VehicleInput {
    /// 17 characters.
    #[serde(default)]
    pub vin: Option<String>,
    /// As on the car.
    #[serde(default)]
    pub plate: Option<String>,
    /// First day of ownership; the day of registration if not given.
    #[serde(default)]
    pub owned_since: Option<NaiveDate>,
}

/// Registers a customer at a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RegisterRequest {
    /// The caller's id of this operation, at most 64 characters.
    pub operation_id: String,
    /// The store that signs up.
    pub store: String,
    /// The customer's name.
    pub name: String,
    /// The customer's mobile number.
    pub phone: String,
    /// Day of birth.
    #[serde(default)]
    pub birthday: Option<NaiveDate>,
    /// `<channel>:<purpose>` (`sms:service`, `sms:promotion`). Not given: `sms:service` only.
    #[serde(default)]
    pub consents: Option<Vec<String>>,
    /// Vehicles owned.
    #[serde(default, deserialize_with = "strict::objects")]
    pub vehicles: Vec<VehicleInput>,
    /// The store saw the customer and the phone: no activation is needed.
    #[serde(default)]
    pub store_confirmed: bool,
}

/// A member's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemberStatus {
    /// Not activated yet: points are pending.
    Registered,
    /// Earns and spends.
    Active,
    /// Not activated in time: number and pending points stay.
    Lapsed,
}

impl MemberStatus {
    /// What messages of before there were others mean.
    pub(crate) fn default_active() -> Self {
        Self::Active
    }

    /// True for [`Self::Active`].
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
    pub(crate) fn is_active(&self) -> bool {
        *self == Self::Active
    }
}

/// A language that members are told in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// Chinese.
    #[default]
    Zh,
    /// English.
    En,
}

impl Language {
    /// True for Chinese, which need not be said.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The member who has this phone now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RegisterReply {
    /// The member.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// The member's state.
    pub status: MemberStatus,
    /// The phone was known: this member existed before and nothing was changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub existing: bool,
}

endpoint!(
    /// Mutating. A known phone answers its member with `existing`.
    for_stores = true, Register = "api.member.member.register", RegisterRequest => RegisterReply
);

/// Names a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MemberRequest {
    /// The number on the card.
    pub member_no: String,
}

/// A member as others may know it, without personal values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MemberReply {
    /// The member.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// The member's state.
    pub status: MemberStatus,
    /// The store that signed the member up.
    pub store: String,
    /// When.
    pub registered_at: DateTime<Utc>,
    /// The name, masked.
    pub name_masked: String,
    /// The phone, masked.
    pub phone_masked: String,
    /// How many vehicles are known.
    pub vehicles: u32,
}

endpoint!(
    /// Who has this number?
    for_stores = true, MemberGet = "api.member.member.get", MemberRequest => MemberReply
);

/// Whom to reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ContactsRequest {
    /// At most 1000.
    pub member_ids: Vec<MemberId>,
}

/// How to reach a member. The one reply that holds personal values; for notification only.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Contact {
    /// The member.
    pub member_id: MemberId,
    /// `+8613800138000`.
    pub phone: String,
    /// `<channel>:<purpose>`: what the member has agreed to.
    pub consents: Vec<String>,
    /// The member's identity at the group's WeChat account, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wechat_openid: Option<String>,
    /// The language to be told in.
    #[serde(default, skip_serializing_if = "Language::is_default")]
    pub language: Language,
    /// The state now: nothing is granted or announced to a member who is not activated.
    #[serde(default = "MemberStatus::default_active", skip_serializing_if = "MemberStatus::is_active")]
    pub status: MemberStatus,
}

impl std::fmt::Debug for Contact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Contact({}, masked)", self.member_id)
    }
}

/// Contacts of those that exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ContactsReply {
    /// In no order; unknown or erased members are missing.
    pub contacts: Vec<Contact>,
    /// Members who exist, but whose values can't be opened: their rows in the vault are damaged, or of another key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<MemberId>,
}

endpoint!(
    /// Contacts of a batch.
    Contacts = "api.member.contacts.batch", ContactsRequest => ContactsReply
);

endpoint!(
    /// `members`.
    MemberCounts = "api.member.member.counts", Empty => CountsReply
);
