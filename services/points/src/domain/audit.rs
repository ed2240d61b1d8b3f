//! A member's rows of the ledger held against each other: entries in their chain, balances, lots, sealed heads.
//!
//! A hash covers the hash before and its own entry. So an entry that doesn't match its hash was altered itself, or the one before
//! it was rewritten together with its hash: both are named. Who rewrites all that follows as well, and the account's head, leaves a
//! chain that is sound; then a sealed head misses its hash, and the entries since the sealed head before are named.

pub mod finding;

use std::collections::BTreeMap;

use jifen_contracts::event::Balance;
use jifen_kernel::{MemberId, Points};
use jifen_proof::{Entry, Hash};
use uuid::Uuid;

pub use finding::{Finding, What};

/// A row of the ledger as it stands, whoever wrote it.
#[derive(Debug)]
pub struct AuditedEntry {
    /// Whose.
    pub member_id: MemberId,
    /// Its place.
    pub sequence: i64,
    /// Its key.
    pub entry_id: Uuid,
    /// Its hash.
    pub hash: Hash,
    /// What it says; or the column that holds what no posting writes.
    pub said: Result<Entry<'static>, &'static str>,
    /// By how much it raises (1) or lowers (-1) all that was ever earned.
    pub on_lifetime: i64,
    /// Of a first spending: its ordinal.
    pub first_spending: i32,
}

/// A sealed head as it stands.
#[derive(Debug, Clone, Copy)]
pub struct SealedHead {
    /// Its place.
    pub sequence: i64,
    /// The sealed head before.
    pub behind: i64,
    /// The hash.
    pub head: Hash,
    /// Its seal.
    pub seal: i64,
}

/// An account as it stands.
#[derive(Debug)]
pub struct AuditedAccount {
    /// The number on the card.
    pub member_no: String,
    /// Balances.
    pub balance: Balance,
    /// All that was ever earned.
    pub lifetime: Points,
    /// How often the first spending was granted.
    pub first_spending_ordinal: i32,
    /// Entries so far.
    pub sequence: i64,
    /// The chain's head.
    pub head: Hash,
}

/// A lot as it stands.
#[derive(Debug)]
pub struct AuditedLot {
    /// Which.
    pub lot_id: Uuid,
    /// Who funds it.
    pub store: String,
    /// What is left of it.
    pub left: i64,
    /// Waits for something.
    pub pending: bool,
}

/// What entries say of a lot.
#[derive(Debug, Default)]
struct LotSum {
    active: i128,
    pending: i128,
    /// The store in whose books the first entry took the points from outside.
    funder: Option<String>,
    last: Option<(i64, Uuid)>,
}

/// Everything of one member but the entries, which are shown to it one by one.
#[derive(Debug, Default)]
pub struct MemberAudit {
    /// The account's row.
    pub account: Option<AuditedAccount>,
    /// Sealed heads, in the order of their places.
    pub sealed: Vec<SealedHead>,
    /// Lots.
    pub lots: Vec<AuditedLot>,
    member_id: MemberIdOrNone,
    sequence: i64,
    /// `None` behind a gap: the hash before is not there.
    hash: Option<Hash>,
    last_id: Option<Uuid>,
    next_sealed: usize,
    rewritten: bool,
    sums: [i128; 4],
    lifetime: i128,
    first_spendings: i32,
    by_lot: BTreeMap<Uuid, LotSum>,
    findings: Vec<Finding>,
}

type MemberIdOrNone = Option<MemberId>;

/// The member's own accounts.
const OWN: [&str; 4] = ["active", "pending", "reserved", "debt"];

impl MemberAudit {
    /// Of this member.
    pub fn new(member_id: MemberId) -> Self {
        Self { member_id: Some(member_id), hash: Some(Hash::NONE), ..Self::default() }
    }

    fn find(&mut self, what: What, sequence: Option<i64>, entry_id: Option<Uuid>) -> &mut Finding {
        let member_no = self.account.as_ref().map(|account| account.member_no.clone());
        self.findings.push(Finding { member_id: self.member_id, member_no, sequence, from: sequence, entry_id, ..Finding::new(what) });
        let last = self.findings.len() - 1;
        &mut self.findings[last]
    }

