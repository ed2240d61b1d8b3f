//! ingest: documents and rejects.

use chrono::{DateTime, NaiveDate, Utc};
use jifen_kernel::MemberId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{CountsReply, Empty, Endpoint};
use crate::event::DayCompared;

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
    /// Of an invoice that counts no longer: the number of the void, or of the invoice in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voided_by: Option<String>,
}

endpoint!(
    /// What became of a document?
    for_stores = true, DocumentStatus = "api.ingest.document.status", DocumentRequest => DocumentReply
);

/// Which day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DayRequest {
    /// The store.
    pub store: String,
    /// The local day.
    pub day: NaiveDate,
}

endpoint!(
    /// What a store says of its day against what arrived of it by now. Answers before the close, too: with what arrived alone.
    for_stores = true, DayCompare = "api.ingest.day.compare", DayRequest => DayCompared
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
    /// Only of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Only of this number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
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

/// Says whose a document is whose keys point to different members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AssignRequest {
    /// The caller's id of this operation.
    pub operation_id: String,
    /// The document's store.
    pub store: String,
    /// `invoice` and the like.
    pub kind: String,
    /// The document's number.
    pub document: String,
    /// The member who earns: one of those that its keys point to.
    pub member_no: String,
}

/// Accepted now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AssignReply {
    /// Who earns.
    pub member_id: MemberId,
}

endpoint!(
    /// Ends the review of a document with keys that disagree. Mutating.
    for_stores = true, Assign = "api.ingest.document.assign", AssignRequest => AssignReply
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

endpoint!(
    /// Documents by fate: `accepted`, `parked`, `rejected/<code>`, `duplicate`.
    IngestCounts = "api.ingest.document.counts", Empty => CountsReply
);
