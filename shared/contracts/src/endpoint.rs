//! What can be asked, by request-reply: `api.<service>.<noun>.<verb>`.
//!
//! Requests and replies are bare JSON. A mutating request carries the caller's `operation_id`: repeated, it gets the
//! same answer for ever and has no second effect.

use chrono::{DateTime, NaiveDate, Utc};
use jifen_kernel::{MemberId, Points};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::{code::Text, event::EntryKind, program::AppliedProgram, strict};

/// An endpoint: its subject, its request, its reply.
pub trait Endpoint: 'static {
    /// `api.<service>.<noun>.<verb>`.
    const SUBJECT: &'static str;
    /// Answered at `<subject>.<store>` too, where a store's own user asks. Everything else is for operators and services.
    const FOR_STORES: bool;
    /// What is asked.
    type Request: Serialize + DeserializeOwned + Send + Sync + 'static;
    /// What is answered.
    type Reply: Serialize + DeserializeOwned + Send + Sync + 'static;
}

macro_rules! endpoint {
    ($(#[$doc:meta])* $name:ident = $subject:literal, $request:ty => $reply:ty) => {
        endpoint!($(#[$doc])* for_stores = false, $name = $subject, $request => $reply);
    };
    ($(#[$doc:meta])* for_stores = $for_stores:literal, $name:ident = $subject:literal, $request:ty => $reply:ty) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name;
        impl Endpoint for $name {
            const SUBJECT: &'static str = $subject;
            const FOR_STORES: bool = $for_stores;
            type Request = $request;
            type Reply = $reply;
        }
    };
}

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
    /// Earns and spends.
    Active,
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
    /// `<channel>:<purpose>`.
    pub consents: Vec<String>,
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
    /// Credited to the member.
    pub points: Points,
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

/// The step above.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct NextTier {
    /// Its code.
    pub tier: String,
    /// What is missing.
    pub missing: Missing,
}

/// What a member lacks for the next tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Missing {
    /// Qualifying points.
    pub points: Points,
}

/// Where a member stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct StandingReply {
    /// The member.
    pub member_id: MemberId,
    /// The tier's code.
    pub tier: String,
    /// Its name.
    pub name: Text,
    /// When it was reached; `null` for a member who never earned.
    pub since: Option<DateTime<Utc>>,
    /// Qualifying points so far.
    pub qualifying: Points,
    /// The step above, unless this is the highest.
    pub next: Option<NextTier>,
    /// Countable benefits: none in this release.
    pub entitlements: Vec<serde_json::Value>,
}

endpoint!(
    /// A member without entries answers the lowest tier.
    for_stores = true, StandingGet = "api.tier.standing.get", MemberRequest => StandingReply
);

/// Asks for nothing in particular.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Empty {}

/// Which versions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ProgramsRequest {
    /// Only versions above this one; 0, or not given, for all.
    #[serde(default)]
    pub after: u32,
}

/// Versions, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ProgramsReply {
    /// As many as fit into one reply.
    pub versions: Vec<AppliedProgram>,
    /// There are more: ask again after the last one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

endpoint!(
    /// What services ask at start, and now and then.
    ProgramList = "api.program.version.list", ProgramsRequest => ProgramsReply
);

/// Which version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ProgramGetRequest {
    /// Its number; the one in force now if not given.
    #[serde(default)]
    pub version: Option<u32>,
}

endpoint!(
    /// One version.
    ProgramGet = "api.program.version.get", ProgramGetRequest => AppliedProgram
);

/// A folder of TOML files, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ProgramFiles {
    /// File name (`earn.toml`) to content.
    pub files: std::collections::BTreeMap<String, String>,
}

/// What is wrong in a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ProgramFinding {
    /// The file.
    pub file: String,
    /// Its line, from 1; 0 for the file as a whole.
    pub line: u32,
    /// The key.
    pub key: String,
    /// What, and what to do.
    pub message: String,
    /// A warning does not stop `apply`.
    pub warning: bool,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ProgramCheckReply {
    /// Empty for a good program.
    pub findings: Vec<ProgramFinding>,
}

endpoint!(
    /// Checks a program without applying it.
    ProgramCheck = "api.program.version.check", ProgramFiles => ProgramCheckReply
);

/// Applies a program as the next version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ProgramApplyRequest {
    /// The caller's id of this operation.
    pub operation_id: String,
    /// First local day on which it shall be in force.
    pub effective_from: NaiveDate,
    /// The version that these files were made from: refused as `program.changed` if it is no longer the newest, so that nobody
    /// undoes what another has applied in between. Not given: whatever the newest is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u32>,
    /// The folder.
    pub files: std::collections::BTreeMap<String, String>,
}

