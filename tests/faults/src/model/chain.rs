//! A member's hash chain, computed anew from the stored columns.

use sha2::{Digest, Sha256};

use crate::found::EntryRow;

/// The head before the first entry.
pub const GENESIS: [u8; 32] = [0; 32];

/// The hash that an entry must have behind `previous`.
pub fn hash_behind(previous: &[u8], entry: &EntryRow) -> Vec<u8> {
    let mut hasher = Sha256::new();
    hasher.update(previous);
    let paid = entry.paid_fen.map(|fen| format!("{}.{:02}", fen / 100, fen % 100)).unwrap_or_default();
    let base = entry.base.map(|base| base.to_string()).unwrap_or_default();
    let expires_on = entry.expires_on.to_string();
    // What an invoice earns is hashed as ever; anything else says besides what it rests on.
    let plain = entry.source.is_none() && entry.of_entry.is_none();
    let texts: [&str; 12] = [
        if plain { "jifen-entry-1" } else { "jifen-entry-2" },
        &entry.debit,
        &entry.credit,
        &entry.kind,
        &entry.store,
        &entry.document,
        &entry.category,
        &entry.rule,
        &expires_on,
        &paid,
        entry.rate.as_deref().unwrap_or_default(),
        &base,
    ];
    for text in texts.into_iter().chain((!plain).then(|| entry.source.as_deref().unwrap_or("invoice"))) {
        hasher.update((text.len() as u64).to_be_bytes());
        hasher.update(text);
    }
    for id in [entry.member_id, entry.entry_id, entry.lot_id].into_iter().chain(entry.of_entry) {
        hasher.update(id.as_bytes());
    }
    let flags = [i64::from(entry.qualifying), i64::from(entry.pending)];
    let numbers = [entry.sequence, entry.points, i64::from(entry.ordinal), flags[0], flags[1], entry.posted_at.timestamp_micros()];
    for number in numbers {
        hasher.update(number.to_be_bytes());
    }
    hasher.finalize().to_vec()
}
