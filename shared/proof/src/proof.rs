//! The proof of one entry: what an outsider needs, and nothing else.
//!
//! A hash covers the hash before and the fields of its own entry. So the way from an entry to a sealed head goes through the fields
//! of the entries between them: those that the same member got before the next seal, most of the time of the same minute, often of
//! the same document. Nobody else's entries are told: of other members a proof has hashes of the tree.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{Entry, Hash, Leaf, PublicKey, Seal, seal::is_included};

/// How a proof is written.
pub const FORMAT: &str = "jifen-proof-1";

/// That an entry stood in the ledger when a seal was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryProof {
    /// [`FORMAT`].
    pub format: Cow<'static, str>,
    /// The entry.
    pub entry: Entry<'static>,
    /// The hash of the member's entry before it.
    pub previous: Hash,
    /// The member's entries behind it, up to the sealed head.
    pub following: Vec<Entry<'static>>,
    /// The place of the head among the leaves of the seal.
    pub index: u64,
    /// The way from the head to the root.
    pub path: Vec<Hash>,
    /// The seal.
    pub seal: Seal,
}

/// Why a proof proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotProven {
    /// Written by something else.
    #[error("unknown format {0:?}: this program reads {FORMAT}")]
    Format(String),
    /// The entries don't follow each other.
    #[error("entry {0} doesn't follow the one before it in the same member's chain")]
    Chain(i64),
    /// The seal is not over this chain.
    #[error("the entries don't lead to the root of seal {0}: an entry, the path or the root was altered")]
    Path(i64),
    /// Another key.
    #[error("the seal names key {found}, not {pinned}")]
    Key {
        /// Named in the seal.
        found: PublicKey,
        /// The one to trust.
        pinned: PublicKey,
    },
    /// Not signed.
    #[error("the signature of seal {0} is not over what it says")]
    Signature(i64),
}

