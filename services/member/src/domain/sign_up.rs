//! What becomes of each sign-up of a batch: claim, duplicate, conflict, or a message that is delivered again.
//!
//! A sign-up is known by (store, number), its content by a hash. What was refused leaves nothing that a later one could collide
//! with: only claims count.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, SubsecRound, Utc};
use jifen_contracts::{
    code,
    document::{Fault, SignUp, StoreDocument, open},
    subject::parse_pos,
};
use jifen_kernel::StoreCode;

/// So much of a subject's store is kept.
const TOKEN_CHARS: usize = 64;

/// A message of a store. Undecodable is one of its outcomes.
#[derive(Debug)]
pub struct Received {
    /// The subject's store, if it is a store code: where the receipt goes.
    pub store: Option<StoreCode>,
    /// The id of the store's CloudEvent, if it sent one.
    pub event_id: Option<String>,
    /// The envelope's trace context, unchecked.
    pub traceparent: Option<String>,
    /// The document's number, if one can be read: also of documents that can't be.
    pub number: Option<String>,
    /// The document, or the first fault found.
    pub content: Result<SignUp, Fault>,
}

impl Received {
    /// Reads a message; whatever is wrong with it stands in [`Self::content`].
    pub fn read(subject: &str, bytes: &[u8]) -> Self {
        let store: String = parse_pos(subject).map_or("", |(store, _)| store).chars().take(TOKEN_CHARS).collect();
        let store = StoreCode::try_new(store).ok();
        let opened = match open(bytes) {
            Ok(opened) => opened,
            Err(fault) => return Self { store, event_id: None, traceparent: None, number: None, content: Err(fault) },
        };
        let shown = |text: &&str| (1..=64).contains(&text.chars().count()) && text.trim() == *text && !text.chars().any(char::is_control);
        let number = opened.data.get(SignUp::NUMBER).and_then(|value| value.as_str()).filter(shown).map(str::to_owned);
        let content = SignUp::read(&opened.data).and_then(|read| {
            let same = Some(&read.store) == store.as_ref();
            if same { Ok(read) } else { Err(Fault::at(code::DOCUMENT_STORE_MISMATCH, "/store")) }
        });
        Self { store, event_id: opened.event_id, traceparent: opened.traceparent, number, content }
    }
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

/// What a sign-up is known by. Ordered as its rows are inserted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number {
    /// The store.
    pub store: String,
    /// Its number there.
    pub number: String,
}

/// What a sign-up is and says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// What it is known by.
    pub number: Number,
    /// A keyed hash of its canonical content.
    pub content_hash: [u8; 32],
}

/// Who holds a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// Its content.
    pub content_hash: [u8; 32],
    /// The message that brought it.
    pub arrival: Arrival,
}

/// What becomes of a message before anybody is registered.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    /// It is the sign-up: what that means is the registration's to say.
    New,
    /// The sign-up is known.
    Duplicate,
    /// Refused.
    Rejected(Fault),
    /// This very message had its fate, and its receipt, before.
    Redelivered,
}

/// The fate of each message, in stream order. `holders` hold numbers since earlier batches.
pub fn decide_fates(
    messages: &[(Result<Identity, Fault>, Arrival)],
    holders: &HashMap<Number, Holder>,
    settled: &HashSet<Arrival>,
) -> Vec<Fate> {
    let (mut holders, mut had) = (holders.clone(), settled.clone());
    let decide = |(verdict, arrival): &(Result<Identity, Fault>, Arrival)| {
        if !had.insert(*arrival) {
            return Fate::Redelivered;
        }
        let identity = match verdict {
            Ok(identity) => identity,
            Err(fault) => return Fate::Rejected(fault.clone()),
        };
        match holders.get(&identity.number) {
            Some(holder) if holder.arrival == *arrival => Fate::Redelivered,
            Some(holder) if holder.content_hash == identity.content_hash => Fate::Duplicate,
            Some(_) => Fate::Rejected(Fault::new(code::DOCUMENT_CONFLICT)),
            None => {
                holders.insert(identity.number.clone(), Holder { content_hash: identity.content_hash, arrival: *arrival });
                Fate::New
            }
        }
    };
    messages.iter().map(decide).collect()
}

#[cfg(test)]
#[path = "sign_up_tests.rs"]
mod tests;