    /// The next entry, in the order of places.
    pub fn entry(&mut self, row: AuditedEntry) {
        let (sequence, id) = (row.sequence, row.entry_id);
        if sequence <= self.sequence {
            self.find(What::Inserted, Some(sequence), Some(id));
            return self.sum(&row);
        }
        self.sealed_without_entry(sequence);
        if sequence > self.sequence + 1 {
            let first = self.sequence + 1;
            let found = self.find(What::Missing, Some(sequence - 1), None);
            found.from = Some(first);
            // What the next one rests on is gone, unless it was sealed.
            self.hash = self.sealed.iter().find(|sealed| sealed.sequence == sequence - 1).map(|sealed| sealed.head);
        }
        match &row.said {
            Err(column) => {
                let column = *column;
                self.find(What::Unreadable, Some(sequence), Some(id)).column = Some(column);
            }
            Ok(said) => {
                if self.hash.is_some_and(|before| said.hash(&before) != row.hash) {
                    let (before, known) = (self.sequence, self.sealed_at(self.sequence));
                    // One that stands as it was sealed was not altered.
                    let from = if before > 0 && sequence == before + 1 && known.is_none_or(|head| Some(head) != self.hash) {
                        before
                    } else {
                        sequence
                    };
                    self.find(What::Edited, Some(sequence), Some(id)).from = Some(from);
                }
            }
        }
        self.sum(&row);
        (self.sequence, self.hash, self.last_id) = (sequence, Some(row.hash), Some(id));
        self.compare_sealed();
    }

    fn sealed_at(&self, sequence: i64) -> Option<Hash> {
        self.sealed.iter().find(|sealed| sealed.sequence == sequence).map(|sealed| sealed.head)
    }

    /// Sealed heads at places before `sequence` whose entries didn't come are passed over: the gap is told by itself.
    fn sealed_without_entry(&mut self, sequence: i64) {
        while self.sealed.get(self.next_sealed).is_some_and(|sealed| sealed.sequence < sequence) {
            self.next_sealed += 1;
        }
    }

    /// The head sealed at this place, if one was.
    fn compare_sealed(&mut self) {
        let Some(sealed) = self.sealed.get(self.next_sealed).copied().filter(|sealed| sealed.sequence == self.sequence) else { return };
        self.next_sealed += 1;
        if Some(sealed.head) == self.hash {
            // As sealed, so is all before it: what was rewritten stands in between.
            self.rewritten = false;
        } else if !self.rewritten {
            self.rewritten = true;
            let id = self.last_id;
            let found = self.find(What::Rewritten, Some(sealed.sequence), id);
            (found.from, found.seal) = (Some(sealed.behind + 1), Some(sealed.seal));
        }
    }

    fn sum(&mut self, row: &AuditedEntry) {
        let Ok(said) = &row.said else { return };
        let points = i128::from(said.points);
        for (account, sum) in OWN.into_iter().zip(&mut self.sums) {
            // What leaves `debt` makes it more.
            let sign = if account == "debt" { -1 } else { 1 };
            *sum += sign * points * (i128::from(said.credit == account) - i128::from(said.debit == account));
        }
        self.lifetime += points * i128::from(row.on_lifetime);
        self.first_spendings = self.first_spendings.max(row.first_spending);
        let lot = self.by_lot.entry(said.lot_id).or_default();
        lot.active += points * (i128::from(said.credit == "active") - i128::from(said.debit == "active"));
        lot.pending += points * (i128::from(said.credit == "pending") - i128::from(said.debit == "pending"));
        if lot.last.is_none() {
            // A partner's points are in the books of the store whose document brought them.
            let by_partner = said.debit.starts_with("partner:").then_some(&*said.store);
            lot.funder = said.debit.strip_prefix("issued:").or(by_partner).map(str::to_owned);
        }
        lot.last = Some((row.sequence, row.entry_id));
    }

