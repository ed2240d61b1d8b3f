//! points: what was earned.

use chrono::{DateTime, NaiveDate, Utc};
use jifen_kernel::{MemberId, Money, Points, StoreCode, Token};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::KeyedHash;
use crate::EventType;

mod staff;
mod till;

pub use staff::*;
pub use till::*;

/// What an invoice earned in one category.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CategoryBase {
    /// The category.
    pub category: Token,
    /// What the customer paid, net of reductions: a sum of lines, each of which may have ten digits.
    #[schemars(with = "String", extend("pattern" = "^[0-9]{1,16}(\\.[0-9]{1,2})?$"))]
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
    /// The invoice of its store whose place it takes: what that one had of budgets and caps is free for this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// The vehicle, hashed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vehicle: Option<KeyedHash>,
    /// A maintenance or repair line of any payer but internal.
    pub visit: bool,
    /// A visit for which the customer paid.
    pub paid_visit: bool,
}
event!(Earned, "points", "earned", |event| Some(&event.store));

/// What a ledger entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// Base points of an invoice, one entry a category.
    Accrual,
    /// First spending.
    FirstSpending,
    /// A campaign's or tier's bonus.
    Bonus,
    /// An interaction.
    Interaction,
    /// A partner's purchase.
    Partner,
    /// Pending points became spendable.
    Activation,
    /// Pending points went back: the member wasn't activated in time.
    Lapse,
    /// A correction took back some of what another entry gave.
    Reversal,
    /// Spendable points repaid a debt.
    Repayment,
    /// Spendable points were reserved for a redemption.
    Hold,
    /// Reserved points were spent.
    Capture,
    /// Reserved points became spendable again.
    Release,
    /// Spent points came back: what they were spent on was voided.
    Return,
    /// Spendable points ended unspent.
    Expiry,
    /// Points that had ended live again.
    Revival,
    /// Staff corrected the account.
    Adjustment,
    /// An opening balance from another system.
    Import,
}

impl EntryKind {
    /// As on the wire and in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accrual => "accrual",
            Self::FirstSpending => "first_spending",
            Self::Bonus => "bonus",
            Self::Interaction => "interaction",
            Self::Partner => "partner",
            Self::Activation => "activation",
            Self::Lapse => "lapse",
            Self::Reversal => "reversal",
            Self::Repayment => "repayment",
            Self::Hold => "hold",
            Self::Capture => "capture",
            Self::Release => "release",
            Self::Return => "return",
            Self::Expiry => "expiry",
            Self::Revival => "revival",
            Self::Adjustment => "adjustment",
            Self::Import => "import",
        }
    }

    /// Every kind.
    pub const ALL: [Self; 17] = [
        Self::Accrual,
        Self::FirstSpending,
        Self::Bonus,
        Self::Interaction,
        Self::Partner,
        Self::Activation,
        Self::Lapse,
        Self::Reversal,
        Self::Repayment,
        Self::Hold,
        Self::Capture,
        Self::Release,
        Self::Return,
        Self::Expiry,
        Self::Revival,
        Self::Adjustment,
        Self::Import,
    ];
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

/// What an accrual rests on; with store and document its identity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccrualSource {
    /// An invoice.
    #[default]
    Invoice,
    /// An interaction.
    Interaction,
    /// A partner's purchase.
    PartnerPurchase,
    /// A campaign's grant: the document is `<campaign>/<participation>/<ordinal>`.
    Grant,
    /// An opening balance: the document is `<source>/<line>`.
    Import,
}

impl AccrualSource {
    /// As on the wire and in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invoice => "invoice",
            Self::Interaction => "interaction",
            Self::PartnerPurchase => "partner_purchase",
            Self::Grant => "grant",
            Self::Import => "import",
        }
    }

    /// True for what most accruals are: not written.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
    pub(crate) fn is_invoice(&self) -> bool {
        *self == Self::Invoice
    }
}

/// points: an accrual is complete, base and bonus. One per document, as posted, never reduced by a correction.
/// Envelope `sequence` is the account's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AccrualSettled {
    /// What it rests on.
    #[serde(default, skip_serializing_if = "AccrualSource::is_invoice")]
    pub source: AccrualSource,
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

/// Why something earned is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CorrectionKind {
    /// It was pending too long: its member wasn't activated.
    Lapse,
    /// Some of its amount was paid back.
    Refund,
    /// The invoice was cancelled.
    Void,
    /// Another invoice took its place.
    Replacement,
    /// Somebody looked at its pending points and refused them.
    Rejection,
}

