//! The events that services publish about themselves.
//!
//! No event carries a personal value: keys are keyed hashes, birthdays have no year.

use chrono::{DateTime, NaiveDate, Utc};
use jifen_kernel::{MemberId, Money, Points, StoreCode, Token};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    EventType,
    document::{Payer, ReductionKind},
    program::AppliedProgram,
};

/// A keyed hash of a personal value with its key's version: `1:<64 hex>`. Equal values under one key have equal hashes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct KeyedHash(pub String);

macro_rules! event {
    ($type:ident, $service:literal, $name:literal, $store:expr) => {
        impl EventType for $type {
            const SERVICE: &'static str = $service;
            const NAME: &'static str = $name;
            fn store(&self) -> Option<&StoreCode> {
                let store: fn(&Self) -> Option<&StoreCode> = $store;
                store(self)
            }
        }
    };
}

/// A line of an accepted invoice, as the store sent it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AcceptedLine {
    /// The line's number.
    pub line: u32,
    /// Its job's category.
    pub category: Token,
    /// Who pays it.
    pub payer: Payer,
    /// What it costs.
    pub amount: Money,
    /// Of a stored-value line: the share that the customer once paid in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<Money>,
}

/// A deduction from the whole bill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AcceptedReduction {
    /// What for.
    pub kind: ReductionKind,
    /// How much.
    pub amount: Money,
}

/// ingest: an invoice of a known member is in order. Published once per (store, invoice_no).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct InvoiceAccepted {
    /// The issuing store.
    pub store: StoreCode,
    /// Its number there.
    pub invoice_no: String,
    /// Who earns.
    pub member_id: MemberId,
    /// The number on the member's card.
    pub member_no: String,
    /// Settlement: decides which rules and campaigns apply.
    pub issued_at: DateTime<Utc>,
    /// The local day of `issued_at` in the program's zone.
    pub business_date: NaiveDate,
    /// When it first reached jifen.
    pub received_at: DateTime<Utc>,
    /// The rules in force at `issued_at`, as known when this was written.
    pub program_version: u32,
    /// The vehicle, hashed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vehicle: Option<KeyedHash>,
    /// The service advisor's staff number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advisor: Option<String>,
    /// The bill's lines.
    pub lines: Vec<AcceptedLine>,
    /// What was taken off the whole bill.
    pub reductions: Vec<AcceptedReduction>,
}
event!(InvoiceAccepted, "ingest", "invoice_accepted", |event| Some(&event.store));

/// ingest: a document was refused; it is kept and can be resubmitted. Its subject's store is `_` if unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DocumentRejected {
    /// Key of the kept document.
    pub reject_id: Uuid,
    /// The store in the subject, if it is a store code.
    pub store: Option<StoreCode>,
    /// The kind in the subject.
    pub kind: String,
    /// The document's number, if it could be read.
    pub document: Option<String>,
    /// Why.
    pub code: String,
    /// Where.
    pub pointer: Option<String>,
    /// SHA-256 of the bytes received, hex.
    pub sha256: String,
}
event!(DocumentRejected, "ingest", "document_rejected", |event| event.store.as_ref());

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

/// What an invoice earned in one category.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CategoryBase {
    /// The category.
    pub category: Token,
    /// What the customer paid, net of reductions.
    pub paid: Money,
    /// Base points, after caps: what a multiplier works on.
    pub base: Points,
}

/// points: an invoice's base is posted; campaign answers every one of these with [`AccrualAssessed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Earned {
    /// The issuing store.
    pub store: StoreCode,
    /// The invoice.
    pub document: String,
    /// Who earned.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// Settlement.
    pub issued_at: DateTime<Utc>,
    /// Its local day.
    pub business_date: NaiveDate,
    /// When it first reached jifen.
    pub received_at: DateTime<Utc>,
    /// The rules applied.
    pub program_version: u32,
    /// Paid amounts and capped base, by category name.
    pub categories: Vec<CategoryBase>,
    /// Points of the first spending that came with this invoice.
    pub first_spending: Points,
    /// The vehicle, hashed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vehicle: Option<KeyedHash>,
    /// A maintenance or repair line of any payer but internal.
    pub visit: bool,
    /// A visit for which the customer paid.
    pub paid_visit: bool,
}
event!(Earned, "points", "earned", |event| Some(&event.store));

/// How a bonus came about, so that points can recompute it after a correction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum BonusRule {
    /// `floor(base x (factor - 1))` of one category.
    Multiplier {
        /// The category multiplied.
        category: Token,
        /// 20000 = double.
        factor_basis_points: u32,
    },
}