    /// There are no more entries.
    pub fn end(mut self) -> Vec<Finding> {
        let (last, last_id) = (self.sequence, self.last_id);
        if let Some(beyond) = self.sealed.last().copied().filter(|sealed| sealed.sequence > last) {
            let found = self.find(What::CutTail, Some(beyond.sequence), None);
            (found.from, found.seal) = (Some(last + 1), Some(beyond.seal));
        }
        match self.account.take() {
            None if last > 0 => {
                self.find(What::NoAccount, Some(last), last_id);
            }
            None => {}
            Some(account) => {
                let cut = self.findings.iter().any(|finding| finding.what == What::CutTail);
                let (sequence, head) = (account.sequence, account.head);
                let balances = [account.balance.active, account.balance.pending, account.balance.reserved, account.balance.debt];
                let (lifetime, granted) = (account.lifetime, account.first_spending_ordinal);
                self.account = Some(account);
                if sequence > last && !cut {
                    self.find(What::CutTail, Some(sequence), None).from = Some(last + 1);
                } else if sequence < last {
                    self.find(What::Inserted, Some(last), last_id).from = Some(sequence + 1);
                } else if sequence == last && self.hash.is_some_and(|hash| hash != head) {
                    self.find(What::Head, Some(last), last_id);
                }
                for (column, (stored, summed)) in OWN.into_iter().zip(balances.into_iter().zip(self.sums)) {
                    self.compare(What::Balance, column, stored.0, summed, (last, last_id));
                }
                self.compare(What::Balance, "lifetime", lifetime.0, self.lifetime, (last, last_id));
                self.compare(What::Balance, "first_spending_ordinal", granted.into(), self.first_spendings.into(), (last, last_id));
            }
        }
        self.compare_lots();
        self.findings
    }

    fn compare(&mut self, what: What, column: &'static str, stored: i64, summed: i128, at: (i64, Option<Uuid>)) {
        if i128::from(stored) != summed {
            let found = self.find(what, Some(at.0).filter(|place| *place > 0), at.1);
            (found.column, found.stored, found.summed) = (Some(column), Some(stored), Some(i64::try_from(summed).unwrap_or(i64::MAX)));
        }
    }

