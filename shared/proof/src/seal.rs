//! A seal: the root of a Merkle tree over heads of chains, chained to the seal before and signed.
//!
//! The tree is that of Certificate Transparency (RFC 6962): leaves and nodes are hashed apart, so no node passes for a leaf, and
//! whoever wants to check without this program finds the format described and built elsewhere.

use base64::{Engine, prelude::BASE64_STANDARD as BASE64};
use chrono::{DateTime, Utc};
use ct_merkle::{InclusionProof, RootHash, mem_backed_tree::MemoryBackedTree};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{BadHex, Hash};

/// The head of a member's chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leaf {
    /// Whose.
    pub member_id: Uuid,
    /// Entries so far.
    pub sequence: i64,
    /// The hash of the newest one.
    pub head: Hash,
}

impl Leaf {
    /// As the tree has it: of one length, so no two leaves read alike.
    pub fn to_bytes(self) -> [u8; 56] {
        let mut bytes = [0; 56];
        bytes[..16].copy_from_slice(self.member_id.as_bytes());
        bytes[16..24].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[24..].copy_from_slice(&self.head.0);
        bytes
    }
}

/// A tree over leaves in the order of their members.
#[derive(Default)]
pub struct Tree(MemoryBackedTree<Sha256, [u8; 56]>);

impl Tree {
    /// Over these.
    pub fn of(leaves: impl IntoIterator<Item = Leaf>) -> Self {
        let mut tree = Self::default();
        leaves.into_iter().for_each(|leaf| tree.push(leaf));
        tree
    }

    /// Adds the next leaf.
    pub fn push(&mut self, leaf: Leaf) {
        self.0.push(leaf.to_bytes());
    }

    /// How many leaves.
    pub fn leaves(&self) -> u64 {
        self.0.len()
    }

    /// Its root.
    pub fn root(&self) -> Hash {
        Hash((*self.0.root().as_bytes()).into())
    }

    /// The way from the leaf at `index` to the root; none for a place that isn't there.
    pub fn path(&self, index: usize) -> Vec<Hash> {
        if self.0.get(index).is_none() {
            return Vec::new();
        }
        self.0.prove_inclusion(index).as_bytes().chunks_exact(32).filter_map(Hash::of_slice).collect()
    }
}

/// Members that a seal can have: far more than there are, and few enough that no place in their tree overflows.
const MOST_LEAVES: u64 = 1 << 32;
/// Steps from a leaf of such a tree to its root.
const LONGEST_PATH: usize = 32;

/// Whether `leaf` stands at `index` of the tree with this root and so many leaves. Whatever these are: a proof comes from anywhere.
pub fn is_included(leaf: Leaf, index: u64, path: &[Hash], root: Hash, leaves: u64) -> bool {
    if leaves > MOST_LEAVES || index >= leaves || path.len() > LONGEST_PATH {
        return false;
    }
    let path = InclusionProof::from_bytes(path.iter().flat_map(|hash| hash.0).collect());
    RootHash::<Sha256>::new(root.0.into(), leaves).verify_inclusion(&leaf.to_bytes(), index, &path).is_ok()
}

/// What a seal says and its signature covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Its number, from 1, without a gap.
    pub seal: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// The hash of the seal before; zeros before the first.
    pub previous: Hash,
    /// The root of the tree.
    pub root: Hash,
    /// How many heads the tree has.
    pub leaves: u64,
}

impl Statement {
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = b"jifen-seal-1 points\0".to_vec();
        bytes.extend(self.seal.to_be_bytes());
        bytes.extend(self.at.timestamp_micros().to_be_bytes());
        bytes.extend(self.previous.0);
        bytes.extend(self.root.0);
        bytes.extend(self.leaves.to_be_bytes());
        bytes
    }

    /// Its hash: what the next seal names as its previous.
    pub fn hash(&self) -> Hash {
        Hash(Sha256::digest(self.to_bytes()).into())
    }
}

/// Signs seals.
pub struct SealingKey(SigningKey);

impl SealingKey {
    /// From a secret.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(secret))
    }

    /// Who knows this checks what was signed.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs a statement.
    pub fn sign(&self, statement: Statement) -> Seal {
        let signature = self.0.sign(&statement.to_bytes()).to_bytes();
        Seal { statement, key: self.public(), signature: Signed(signature), heads: None }
    }
}

/// The public half: 64 hexadecimal digits, to be told to whoever shall check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Reads one.
    pub fn try_new(text: &str) -> Result<Self, BadHex> {
        let bad = BadHex { digits: 64 };
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.trim(), &mut bytes).map_err(|_| bad.clone())?;
        VerifyingKey::from_bytes(&bytes).map(|_| Self(bytes)).map_err(|_| bad)
    }

    /// As bytes.
    pub fn to_bytes(self) -> [u8; 32] {
        self.0
    }
}

impl TryFrom<String> for PublicKey {
    type Error = BadHex;
    fn try_from(text: String) -> Result<Self, BadHex> {
        Self::try_new(&text)
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_string()
    }
}

impl std::fmt::Display for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// An Ed25519 signature: 128 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Signed(pub [u8; 64]);

impl TryFrom<String> for Signed {
    type Error = BadHex;
    fn try_from(text: String) -> Result<Self, BadHex> {
        let mut bytes = [0; 64];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| BadHex { digits: 128 })?;
        Ok(Self(bytes))
    }
}

impl From<Signed> for String {
    fn from(signed: Signed) -> Self {
        hex::encode(signed.0)
    }
}

