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