    fn compare_lots(&mut self) {
        let mut stored: BTreeMap<Uuid, Vec<AuditedLot>> = BTreeMap::new();
        for lot in std::mem::take(&mut self.lots) {
            stored.entry(lot.lot_id).or_default().push(lot);
        }
        let mut sums = std::mem::take(&mut self.by_lot);
        for lot_id in stored.keys() {
            sums.entry(*lot_id).or_default();
        }
        for (lot_id, sum) in sums {
            let rows = stored.remove(&lot_id).unwrap_or_default();
            let left = |pending| rows.iter().filter(|lot| lot.pending == pending).map(|lot| i128::from(lot.left)).sum::<i128>();
            let (sequence, entry_id) = sum.last.unzip();
            for (column, stored, summed) in [("remaining", left(false), sum.active), ("points", left(true), sum.pending)] {
                if stored != summed {
                    let found = self.find(What::Lot, sequence, entry_id);
                    let whole = |points: i128| Some(i64::try_from(points).unwrap_or(i64::MAX));
                    (found.lot_id, found.column, found.stored, found.summed) = (Some(lot_id), Some(column), whole(stored), whole(summed));
                }
            }
            if let Some(funder) = &sum.funder
                && rows.iter().any(|lot| lot.store != *funder)
            {
                let found = self.find(What::Lot, sequence, entry_id);
                (found.lot_id, found.column) = (Some(lot_id), Some("store"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        account::{Account, Entry as Posted},
        post_invoice::{decide_posting, decide_value},
        samples::{applied, invoice, member},
    };

    /// An account with six entries in three lots, as they are stored.
    fn ledger() -> (Account, Vec<Posted>) {
        let mut account = Account::new(member(1), "M1".to_owned());
        let (program, at) = (applied(), chrono::DateTime::UNIX_EPOCH);
        let mut ids = 0_u128;
        let mut posted = Vec::new();
        for (number, category) in [("A", "repair"), ("B", "maintenance"), ("C", "parts"), ("D", "repair"), ("E", "parts")] {
            let bill = invoice(number, category, "100");
            let valued = decide_value(&bill, &program, at).expect("rates");
            let mut next_id = || {
                ids += 1;
                Uuid::from_u128(ids)
            };
            posted.extend(decide_posting(&mut account, &bill, &valued, &program, false, at, &mut next_id).entries);
        }
        (account, posted)
    }

    fn audit(account: &Account, posted: &[Posted], sealed: &[(i64, i64)]) -> MemberAudit {
        let mut lots: BTreeMap<Uuid, i64> = BTreeMap::new();
        for entry in posted {
            *lots.entry(entry.movement.lot_id).or_default() += entry.movement.points.0;
        }
        let head = |at: i64| Hash(posted[usize::try_from(at - 1).expect("place")].hash);
        MemberAudit {
            account: Some(AuditedAccount {
                member_no: account.member_no.clone(),
                balance: account.balance,
                lifetime: account.lifetime,
                first_spending_ordinal: account.first_spending_ordinal,
                sequence: account.sequence,
                head: Hash(account.head),
            }),
            sealed: sealed.iter().map(|(behind, at)| SealedHead { sequence: *at, behind: *behind, head: head(*at), seal: *at }).collect(),
            lots: lots.into_iter().map(|(lot_id, left)| AuditedLot { lot_id, store: "SH01".to_owned(), left, pending: false }).collect(),
            ..MemberAudit::new(account.member_id)
        }
    }

    fn shown(entry: &Posted) -> AuditedEntry {
        let said = crate::domain::account::said(entry).into_owned();
        let first = entry.movement.kind == jifen_contracts::event::EntryKind::FirstSpending;
        AuditedEntry {
            member_id: entry.member_id,
            sequence: entry.sequence,
            entry_id: entry.movement.entry_id,
            hash: Hash(entry.hash),
            said: Ok(said),
            on_lifetime: 1,
            first_spending: if first { entry.movement.ordinal } else { 0 },
        }
    }

    /// What is found after this was done to the rows.
    fn found(change: impl FnOnce(&mut MemberAudit, &mut Vec<AuditedEntry>)) -> Vec<(What, i64, i64)> {
        let (account, posted) = ledger();
        let mut audit = audit(&account, &posted, &[(0, 2), (2, 4)]);
        let mut rows: Vec<AuditedEntry> = posted.iter().map(shown).collect();
        change(&mut audit, &mut rows);
        for row in rows {
            audit.entry(row);
        }
        audit.end().iter().map(|finding| (finding.what, finding.from.unwrap_or(0), finding.sequence.unwrap_or(0))).collect()
    }

    #[test]
    fn what_nobody_touched_is_sound() {
        assert_eq!(found(|_, _| ()), []);
    }

    #[test]
    fn each_place_is_named() {
        let document = |row: &mut AuditedEntry| row.said.as_mut().expect("said").document = "X".into();
        // The one before is out of the question where it stands as it was sealed.
        assert_eq!(found(|_, rows| document(&mut rows[2])), [(What::Edited, 3, 3)]);
        assert_eq!(found(|_, rows| document(&mut rows[3])), [(What::Edited, 3, 4)]);
        assert_eq!(found(|_, rows| rows[3].hash = Hash([9; 32])), [(What::Edited, 3, 4), (What::Rewritten, 3, 4), (What::Edited, 4, 5)]);
        assert_eq!(found(|_, rows| drop(rows.remove(2)))[0], (What::Missing, 3, 3));
        assert_eq!(found(|_, rows| rows.truncate(3))[0], (What::CutTail, 4, 4));
        assert_eq!(found(|_, rows| rows.truncate(5))[0], (What::CutTail, 6, 6));
        assert_eq!(found(|audit, _| audit.account.as_mut().expect("account").sequence = 5), [(What::Inserted, 6, 6)]);
        assert_eq!(found(|audit, _| audit.account.as_mut().expect("account").head = Hash::NONE), [(What::Head, 6, 6)]);
        assert_eq!(found(|audit, _| audit.account = None), [(What::NoAccount, 6, 6)]);
        assert_eq!(found(|audit, _| audit.lots[0].left -= 1).len(), 1);
    }

    #[test]
    fn a_history_that_was_computed_again_is_not_the_sealed_one() {
        let rewritten = found(|audit, rows| {
            rows[2].said.as_mut().expect("said").document = "X".into();
            for at in 2..rows.len() {
                let before = rows[at - 1].hash;
                rows[at].hash = rows[at].said.as_ref().expect("said").hash(&before);
            }
            audit.account.as_mut().expect("account").head = rows[5].hash;
        });
        assert_eq!(rewritten, [(What::Rewritten, 3, 4)]);
    }
}