/// A signed statement: a line of the anchors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// What it says.
    #[serde(flatten)]
    pub statement: Statement,
    /// Whose signature.
    pub key: PublicKey,
    /// Over the statement.
    pub signature: Signed,
    /// The heads in short, so that an edit can be named where the table of sealed heads was rewritten as well. Not signed: it
    /// points to where the root is missed, and proves nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heads: Option<String>,
}

/// Of a head in short: member, sequence, the first bytes of the hash.
const SHORT: usize = 8;
const HEAD_BYTES: usize = 16 + 8 + SHORT;

/// A head in short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShortHead {
    /// Whose.
    pub member_id: Uuid,
    /// Entries so far.
    pub sequence: i64,
    start: [u8; SHORT],
}

impl ShortHead {
    /// Whether it is this one in short.
    pub fn is_of(&self, head: &Hash) -> bool {
        head.0.starts_with(&self.start)
    }
}

impl Seal {
    /// With its heads in short.
    pub fn with_heads(mut self, leaves: &[Leaf]) -> Self {
        let mut bytes = Vec::with_capacity(leaves.len() * HEAD_BYTES);
        for leaf in leaves {
            bytes.extend_from_slice(&leaf.to_bytes()[..HEAD_BYTES]);
        }
        self.heads = Some(BASE64.encode(bytes));
        self
    }

    /// The heads in short; none where they are left out or can't be read.
    pub fn short_heads(&self) -> Vec<ShortHead> {
        let bytes = self.heads.as_ref().and_then(|text| BASE64.decode(text).ok()).unwrap_or_default();
        let short = |bytes: &[u8]| {
            let (member, rest) = bytes.split_first_chunk::<16>()?;
            let (sequence, start) = rest.split_first_chunk::<8>()?;
            let (member_id, sequence) = (Uuid::from_bytes(*member), i64::from_be_bytes(*sequence));
            Some(ShortHead { member_id, sequence, start: start.try_into().ok()? })
        };
        bytes.chunks_exact(HEAD_BYTES).filter_map(short).collect()
    }

    /// Whether its own key signed what it says. Whose key that is, is another question.
    pub fn is_signed(&self) -> bool {
        let signature = Signature::from_bytes(&self.signature.0);
        VerifyingKey::from_bytes(&self.key.0).is_ok_and(|key| key.verify_strict(&self.statement.to_bytes(), &signature).is_ok())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub fn leaves(count: u128) -> Vec<Leaf> {
        (0..count)
            .map(|n| Leaf { member_id: Uuid::from_u128(n), sequence: 3, head: Hash([u8::try_from(n % 251).expect("byte"); 32]) })
            .collect()
    }

    pub fn statement(root: Hash, leaves: u64) -> Statement {
        Statement { seal: 1, at: DateTime::UNIX_EPOCH, previous: Hash::NONE, root, leaves }
    }

    #[test]
    fn each_leaf_is_found_at_its_own_place_only() {
        for count in [1, 2, 3, 7, 8, 33] {
            let leaves = leaves(count);
            let tree = Tree::of(leaves.iter().copied());
            for (index, leaf) in leaves.iter().enumerate() {
                let (path, at) = (tree.path(index), index as u64);
                assert!(is_included(*leaf, at, &path, tree.root(), tree.leaves()));
                assert!(!is_included(Leaf { sequence: 4, ..*leaf }, at, &path, tree.root(), tree.leaves()));
                assert!(!is_included(*leaf, at + 1, &path, tree.root(), tree.leaves()));
                assert!(!is_included(*leaf, at, &path, Hash::NONE, tree.leaves()));
                assert!(!is_included(*leaf, at, &[path.as_slice(), &[Hash::NONE]].concat(), tree.root(), tree.leaves()));
            }
            assert!(tree.path(leaves.len()).is_empty());
        }
    }

    #[test]
    fn a_signature_covers_the_whole_statement() {
        let key = SealingKey::new(&[7; 32]);
        let seal = key.sign(statement(Tree::of(leaves(5)).root(), 5));
        assert!(seal.is_signed());
        let edits: [fn(&mut Seal); 6] = [
            |seal| seal.statement.seal = 2,
            |seal| seal.statement.at = DateTime::from_timestamp_micros(1).expect("instant"),
            |seal| seal.statement.previous = Hash([1; 32]),
            |seal| seal.statement.root = Hash([1; 32]),
            |seal| seal.statement.leaves = 6,
            |seal| seal.key = SealingKey::new(&[8; 32]).public(),
        ];
        for edit in edits {
            let mut edited = seal.clone();
            edit(&mut edited);
            assert!(!edited.is_signed(), "{edited:?}");
            assert!(edited.statement.hash() != seal.statement.hash() || edited.key != seal.key);
        }
    }

    #[test]
    fn a_seal_is_a_line_of_json_and_its_heads_come_back() {
        let leaves = leaves(3);
        let seal = SealingKey::new(&[7; 32]).sign(statement(Hash([9; 32]), 3)).with_heads(&leaves);
        let text = serde_json::to_string(&seal).expect("json");
        assert!(!text.contains('\n'));
        let read: Seal = serde_json::from_str(&text).expect("seal");
        assert_eq!(read, seal);
        for (short, leaf) in read.short_heads().iter().zip(&leaves) {
            assert_eq!(
                (short.member_id, short.sequence, short.is_of(&leaf.head), short.is_of(&Hash([255; 32]))),
                (leaf.member_id, 3, true, false)
            );
        }
        assert_eq!(read.short_heads().len(), 3);
        assert!(PublicKey::try_new("12").is_err() && PublicKey::try_new(&seal.key.to_string()).is_ok());
    }
}
