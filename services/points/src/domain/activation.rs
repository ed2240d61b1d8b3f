//! What waited for its member's activation becomes spendable, or lapses. (DOMAIN exact default 11.)

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::event::EntryKind;
use uuid::Uuid;

use super::account::{Account, Entry, Movement};

/// A pending entry, as it was posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingEntry {
    /// Who funded it: the account debited.
    pub funder: String,
    /// What it says.
    pub movement: Movement,
}

impl PendingEntry {
    fn moved(&self, kind: EntryKind, entry_id: Uuid, posted_at: DateTime<Utc>) -> Movement {
        let posted = &self.movement;
        Movement {
            entry_id,
            kind,
            ordinal: 0,
            paid: None,
            rate: None,
            base: None,
            posted_at,
            of_entry: Some(posted.entry_id),
            ..posted.clone()
        }
    }
}

/// Moves pending entries to active, each by an entry of its own.
pub fn decide_activation(
    account: &mut Account,
    pending: &[PendingEntry],
    posted_at: DateTime<Utc>,
    next_id: &mut dyn FnMut() -> Uuid,
) -> Vec<Entry> {
    pending.iter().map(|entry| account.activate(entry.moved(EntryKind::Activation, next_id(), posted_at))).collect()
}

/// Takes pending entries back, each by an entry of its own. A first spending goes with the last invoice that keeps it alive, and may
/// come again.
pub fn decide_lapse(
    account: &mut Account,
    pending: &[PendingEntry],
    posted_at: DateTime<Utc>,
    next_id: &mut dyn FnMut() -> Uuid,
) -> Vec<Entry> {
    let mut lapsed = Vec::with_capacity(pending.len());
    for entry in pending {
        if entry.movement.kind == EntryKind::FirstSpending {
            if account.spendings > 0 {
                continue;
            }
            account.first_spending_stands = false;
        }
        lapsed.push(account.lapse(entry.funder.clone(), entry.moved(EntryKind::Lapse, next_id(), posted_at)));
    }
    lapsed
}

/// The newest business date whose pending points lapse on `day`.
pub fn lapses_up_to(day: NaiveDate, pending_days: u32) -> NaiveDate {
    day.checked_sub_days(chrono::Days::new(u64::from(pending_days))).unwrap_or(NaiveDate::MIN)
}

#[cfg(test)]
mod tests {
    use jifen_kernel::Points;

    use super::*;
    use crate::domain::{
        account::hash_of,
        post_invoice::{decide_posting, decide_value},
        samples::{applied, invoice, member},
    };

    fn posted(account: &mut Account) -> Vec<PendingEntry> {
        let (program, bill, at) = (applied(), invoice("R1", "maintenance", "1000"), DateTime::UNIX_EPOCH);
        let valued = decide_value(&bill, &program, at).expect("rates");
        let mut next = 0;
        let mut next_id = || {
            next += 1;
            Uuid::from_u128(next)
        };
        let posting = decide_posting(account, &bill, &valued, &program, true, at, &mut next_id);
        posting.entries.into_iter().map(|entry| PendingEntry { funder: entry.debit, movement: entry.movement }).collect()
    }

    #[test]
    fn an_activation_moves_everything_once() {
        let mut account = Account::new(member(1), "M1".to_owned());
        let pending = posted(&mut account);
        assert_eq!((account.balance.pending, account.balance.active, account.lifetime), (Points(1_600), Points(0), Points(1_600)));
        let head = account.head;
        let moved = decide_activation(&mut account, &pending, DateTime::UNIX_EPOCH, &mut Uuid::nil);
        assert_eq!((account.balance.pending, account.balance.active, account.lifetime), (Points(0), Points(1_600), Points(1_600)));
        assert_eq!(
            moved.iter().map(|entry| entry.movement.of_entry).collect::<Vec<_>>(),
            [Some(pending[0].movement.entry_id), Some(pending[1].movement.entry_id)]
        );
        assert_eq!(hash_of(&head, &moved[0]), moved[0].hash, "the chain goes on");
    }

    #[test]
    fn a_lapse_gives_everything_back_and_the_first_spending_may_come_again() {
        let mut account = Account::new(member(1), "M1".to_owned());
        let pending = posted(&mut account);
        let kept = decide_lapse(&mut account.clone(), &pending, DateTime::UNIX_EPOCH, &mut Uuid::nil);
        assert_eq!(kept.len(), 1, "an invoice that counts keeps the first spending");
        account.spendings = 0;
        let lapsed = decide_lapse(&mut account, &pending, DateTime::UNIX_EPOCH, &mut Uuid::nil);
        assert_eq!((account.balance.pending, account.balance.active, account.lifetime), (Points(0), Points(0), Points(0)));
        assert_eq!((lapsed.len(), lapsed[0].credit.as_ref(), account.first_spending_stands), (2, "issued:SH01", false));
        let again = posted(&mut account);
        assert_eq!(again[1].movement.ordinal, 2);
        let day = |text: &str| text.parse::<NaiveDate>().expect("date");
        assert_eq!(lapses_up_to(day("2026-12-30"), 90), day("2026-10-01"));
    }
}