/// One bonus on one accrual.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Bonus {
    /// The campaign's code.
    pub campaign: Token,
    /// Its version (the program's).
    pub version: u32,
    /// What was granted, after the budget.
    pub points: Points,
    /// How.
    #[serde(flatten)]
    pub rule: BonusRule,
}

/// campaign: the answer to one [`Earned`], also when there is no bonus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AccrualAssessed {
    /// The accrual's store.
    pub store: StoreCode,
    /// The accrual's document.
    pub document: String,
    /// Who earned.
    pub member_id: MemberId,
    /// Empty for none.
    pub bonuses: Vec<Bonus>,
}
event!(AccrualAssessed, "campaign", "accrual_assessed", |event| Some(&event.store));

/// campaign: the last point of a budget was granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct BudgetExhausted {
    /// The campaign's code.
    pub campaign: Token,
    /// Its version.
    pub version: u32,
    /// The whole budget.
    pub budget: Points,
}
event!(BudgetExhausted, "campaign", "budget_exhausted", |_| None);

/// What a ledger entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// Base points of an invoice, one entry a category.
    Accrual,
    /// First spending.
    FirstSpending,
    /// A campaign's bonus.
    Bonus,
}

impl EntryKind {
    /// As on the wire and in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accrual => "accrual",
            Self::FirstSpending => "first_spending",
            Self::Bonus => "bonus",
        }
    }
}

/// One entry as posted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PostedEntry {
    /// The ledger's key.
    pub entry_id: Uuid,
    /// What it is about.
    pub kind: EntryKind,
    /// The rule that made it: `earn@3`, `first_spending@3`, `campaign:double_week@3`.
    pub rule: String,
    /// The category multiplied or earned in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<Token>,
    /// How many.
    pub points: Points,
    /// Counts towards a tier.
    pub qualifying: bool,
    /// Not spendable yet.
    pub pending: bool,
}

/// A member's balance after a posting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Balance {
    /// Spendable.
    pub active: Points,
    /// Earned, not spendable yet.
    pub pending: Points,
    /// Held for a redemption in progress.
    pub reserved: Points,
    /// Owed: repaid by the next accruals.
    pub debt: Points,
}

/// points: an accrual is complete, base and bonus. One per document, as posted, never reduced by a correction.
/// Envelope `sequence` is the account's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AccrualSettled {
    /// The issuing store.
    pub store: StoreCode,
    /// The document.
    pub document: String,
    /// Who earned.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// Settlement.
    pub issued_at: DateTime<Utc>,
    /// Its local day.
    pub business_date: NaiveDate,
    /// The rules applied.
    pub program_version: u32,
    /// The vehicle, hashed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vehicle: Option<KeyedHash>,
    /// A visit to the workshop.
    pub visit: bool,
    /// A visit for which the customer paid.
    pub paid_visit: bool,
    /// Customer-paid amounts and base, by category.
    pub categories: Vec<CategoryBase>,
    /// Every entry of this accrual.
    pub entries: Vec<PostedEntry>,
    /// The member's balance after it.
    pub balance: Balance,
}
event!(AccrualSettled, "points", "accrual_settled", |event| Some(&event.store));

impl AccrualSettled {
    /// All points of the accrual.
    pub fn points(&self) -> Points {
        self.entries.iter().map(|entry| entry.points).sum()
    }

    /// Those that count towards a tier.
    pub fn qualifying(&self) -> Points {
        self.entries.iter().filter(|entry| entry.qualifying).map(|entry| entry.points).sum()
    }
}

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

/// program: a version of the rules, whole and immutable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct ProgramApplied(pub AppliedProgram);
event!(ProgramApplied, "program", "applied", |_| None);

/// notification: a gateway says that the member has the message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct NotificationDelivered {
    /// The command's id.
    pub notification_id: Uuid,
    /// Who.
    pub member_id: MemberId,
    /// The message's kind.
    pub kind: String,
    /// The channel it went by.
    pub channel: String,
    /// When.
    pub at: DateTime<Utc>,
}
event!(NotificationDelivered, "notification", "delivered", |_| None);

/// notification: a gateway says that the message will not arrive (failed or expired).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct NotificationFailed {
    /// The command's id.
    pub notification_id: Uuid,
    /// Who.
    pub member_id: MemberId,
    /// The message's kind.
    pub kind: String,
    /// The channel it went by.
    pub channel: String,
    /// The provider's code.
    pub code: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}
event!(NotificationFailed, "notification", "failed", |_| None);
