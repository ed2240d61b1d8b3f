//! An entry of the ledger as its hash covers it.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, Utc};
use jifen_kernel::Money;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::Hash;

/// What an entry says. Every field is covered by its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry<'a> {
    /// Whose chain.
    pub member_id: Uuid,
    /// Its place there, from 1.
    pub sequence: i64,
    /// Its key.
    pub entry_id: Uuid,
    /// The account that the points leave.
    pub debit: Cow<'a, str>,
    /// The account that they come to.
    pub credit: Cow<'a, str>,
    /// How many.
    pub points: i64,
    /// What it is about.
    pub kind: Cow<'a, str>,
    /// What it rests on: `invoice` or another source.
    pub source: Cow<'a, str>,
    /// Where the document is from.
    pub store: Cow<'a, str>,
    /// The document.
    pub document: Cow<'a, str>,
    /// The category; empty where none applies.
    pub category: Cow<'a, str>,
    /// The rule with its version.
    pub rule: Cow<'a, str>,
    /// Tells entries of one document, rule and category apart.
    pub ordinal: i32,
    /// Counts towards a tier.
    pub qualifying: bool,
    /// Not spendable.
    pub pending: bool,
    /// The lot that it moves points of.
    pub lot_id: Uuid,
    /// The lot's last day as it was then.
    pub expires_on: NaiveDate,
    /// What was paid, in fen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid_fen: Option<i64>,
    /// The rate or factor applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Cow<'a, str>>,
    /// The base that a factor worked on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<i64>,
    /// When, to the microsecond.
    pub posted_at: DateTime<Utc>,
    /// The entry that it moves or takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of_entry: Option<Uuid>,
}

/// The source of most entries: their form of the hash doesn't name it.
pub const INVOICE: &str = "invoice";

impl Entry<'_> {
    /// With texts of its own.
    pub fn into_owned(self) -> Entry<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Entry {
            debit: own(self.debit),
            credit: own(self.credit),
            kind: own(self.kind),
            source: own(self.source),
            store: own(self.store),
            document: own(self.document),
            category: own(self.category),
            rule: own(self.rule),
            rate: self.rate.map(own),
            member_id: self.member_id,
            sequence: self.sequence,
            entry_id: self.entry_id,
            points: self.points,
            ordinal: self.ordinal,
            qualifying: self.qualifying,
            pending: self.pending,
            lot_id: self.lot_id,
            expires_on: self.expires_on,
            paid_fen: self.paid_fen,
            base: self.base,
            posted_at: self.posted_at,
            of_entry: self.of_entry,
        }
    }

    /// Its hash behind `previous`. Every text stands with its length, so no two entries read alike.
    pub fn hash(&self, previous: &Hash) -> Hash {
        // What an invoice earns is hashed as ever; other entries say besides what they rest on.
        let plain = self.source == INVOICE && self.of_entry.is_none();
        let expires_on = self.expires_on.to_string();
        let paid = self.paid_fen.map(|fen| Money::from_fen(fen).to_string());
        let base = self.base.map(|base| base.to_string());
        let texts: [&str; 12] = [
            if plain { "jifen-entry-1" } else { "jifen-entry-2" },
            &self.debit,
            &self.credit,
            &self.kind,
            &self.store,
            &self.document,
            &self.category,
            &self.rule,
            &expires_on,
            paid.as_deref().unwrap_or_default(),
            self.rate.as_deref().unwrap_or_default(),
            base.as_deref().unwrap_or_default(),
        ];
        let mut hasher = Sha256::new();
        hasher.update(previous.0);
        for text in texts.into_iter().chain((!plain).then_some(&*self.source)) {
            hasher.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
            hasher.update(text);
        }
        for id in [self.member_id, self.entry_id, self.lot_id].into_iter().chain(self.of_entry) {
            hasher.update(id.as_bytes());
        }
        let numbers = [
            self.sequence,
            self.points,
            i64::from(self.ordinal),
            i64::from(self.qualifying),
            i64::from(self.pending),
            self.posted_at.timestamp_micros(),
        ];
        for number in numbers {
            hasher.update(number.to_be_bytes());
        }
        Hash(hasher.finalize().into())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub fn entry(sequence: i64) -> Entry<'static> {
        Entry {
            member_id: Uuid::nil(),
            sequence,
            entry_id: Uuid::from_u128(u128::try_from(sequence).expect("positive") - 1),
            debit: "issued:SH01".into(),
            credit: "active".into(),
            points: 5,
            kind: "accrual".into(),
            source: INVOICE.into(),
            store: "SH01".into(),
            document: "R1".into(),
            category: "".into(),
            rule: "earn@1".into(),
            ordinal: 0,
            qualifying: true,
            pending: false,
            lot_id: Uuid::nil(),
            expires_on: NaiveDate::MIN,
            paid_fen: None,
            rate: None,
            base: None,
            posted_at: DateTime::UNIX_EPOCH,
            of_entry: None,
        }
    }

    #[test]
    fn the_hash_of_an_invoices_entry_is_what_it_always_was() {
        assert_eq!(entry(1).hash(&Hash::NONE).to_string(), "adcaa490cab178c0bb43e027484ca19a02079c14b504655f40c852a24584db8a");
    }

    #[test]
    fn every_field_counts() {
        let good = Entry { paid_fen: Some(1), rate: Some("1.5".into()), base: Some(7), of_entry: Some(Uuid::nil()), ..entry(1) };
        let hash = good.hash(&Hash::NONE);
        let edits: [fn(&mut Entry<'_>); 23] = [
            |e| e.member_id = Uuid::max(),
            |e| e.sequence = 2,
            |e| e.entry_id = Uuid::max(),
            |e| e.debit = "issued:SH02".into(),
            |e| e.credit = "pending".into(),
            |e| e.points = 6,
            |e| e.kind = "bonus".into(),
            |e| e.source = "grant".into(),
            |e| e.store = "SH02".into(),
            |e| e.document = "R2".into(),
            |e| e.category = "repair".into(),
            |e| e.rule = "earn@2".into(),
            |e| e.ordinal = 1,
            |e| e.qualifying = false,
            |e| e.pending = true,
            |e| e.lot_id = Uuid::max(),
            |e| e.expires_on = NaiveDate::MAX,
            |e| e.paid_fen = Some(2),
            |e| e.paid_fen = None,
            |e| e.rate = None,
            |e| e.base = None,
            |e| e.posted_at = DateTime::from_timestamp_micros(1).expect("instant"),
            |e| e.of_entry = None,
        ];
        for edit in edits {
            let mut edited = good.clone();
            edit(&mut edited);
            assert_ne!(edited.hash(&Hash::NONE), hash, "{edited:?}");
        }
        assert_ne!(good.hash(&hash), hash);
    }
}