/// What `apply` did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ProgramApplyReply {
    /// The version in which these rules stand.
    pub version: u32,
    /// The newest version holds the same rules from the same day already: nothing was changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unchanged: bool,
    /// Warnings.
    pub findings: Vec<ProgramFinding>,
}

endpoint!(
    /// Mutating. Refused as `program.invalid` with the findings in the detail, as `program.changed` if `after` is not the newest.
    ProgramApply = "api.program.version.apply", ProgramApplyRequest => ProgramApplyReply
);

/// Which document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DocumentRequest {
    /// The store.
    pub store: String,
    /// `invoice` and the like.
    pub kind: String,
    /// The number.
    pub document: String,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DocumentReply {
    /// `accepted`, `parked`, `lapsed`.
    pub status: String,
    /// Why it waits.
    pub code: Option<String>,
    /// When it first arrived.
    pub received_at: DateTime<Utc>,
    /// When it was accepted.
    pub accepted_at: Option<DateTime<Utc>>,
    /// Who earned.
    pub member_id: Option<MemberId>,
    /// The rules it was stamped with.
    pub program_version: Option<u32>,
}

endpoint!(
    /// What became of a document?
    for_stores = true, DocumentStatus = "api.ingest.document.status", DocumentRequest => DocumentReply
);

/// Which rejected documents.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RejectsRequest {
    /// Only this store.
    #[serde(default)]
    pub store: Option<String>,
    /// Only this code.
    #[serde(default)]
    pub code: Option<String>,
    /// 1 to 500; 100 if not given.
    #[serde(default)]
    pub limit: Option<u32>,
    /// Only older than this one: the last `reject_id` of the page before.
    #[serde(default)]
    pub before: Option<Uuid>,
}

/// A rejected document, without its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Reject {
    /// Its key.
    pub reject_id: Uuid,
    /// The subject's store, as written, cut to 64 characters.
    pub store: String,
    /// The subject's kind, as written, cut to 64 characters.
    pub kind: String,
    /// The document's number, if it could be read.
    pub document: Option<String>,
    /// Why.
    pub code: String,
    /// Where.
    pub pointer: Option<String>,
    /// What exactly.
    pub detail: String,
    /// SHA-256 of the bytes, hex.
    pub sha256: String,
    /// Size in bytes.
    pub bytes: u32,
    /// How often the same bytes were rejected.
    pub times: u32,
    /// When first.
    pub at: DateTime<Utc>,
    /// When it was resubmitted, if it was.
    pub resubmitted_at: Option<DateTime<Utc>>,
}

/// Newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RejectsReply {
    /// A page.
    pub rejects: Vec<Reject>,
    /// How many there are in all.
    pub total: u64,
}

endpoint!(
    /// Rejected documents.
    for_stores = true, RejectsList = "api.ingest.reject.list", RejectsRequest => RejectsReply
);

/// Processes a rejected document again, as it was received (after the program was mended, say).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ResubmitRequest {
    /// The caller's id of this operation.
    pub operation_id: String,
    /// The document's key.
    pub reject_id: Uuid,
}

/// Its new fate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ResubmitReply {
    /// As in receipts.
    pub status: String,
    /// Why not accepted.
    pub code: Option<String>,
}

endpoint!(
    /// Mutating. The store gets a receipt, too.
    for_stores = false, Resubmit = "api.ingest.reject.resubmit", ResubmitRequest => ResubmitReply
);

/// A campaign's figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CampaignFigures {
    /// Its code.
    pub code: String,
    /// Its version.
    pub version: u32,
    /// Bonuses granted.
    pub bonuses: u64,
    /// Different members.
    pub members: u64,
    /// Points granted.
    pub points: Points,
    /// Budget, if it has one.
    pub budget: Option<Points>,
}

/// All campaigns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CampaignReportReply {
    /// By code and version.
    pub campaigns: Vec<CampaignFigures>,
}

endpoint!(
    /// What campaigns have granted.
    CampaignReport = "api.campaign.campaign.report", Empty => CampaignReportReply
);

/// Counts by word.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CountsReply {
    /// `<word>` or `<word>/<code>` to count.
    pub counts: std::collections::BTreeMap<String, i64>,
}

endpoint!(
    /// Documents by fate: `accepted`, `parked`, `rejected/<code>`, `duplicate`.
    IngestCounts = "api.ingest.document.counts", Empty => CountsReply
);
endpoint!(
    /// Members by tier code.
    TierCounts = "api.tier.standing.counts", Empty => CountsReply
);
endpoint!(
    /// `accounts`, `entries`, `points/<kind>`, `settled`, `unsettled`.
    PointsCounts = "api.points.account.counts", Empty => CountsReply
);
endpoint!(
    /// Messages: `<kind>/<state>`.
    NotificationCounts = "api.notification.send.counts", Empty => CountsReply
);
endpoint!(
    /// `members`.
    MemberCounts = "api.member.member.counts", Empty => CountsReply
);
