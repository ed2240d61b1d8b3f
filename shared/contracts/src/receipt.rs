//! What became of a store's document: `receipt.v1.<store>`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::code::Text;

/// The fate of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptStatus {
    /// Taken; its points follow.
    Accepted,
    /// Waits for a registration or a review; a second receipt follows at its release.
    Parked,
    /// Refused; kept, listed, resubmittable.
    Rejected,
    /// Seen before with the same content; no effect.
    Duplicate,
}

impl ReceiptStatus {
    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Parked => "parked",
            Self::Rejected => "rejected",
            Self::Duplicate => "duplicate",
        }
    }
}

/// A receipt. A store may forget a document when this arrives, not before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Receipt {
    /// The document's fate.
    pub status: ReceiptStatus,
    /// The kind in the document's subject.
    pub kind: String,
    /// The document's number; `null` if it could not be read.
    pub document: Option<String>,
    /// The id of the store's CloudEvent, if it sent one.
    pub event_id: Option<String>,
    /// SHA-256 of the bytes received, hex.
    pub sha256: String,
    /// Why not accepted.
    pub code: Option<String>,
    /// Where in the document.
    pub pointer: Option<String>,
    /// For people at the store.
    pub text: Text,
    /// When it was decided.
    pub at: DateTime<Utc>,
}

/// The type attribute of a receipt's envelope.
pub const RECEIPT_TYPE: &str = "jifen.receipt.v1";

/// Identifier of a receipt's envelope.
pub type ReceiptId = Uuid;
