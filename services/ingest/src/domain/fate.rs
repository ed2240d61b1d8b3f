//! What becomes of each document of a batch: claim, duplicate, conflict, or a message that is delivered again.
//!
//! A document is known by (store, kind, number), its content by a hash. What was refused leaves nothing that a later
//! document could collide with: only claims count.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, SubsecRound, Utc};
use jifen_contracts::{code, document::Fault};

use super::stamp::Stamp;

/// What a document is known by. Ordered as its rows are inserted and locked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentKey {
    /// The issuing store.
    pub store: String,
    /// `invoice` and the like.
    pub kind: String,
    /// Its number there.
    pub number: String,
}

/// A message's place in the stream. A stream that is made anew counts from 1 again, hence the instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Arrival {
    /// The place.
    pub sequence: i64,
    /// When the broker stored it, to the microsecond as the database keeps it.
    pub stored_at: DateTime<Utc>,
}

impl Arrival {
    /// At this place since this instant.
    pub fn new(sequence: u64, stored_at: DateTime<Utc>) -> Self {
        Self { sequence: i64::try_from(sequence).unwrap_or(i64::MAX), stored_at: stored_at.trunc_subsecs(6) }
    }
}

/// A keyed hash of a document's canonical content.
pub type ContentHash = [u8; 32];

/// What a document is and says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// What it is known by.
    pub key: DocumentKey,
    /// What it says.
    pub content_hash: ContentHash,
}

/// What can be said of a document on its own.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It can't be read.
    Unreadable(Fault),
    /// It can be read, but the rules refuse it.
    Refused(Identity, Fault),
    /// It is in order.
    Sound(Identity, Stamp),
}

/// One message of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// What can be said of it on its own.
    pub verdict: &'a Verdict,
    /// Where it stood in the stream.
    pub arrival: Arrival,
    /// An operator handed it in again: that it is known from its arrival says nothing.
    pub resubmitted: bool,
}

/// Who holds a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// Its content.
    pub content_hash: ContentHash,
    /// The message that brought it.
    pub arrival: Arrival,
}

/// What becomes of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    /// It is the document: what that means was decided at its claim.
    Claimed,
    /// The document is known.
    Duplicate,
    /// Refused.
    Rejected(Fault),
    /// This very message had its fate, and its receipt, before.
    Redelivered,
}

/// The places that shall claim their key: the first sound one of each, but no message whose fate is `settled` already.
/// `cases` stand in stream order.
pub fn decide_claimants(cases: &[Case<'_>], settled: &HashSet<Arrival>) -> Vec<usize> {
    let mut taken = HashSet::new();
    let claims = |(place, case): (usize, &Case<'_>)| match case.verdict {
        Verdict::Sound(identity, _) if case.resubmitted || !settled.contains(&case.arrival) => {
            taken.insert(identity.key.clone()).then_some(place)
        }
        _ => None,
    };
    // Collected lazily in order, so the first one takes the key.
    cases.iter().enumerate().filter_map(claims).collect()
}

/// The fate of each message, in the order of `cases` (stream order). `claimed` are the claimants whose key was free;
/// `holders` are the documents that hold the other keys of the batch.
pub fn decide_fates(
    cases: &[Case<'_>],
    claimed: &HashSet<usize>,
    holders: &HashMap<DocumentKey, Holder>,
    settled: &HashSet<Arrival>,
) -> Vec<Fate> {
    let mut holders = holders.clone();
    let mut had = settled.clone();
    let mut fates = Vec::with_capacity(cases.len());
    for (place, case) in cases.iter().enumerate() {
        let before = !had.insert(case.arrival) && !case.resubmitted;
        fates.push(match case.verdict {
            _ if before => Fate::Redelivered,
            Verdict::Unreadable(fault) => Fate::Rejected(fault.clone()),
            Verdict::Sound(identity, _) if claimed.contains(&place) => {
                holders.insert(identity.key.clone(), Holder { content_hash: identity.content_hash, arrival: case.arrival });
                Fate::Claimed
            }
            Verdict::Sound(identity, _) => against(holders.get(&identity.key), identity, case, Fault::new(code::DOCUMENT_CONFLICT)),
            // Its content may have been accepted under other rules: then it is a duplicate, whatever today's rules say.
            Verdict::Refused(identity, fault) => against(holders.get(&identity.key), identity, case, fault.clone()),
        });
    }
    fates
}

fn against(holder: Option<&Holder>, identity: &Identity, case: &Case<'_>, otherwise: Fault) -> Fate {
    match holder {
        Some(holder) if holder.content_hash != identity.content_hash => Fate::Rejected(otherwise),
        Some(holder) if holder.arrival == case.arrival && !case.resubmitted => Fate::Redelivered,
        Some(_) => Fate::Duplicate,
        None => Fate::Rejected(otherwise),
    }
}

#[cfg(test)]
#[path = "fate_tests.rs"]
mod tests;
