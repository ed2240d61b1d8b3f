//! Sealing at rest (AES-256-GCM-SIV) and keyed hashes for look-up (HMAC-SHA-256).
//!
//! GCM-SIV because many copies draw nonces from randomness alone: a repeated nonce then reveals equality, never a key.

use aes_gcm_siv::{
    Aes256GcmSiv, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use base64::{Engine, prelude::BASE64_STANDARD as BASE64};
use hmac::{Hmac, Mac};
use jifen_contracts::KeyedHash;
use jifen_kernel::Ids;
use sha2::{Digest, Sha256};

const NONCE_BYTES: usize = 12;

/// Why something sealed can't be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed value can't be opened: another key sealed it, or it was altered")]
pub struct CannotOpen;

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// The form of a value that permanent hashes are made of: keys sorted, without nulls and empty lists. So a field that a
/// later release adds changes nothing for values that don't have it.
pub fn canonical<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&plain(serde_json::to_value(value)?))
}

fn plain(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    let is_empty = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> =
                fields.into_iter().map(|(key, value)| (key, plain(value))).filter(|(_, value)| !is_empty(value)).collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(plain).collect()),
        other => other,
    }
}

fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
    for part in parts {
        // Lengths keep ("ab", "c") and ("a", "bc") apart.
        mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// A key that seals. Prints nothing of itself.
#[derive(Clone)]
pub struct SealKey {
    cipher: Aes256GcmSiv,
    key: [u8; 32],
}

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey(masked)")
    }
}

impl SealKey {
    /// From 32 bytes.
    pub fn new(key: [u8; 32]) -> Self {
        Self { cipher: Aes256GcmSiv::new(&key.into()), key }
    }

    /// A key of its own for each purpose.
    pub fn derive(&self, purpose: &str) -> Self {
        Self::new(hmac(&self.key, &[b"jifen-derive", purpose.as_bytes()]))
    }

    /// A secret for `purpose` that is no key of this kind: to sign with, say.
    pub fn secret_for(&self, purpose: &str) -> [u8; 32] {
        hmac(&self.key, &[b"jifen-secret", purpose.as_bytes()])
    }

    /// A keyed hash that only holders of this key can compute.
    pub fn hash(&self, bytes: &[u8]) -> [u8; 32] {
        hmac(&self.key, &[b"jifen-hash", bytes])
    }

    /// Seals `plain`; it opens only with the same `bound` (the place it stands in), so that it can't be moved.
    pub fn seal(&self, ids: &Ids, plain: &[u8], bound: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_BYTES];
        ids.fill(&mut nonce);
        let sealed = self
            .cipher
            .encrypt(&Nonce::from(nonce), Payload { msg: plain, aad: bound })
            .unwrap_or_else(|_| unreachable!("values of this system are far below the cipher's 64 GiB"));
        [nonce.as_slice(), &sealed].concat()
    }

    /// Opens what [`Self::seal`] sealed.
    pub fn open(&self, sealed: &[u8], bound: &[u8]) -> Result<Vec<u8>, CannotOpen> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(CannotOpen)?;
        self.cipher.decrypt(&Nonce::from(*nonce), Payload { msg: sealed, aad: bound }).map_err(|_| CannotOpen)
    }

    /// As [`Self::seal`], in base64: for a field of an event.
    pub fn seal_text(&self, ids: &Ids, plain: &[u8], bound: &[u8]) -> String {
        BASE64.encode(self.seal(ids, plain, bound))
    }

    /// Opens what [`Self::seal_text`] sealed.
    pub fn open_text(&self, sealed: &str, bound: &[u8]) -> Result<Vec<u8>, CannotOpen> {
        self.open(&BASE64.decode(sealed).map_err(|_| CannotOpen)?, bound)
    }
}

/// The key under which personal values are looked up: shared by member and ingest.
#[derive(Clone)]
pub struct LookupKey([u8; 32]);

impl std::fmt::Debug for LookupKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LookupKey(masked)")
    }
}

/// What a look-up hash is of: equal texts of different kinds have different hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookupKind {
    /// 11 digits.
    Phone,
    /// 17 characters.
    Vin,
    /// Upper case.
    Plate,
}

impl LookupKey {
    /// From 32 bytes.
    pub fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The hash under which a value is looked up.
    pub fn hash(&self, kind: LookupKind, value: &str) -> KeyedHash {
        let kind: &[u8] = match kind {
            LookupKind::Phone => b"phone",
            LookupKind::Vin => b"vin",
            LookupKind::Plate => b"plate",
        };
        KeyedHash(format!("1:{}", hex::encode(hmac(&self.0, &[kind, value.as_bytes()]))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_opens_only_in_its_place_and_with_its_key() {
        let (ids, key) = (Ids::seeded(1), SealKey::new([7; 32]));
        let sealed = key.seal(&ids, b"13800138000", b"row 1");
        assert!(!sealed.windows(5).any(|part| part == b"13800"));
        assert_eq!(key.open(&sealed, b"row 1").as_deref(), Ok(&b"13800138000"[..]));
        assert_eq!(key.open(&sealed, b"row 2"), Err(CannotOpen));
        assert_eq!(key.derive("other").open(&sealed, b"row 1"), Err(CannotOpen));
        assert_eq!(key.open(b"short", b""), Err(CannotOpen));
        let text = key.seal_text(&ids, b"123456", b"row 1");
        assert_eq!(key.open_text(&text, b"row 1").as_deref(), Ok(&b"123456"[..]));
        assert_eq!((key.open_text(&text, b"row 2"), key.open_text("no base64", b"row 1")), (Err(CannotOpen), Err(CannotOpen)));
    }

    #[test]
    fn a_form_for_ever() {
        let value = serde_json::json!({"b": 1, "a": {"z": null, "y": [], "x": [{"n": null, "m": "2"}]}});
        assert_eq!(canonical(&value).expect("json"), br#"{"a":{"x":[{"m":"2"}]},"b":1}"#);
    }

    #[test]
    fn look_up_hashes_differ_by_kind() {
        let key = LookupKey::new([1; 32]);
        assert_eq!(key.hash(LookupKind::Phone, "1"), key.hash(LookupKind::Phone, "1"));
        assert_ne!(key.hash(LookupKind::Phone, "1"), key.hash(LookupKind::Vin, "1"));
    }
}
