//! What proves the ledger, without a database, a broker or a runtime: whoever holds this crate, a public key and a file checks.
//!
//! ```text
//! entries of a member ──> chain: each hash covers the one before        entry
//! heads of many chains ─> Merkle tree (RFC 6962), its root signed ─────> seal, chained to the one before
//! seals ────────────────> a line each in a file outside the database     anchors
//! one entry ────────────> its chain to a sealed head, the path, the seal  proof
//! ```
//!
//! Reading order: [`entry`], [`seal`], [`anchors`], [`proof`].

pub mod anchors;
pub mod entry;
pub mod proof;
pub mod seal;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use entry::Entry;
pub use proof::{EntryProof, NotProven};
pub use seal::{Leaf, PublicKey, Seal, SealingKey, Statement};

/// 32 bytes that stand for something else: of SHA-256. Written as 64 hexadecimal digits.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Before the first of a chain.
    pub const NONE: Self = Self([0; 32]);

    /// From what a table holds; `None` if it isn't 32 bytes.
    pub fn of_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Why a text is no hash, key or signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{digits} hexadecimal digits expected")]
pub struct BadHex {
    digits: usize,
}

impl TryFrom<String> for Hash {
    type Error = BadHex;
    fn try_from(text: String) -> Result<Self, BadHex> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| BadHex { digits: 64 })?;
        Ok(Self(bytes))
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> Self {
        hash.to_string()
    }
}