impl CorrectionKind {
    /// As on the wire and in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lapse => "lapse",
            Self::Refund => "refund",
            Self::Void => "void",
            Self::Replacement => "replacement",
            Self::Rejection => "rejection",
        }
    }
}

/// What a correction took off the customer-paid amount of a category.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CategoryPaid {
    /// The category.
    pub category: Token,
    /// So much less was paid.
    #[schemars(with = "String", extend("pattern" = "^[0-9]{1,16}(\\.[0-9]{1,2})?$"))]
    pub paid: Money,
}

/// An entry that takes another one back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ReversedEntry {
    /// The ledger's key.
    pub entry_id: Uuid,
    /// The entry taken back.
    pub reverses: Uuid,
    /// What that one was about.
    pub kind: EntryKind,
    /// The rule that made it.
    pub rule: String,
    /// Its category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<Token>,
    /// How many are taken back.
    pub points: Points,
    /// They counted towards a tier.
    pub qualifying: bool,
    /// They weren't spendable yet.
    pub pending: bool,
    /// They had ended unspent and are claimed from nobody: the breakage of this store, which funded them, is less by them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breakage_of: Option<StoreCode>,
    /// The accrual that had brought them, where it is another than the event's: a delayed reward that rests on the invoice, a first
    /// spending that came with another one. Whoever sums by accrual takes them off that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accrual: Option<ReversedAccrual>,
}

/// An accrual, by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ReversedAccrual {
    /// What it rests on.
    pub source: AccrualSource,
    /// Its store.
    pub store: StoreCode,
    /// Its document.
    pub document: String,
}

/// points: a correction took back some of what an accrual earned. Carries its own differences only, so consumers add, whatever comes
/// first: each entry once by its id, amounts and visits once by the event's id. A correction that came before the accrual was
/// settled speaks twice: of the base when it is applied, of the bonus when that is posted. Envelope `sequence` is the account's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Reversed {
    /// Why.
    pub correction: CorrectionKind,
    /// The correction's own number: of the refund, the void, the invoice that replaces this one; of a rejection the document's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// What the accrual rests on.
    #[serde(default, skip_serializing_if = "AccrualSource::is_invoice")]
    pub source: AccrualSource,
    /// The accrual's store.
    pub store: StoreCode,
    /// The accrual's document.
    pub document: String,
    /// Who had earned.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// When.
    pub at: DateTime<Utc>,
    /// The accrual's local day.
    pub business_date: NaiveDate,
    /// What is taken back: none, where the correction moves no point.
    pub entries: Vec<ReversedEntry>,
    /// By how much the customer-paid amounts fell, by category.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paid: Vec<CategoryPaid>,
    /// Where those fell: what is left of the invoice, by category: paid amounts, and the base that a bonus may multiply. Corrections
    /// leave less and less: of several words about one invoice the least counts, whatever comes first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<CategoryBase>,
    /// The invoice's vehicle, hashed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vehicle: Option<KeyedHash>,
    /// The invoice was a visit, and is none any longer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub visit_lost: bool,
    /// The invoice was a paid visit, and is none any longer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paid_visit_lost: bool,
    /// The member's balance after it.
    pub balance: Balance,
}
event!(Reversed, "points", "reversed", |event| Some(&event.store));

/// Why a person should look at something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FlagReason {
    /// More was refunded on a line than it had cost.
    RefundExceedsLine,
    /// A settled bill was reopened under another number.
    InvoiceReplaced,
    /// What a bill says that points pay of it is not what was captured for it.
    OffsetDiffers,
}

impl FlagReason {
    /// As on the wire and in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RefundExceedsLine => "refund_exceeds_line",
            Self::InvoiceReplaced => "invoice_replaced",
            Self::OffsetDiffers => "offset_differs",
        }
    }
}

/// What points pay of a bill: as it says itself, and as it was captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct OffsetDifference {
    /// What the bill says.
    pub said: Money,
    /// Points captured for it, and for the bills in whose place it stands.
    pub captured: Points,
    /// What those pay.
    pub worth: Money,
}

/// points: a person should look at this. Nothing waits for it. Once per (reason, store, document).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Flagged {
    /// Why.
    pub reason: FlagReason,
    /// The document's store.
    pub store: StoreCode,
    /// The document.
    pub document: String,
    /// What made it so: the number of the refund or of the replacing invoice; the first hold that was captured for it, if there is one.
    pub by: String,
    /// Of an offset that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<OffsetDifference>,
    /// Whose account.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// When.
    pub at: DateTime<Utc>,
}
event!(Flagged, "points", "flagged", |event| Some(&event.store));
