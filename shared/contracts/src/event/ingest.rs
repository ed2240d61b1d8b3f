//! ingest: what became of documents.

use chrono::{DateTime, NaiveDate, Utc};
use jifen_kernel::{MemberId, Money, StoreCode, Token};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::KeyedHash;
use crate::{
    EventType,
    document::{Payer, ReductionKind},
};

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
    /// The invoice of its store whose place it takes: that one's [`InvoiceVoided`] comes with it, or when it comes itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
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
    /// The member is not activated, as far as ingest knew: what this earns is pending until then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub awaiting_activation: bool,
}
event!(InvoiceAccepted, "ingest", "invoice_accepted", |event| Some(&event.store));

/// What a refund pays back on a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RefundedLine {
    /// The invoice's line.
    pub line: u32,
    /// How much.
    pub amount: Money,
}

/// ingest: some of an accepted invoice was paid back. Published once per (store, refund_no), never before the invoice's
/// [`InvoiceAccepted`]; carries the invoice's lines, so that whoever computes on net amounts needs nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct InvoiceRefunded {
    /// The store of both.
    pub store: StoreCode,
    /// The refund's number there.
    pub refund_no: String,
    /// The invoice's.
    pub invoice_no: String,
    /// Whose invoice.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// When it was paid back; may lie before the invoice's own date.
    pub refunded_at: DateTime<Utc>,
    /// The local day of `refunded_at` in the program's zone.
    pub business_date: NaiveDate,
    /// When it first reached jifen.
    pub received_at: DateTime<Utc>,
    /// The invoice's stamp: a correction is computed under the rules that it earned under.
    pub program_version: u32,
    /// What this refund alone pays back; several of one line add up.
    pub refunded: Vec<RefundedLine>,
    /// The invoice's lines, as accepted.
    pub lines: Vec<AcceptedLine>,
    /// What was taken off the whole bill.
    pub reductions: Vec<AcceptedReduction>,
}
event!(InvoiceRefunded, "ingest", "invoice_refunded", |event| Some(&event.store));

/// ingest: an accepted invoice counts no longer. Published once per (store, invoice_no), never before the invoice's
/// [`InvoiceAccepted`]: by a void, or by an invoice that replaces it, whichever came first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct InvoiceVoided {
    /// The store of both.
    pub store: StoreCode,
    /// The void's number there, or that of the replacing invoice.
    pub void_no: String,
    /// The invoice's.
    pub invoice_no: String,
    /// Whose invoice.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// When it was cancelled or replaced.
    pub voided_at: DateTime<Utc>,
    /// The local day of `voided_at` in the program's zone.
    pub business_date: NaiveDate,
    /// When it first reached jifen.
    pub received_at: DateTime<Utc>,
    /// The invoice's stamp.
    pub program_version: u32,
    /// Another invoice takes its place.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replaced: bool,
}
event!(InvoiceVoided, "ingest", "invoice_voided", |event| Some(&event.store));

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

/// ingest: a member did something that a program may reward. Published once per (store, interaction_no).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct InteractionRecorded {
    /// The store that says so.
    pub store: StoreCode,
    /// Its number there.
    pub interaction_no: String,
    /// Who did it.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// What it was: one of the program's kinds.
    pub kind: Token,
    /// When.
    pub occurred_at: DateTime<Utc>,
    /// The local day of `occurred_at` in the program's zone.
    pub business_date: NaiveDate,
    /// When it first reached jifen.
    pub received_at: DateTime<Utc>,
    /// The rules in force at `occurred_at`, as known when this was written.
    pub program_version: u32,
    /// What it is about: an invoice of the same store, an event's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// The member is not activated, as far as ingest knew: what this earns is pending until then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub awaiting_activation: bool,
}
event!(InteractionRecorded, "ingest", "interaction_recorded", |event| Some(&event.store));

/// ingest: a member bought from a partner. Published once per (store, purchase_no).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PartnerPurchaseRecorded {
    /// The store that says so.
    pub store: StoreCode,
    /// Its number there.
    pub purchase_no: String,
    /// Who bought.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// From whom: one of the program's partners.
    pub partner: String,
    /// When.
    pub occurred_at: DateTime<Utc>,
    /// The local day of `occurred_at` in the program's zone.
    pub business_date: NaiveDate,
    /// When it first reached jifen.
    pub received_at: DateTime<Utc>,
    /// The rules in force at `occurred_at`, as known when this was written.
    pub program_version: u32,
    /// What was paid.
    pub amount: Money,
    /// The member is not activated, as far as ingest knew: what this earns is pending until then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub awaiting_activation: bool,
}
event!(PartnerPurchaseRecorded, "ingest", "partner_purchase_recorded", |event| Some(&event.store));

/// ingest: a car was delivered to a member. Published once per (store, sale_no). It counts for tier and referral; its price
/// earns only through an invoice's line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct VehicleSold {
    /// The selling store.
    pub store: StoreCode,
    /// Its number there.
    pub sale_no: String,
    /// Who bought.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// When the car was handed over.
    pub delivered_at: DateTime<Utc>,
    /// The local day of `delivered_at` in the program's zone.
    pub business_date: NaiveDate,
    /// When it first reached jifen.
    pub received_at: DateTime<Utc>,
    /// The rules in force at `delivered_at`, as known when this was written.
    pub program_version: u32,
    /// The vehicle, hashed.
    pub vehicle: KeyedHash,
    /// The VIN, sealed for `member` to [`VehicleSold::place_of`], base64 (standard, padded).
    pub vin_sealed: String,
    /// The model series.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<String>,
    /// What it cost.
    pub price: Money,
}
event!(VehicleSold, "ingest", "vehicle_sold", |event| Some(&event.store));

impl VehicleSold {
    /// What the VIN of a sale is sealed to: it opens as that of no other.
    pub fn place_of(store: &StoreCode, sale_no: &str) -> Vec<u8> {
        format!("vehicle_sold/{store}/{sale_no}").into_bytes()
    }
}
