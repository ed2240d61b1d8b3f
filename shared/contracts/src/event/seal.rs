//! points: the ledger's seals.

use chrono::{DateTime, Utc};
use jifen_kernel::StoreCode;
use serde::{Deserialize, Serialize};

use crate::EventType;

/// points: the heads of all chains that grew since the seal before stand in a Merkle tree (RFC 6962, SHA-256) with this root. The same
/// as a line of the anchors: whoever keeps these events can hold the ledger against them. Envelope `sequence` is the seal's number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Sealed {
    /// Its number, from 1, without a gap.
    pub seal: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// SHA-256 of the statement before, hex; zeros before the first.
    #[schemars(extend("pattern" = "^[0-9a-f]{64}$"))]
    pub previous: String,
    /// The root, hex.
    #[schemars(extend("pattern" = "^[0-9a-f]{64}$"))]
    pub root: String,
    /// How many heads the tree has.
    pub leaves: u64,
    /// The public key (Ed25519), hex.
    #[schemars(extend("pattern" = "^[0-9a-f]{64}$"))]
    pub key: String,
    /// Over the statement, hex.
    #[schemars(extend("pattern" = "^[0-9a-f]{128}$"))]
    pub signature: String,
}
event!(Sealed, "points", "sealed", |_| None);
