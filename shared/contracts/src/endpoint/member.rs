//! member: registration, activation, members, contacts.

use chrono::{DateTime, NaiveDate, Utc};
use jifen_kernel::MemberId;
use serde::{Deserialize, Serialize};

use super::{AnnounceReply, AnnounceRequest, CountsReply, Empty, Endpoint};
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
    /// The model series, 1 to 64 characters, as campaigns name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<String>,
    /// The day on which it was handed over new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_on: Option<NaiveDate>,
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
    /// The store saw the customer and the phone: no activation is needed. Otherwise a code is sent to the phone.
    #[serde(default)]
    pub store_confirmed: bool,
    /// The customer's identity at the group's WeChat account: 1 to 64 letters, digits, `-` and `_`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wechat_openid: Option<String>,
    /// The language to be told in; Chinese if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
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
    /// The phone's registration had lapsed: it is this member's again, with number and pending points. Nothing but the state
    /// was changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revived: bool,
    /// A code to activate with was sent; until when it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_not_after: Option<DateTime<Utc>>,
    /// No code was sent, because too many were: after so many seconds one can be asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_wait_s: Option<u64>,
}

endpoint!(
    /// Mutating. A known phone answers its member with `existing`.
    for_stores = true, Register = "api.member.member.register", RegisterRequest => RegisterReply
);

/// Activates a registration with the code that was sent to its phone. Exactly one of number and phone says whose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ActivateRequest {
    /// The caller's id of this operation, at most 64 characters. A refusal is its answer, too: another try is another operation.
    pub operation_id: String,
    /// The number on the card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_no: Option<String>,
    /// The phone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Six digits.
    pub code: String,
}

/// A member who is active now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ActivateReply {
    /// The member.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// The member's state.
    pub status: MemberStatus,
}

endpoint!(
    /// Mutating. The code is used up.
    for_stores = true, MemberActivate = "api.member.member.activate", ActivateRequest => ActivateReply
);

/// Sends another code. Exactly one of number and phone says to whom. The code before is void.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CodeSendRequest {
    /// The caller's id of this operation, at most 64 characters.
    pub operation_id: String,
    /// The store at which the customer stands, whose codes are counted; the store of the registration if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// The number on the card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_no: Option<String>,
    /// The phone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
}

/// A code is on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CodeSendReply {
    /// The member.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// It holds until then.
    pub not_after: DateTime<Utc>,
}

endpoint!(
    /// Mutating. Too many codes to one phone, for one store or in all are refused with the time to wait.
    for_stores = true, CodeSend = "api.member.code.send", CodeSendRequest => CodeSendReply
);

/// Grants or takes back one consent. Exactly one of id, number and phone says whose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ConsentChangeRequest {
    /// The caller's id of this operation, at most 64 characters.
    pub operation_id: String,
    /// The member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_id: Option<MemberId>,
    /// The number on the card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_no: Option<String>,
    /// The phone: what a gateway knows of who answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// `sms`, `wechat`, `app`, `email`.
    pub channel: String,
    /// `service`, `promotion`.
    pub purpose: String,
    /// True: the member agrees. False: no longer.
    pub granted: bool,
}

/// What the member agrees to now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ConsentChangeReply {
    /// The member.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// `<channel>:<purpose>`, sorted.
    pub consents: Vec<String>,
}

endpoint!(
    /// Mutating.
    for_stores = true, ConsentChange = "api.member.consent.change", ConsentChangeRequest => ConsentChangeReply
);

/// Changes what is known of a member; what is not named stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MemberUpdateRequest {
    /// The caller's id of this operation, at most 64 characters.
    pub operation_id: String,
    /// The number on the card.
    pub member_no: String,
    /// The name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The mobile number, which nobody else has. A code sent to the one before is void.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Day of birth. The first one counts at once, a change from the next calendar year.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub birthday: Option<NaiveDate>,
    /// The customer's identity at the group's WeChat account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wechat_openid: Option<String>,
    /// The language to be told in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// Vehicles that the member owns, too. One that the member has by VIN or plate gets what is new of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "strict::objects")]
    pub add_vehicles: Vec<VehicleInput>,
    /// Vehicles that the member no longer owns, by VIN or plate.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "strict::objects")]
    pub remove_vehicles: Vec<VehicleInput>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MemberUpdateReply {
    /// The member.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// Something is different now.
    pub changed: bool,
    /// The first calendar year in which the birthday counts, if it was ever changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub birthday_from_year: Option<i32>,
    /// How many vehicles are known.
    pub vehicles: u32,
}

endpoint!(
    /// Mutating.
    for_stores = true, MemberUpdate = "api.member.member.update", MemberUpdateRequest => MemberUpdateReply
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

/// Names members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MemberListRequest {
    /// Numbers on cards: at most 1000.
    pub member_nos: Vec<String>,
}

/// Whether a member is activated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MemberState {
    /// The member.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// The member's state.
    pub status: MemberStatus,
}

/// Those that exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MemberListReply {
    /// By number; numbers that nobody has are missing.
    pub members: Vec<MemberState>,
}

endpoint!(
    /// Who has these numbers, and is activated?
    MemberList = "api.member.member.list", MemberListRequest => MemberListReply
);

/// Looks for members by whatever is at hand: at least one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MemberSearchRequest {
    /// The number on the card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_no: Option<String>,
    /// The phone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// The VIN of a vehicle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vin: Option<String>,
    /// The plate of a vehicle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plate: Option<String>,
}

/// Who fits at least one of the keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MemberSearchReply {
    /// By number; personal values are masked. Nobody: empty.
    pub members: Vec<MemberReply>,
}

endpoint!(
    /// Who has this number, phone, VIN or plate?
    for_stores = true, MemberSearch = "api.member.member.search", MemberSearchRequest => MemberSearchReply
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

endpoint!(
    /// Says once more what others know of members, for services that weren't there when it happened.
    MemberAnnounce = "api.member.member.announce", AnnounceRequest => AnnounceReply
);