impl EntryProof {
    /// Checks the proof; with `pinned`, that the seal is signed by that key and no other. Who signed is asked first: what nobody
    /// answers for is not looked into.
    pub fn check(&self, pinned: Option<&PublicKey>) -> Result<(), NotProven> {
        if self.format != FORMAT {
            return Err(NotProven::Format(self.format.to_string()));
        }
        let said = &self.seal.statement;
        if let Some(pinned) = pinned.filter(|pinned| **pinned != self.seal.key) {
            return Err(NotProven::Key { found: self.seal.key, pinned: *pinned });
        }
        if !self.seal.is_signed() {
            return Err(NotProven::Signature(said.seal));
        }
        let (mut last, mut head) = (&self.entry, self.entry.hash(&self.previous));
        for next in &self.following {
            if next.member_id != last.member_id || last.sequence.checked_add(1) != Some(next.sequence) {
                return Err(NotProven::Chain(next.sequence));
            }
            (last, head) = (next, next.hash(&head));
        }
        let leaf = Leaf { member_id: last.member_id, sequence: last.sequence, head };
        if !is_included(leaf, self.index, &self.path, said.root, said.leaves) {
            return Err(NotProven::Path(said.seal));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::{
        SealingKey, Statement,
        entry::tests::entry,
        seal::{
            Tree,
            tests::{leaves, statement},
        },
    };

    fn proof() -> EntryProof {
        let (first, second, third) = (entry(1), entry(2), entry(3));
        let previous = first.hash(&Hash::NONE);
        let head = third.hash(&second.hash(&previous));
        let mut all = leaves(6);
        all[2] = Leaf { member_id: third.member_id, sequence: 3, head };
        let tree = Tree::of(all);
        EntryProof {
            format: FORMAT.into(),
            entry: second,
            previous,
            following: vec![third],
            index: 2,
            path: tree.path(2),
            seal: SealingKey::new(&[7; 32]).sign(statement(tree.root(), tree.leaves())),
        }
    }

    #[test]
    fn a_proof_survives_json_and_is_checked_with_nothing_else() {
        let text = serde_json::to_string(&proof()).expect("json");
        let read: EntryProof = serde_json::from_str(&text).expect("proof");
        let key = SealingKey::new(&[7; 32]).public();
        assert_eq!((read.check(None), read.check(Some(&key))), (Ok(()), Ok(())));
        let other = SealingKey::new(&[8; 32]).public();
        assert!(matches!(read.check(Some(&other)), Err(NotProven::Key { .. })));
    }

    #[test]
    fn whatever_is_altered_is_noticed() {
        let edits: [fn(&mut EntryProof); 10] = [
            |proof| proof.format = "x".into(),
            |proof| proof.entry.points += 1,
            |proof| proof.previous = Hash::NONE,
            |proof| proof.following[0].document = "R9".into(),
            |proof| proof.following.clear(),
            |proof| proof.following[0].sequence = 4,
            |proof| proof.index = 1,
            |proof| proof.path.reverse(),
            |proof| proof.seal.statement.root = Hash::NONE,
            |proof| proof.seal.statement.seal = 2,
        ];
        for edit in edits {
            let mut edited = proof();
            edit(&mut edited);
            assert!(edited.check(None).is_err(), "{edited:?}");
        }
    }
    #[test]
    fn places_that_no_tree_has_prove_nothing_whoever_signed() {
        let mut hostile = proof();
        hostile.seal = SealingKey::new(&[8; 32]).sign(Statement { leaves: u64::MAX, ..hostile.seal.statement });
        hostile.index = 1 << 63;
        assert_eq!(hostile.check(None), Err(NotProven::Path(1)));
        let leaf = leaves(1)[0];
        for leaves in [0, 1, 2, 6, 1 << 32, (1 << 32) + 1, 1 << 63, (1 << 63) + 1, u64::MAX - 1, u64::MAX] {
            for index in [0, 1, 5, (1 << 32) - 1, 1 << 32, (1 << 63) - 1, 1 << 63, u64::MAX - 1, u64::MAX] {
                for steps in [0, 1, 3, 32, 33, 10_000] {
                    let path = vec![Hash([3; 32]); steps];
                    assert!(!is_included(leaf, index, &path, Hash([3; 32]), leaves), "{leaves} {index} {steps}");
                }
            }
        }
    }

    /// Every value of a proof's JSON, by its path, replaced by `to` in turn.
    fn with_each_replaced(proof: &Value, to: &dyn Fn(&Value) -> Value, seen: &mut impl FnMut(Value)) {
        fn places(value: &Value, at: &str, found: &mut Vec<String>) {
            found.push(at.to_owned());
            match value {
                Value::Object(fields) => fields.iter().for_each(|(name, value)| places(value, &format!("{at}/{name}"), found)),
                Value::Array(items) => items.iter().enumerate().for_each(|(index, value)| places(value, &format!("{at}/{index}"), found)),
                _ => {}
            }
        }
        let mut found = Vec::new();
        places(proof, "", &mut found);
        for place in found {
            let mut mutated = proof.clone();
            let value = mutated.pointer_mut(&place).expect("a place");
            *value = to(value);
            seen(mutated);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2))]
        /// Whatever is written over a proof, in however many places: it is read or not, and never proves what it didn't before.
        #[test]
        fn a_mutated_proof_neither_panics_nor_proves_another_thing(
            number in prop_oneof![any::<u64>(), prop::sample::select(vec![0, 1, u64::MAX, 1 << 63, i64::MAX.unsigned_abs(), 1 << 32])],
            bytes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
            digit in "[0-9a-f]",
        ) {
            let good = proof();
            let pinned = good.seal.key;
            let says = |read: &EntryProof| (read.entry.clone(), read.following.clone(), read.seal.statement.clone());
            let mut sound = true;
            let mut try_one = |read: Result<EntryProof, serde_json::Error>| {
                if let Ok(read) = read {
                    let proven = read.check(Some(&pinned)).is_ok();
                    sound &= !proven || says(&read) == says(&good);
                    // By whomever it is signed: an answer, and no panic.
                    drop((read.seal.key != pinned).then(|| read.check(None)));
                }
            };
            let json = serde_json::to_value(&good).expect("json");
            let kinds: [&dyn Fn(&Value) -> Value; 4] = [
                &|_| serde_json::json!(number),
                &|_| serde_json::json!(i64::from_ne_bytes(number.to_ne_bytes())),
                &|value| value.as_str().map_or(Value::Null, |text| Value::String(text.chars().skip(1).chain(digit.chars()).collect())),
                &|value| value.as_array().map_or(Value::Null, |items| items.iter().chain(items).cloned().collect()),
            ];
            for to in kinds {
                with_each_replaced(&json, to, &mut |mutated| try_one(serde_json::from_value(mutated)));
            }
            let mut text = serde_json::to_vec(&good).expect("json");
            for (place, byte) in bytes {
                let place = place.index(text.len());
                text[place] = byte;
            }
            try_one(serde_json::from_slice(&text));
            prop_assert!(sound);
        }
    }
}
