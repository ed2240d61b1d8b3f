//! What somebody decides on pending points that have to be looked at. Refused, they go back as by a correction, without trace in what
//! can be spent.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use jifen_contracts::event::{AccrualSource, EntryKind};
use jifen_kernel::{MemberId, Points, Token};
use uuid::Uuid;

use super::{
    account::{Account, Movement, Side},
    activation::PendingEntry,
    correct::{Given, Making, Taken},
    net::{Correcting, Net},
};

/// A lot that waits for somebody to look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnderReview {
    /// Whose.
    pub member_id: MemberId,
    /// Its key.
    pub lot_id: Uuid,
    /// What kind of document.
    pub source: AccrualSource,
    /// Its store.
    pub store: String,
    /// The document.
    pub document: String,
    /// How many.
    pub points: Points,
    /// The local day of what earned it.
    pub business_date: NaiveDate,
}

/// What is left of an invoice when the points in these lots are refused; `None` if none of its base is among them. Where all of its base
/// is, it earns nothing any longer: no first spending rests on it, and no bonus that comes later is due.
pub fn decide_net(before: &Net, given: &[Given], refused: &BTreeSet<Uuid>) -> Option<Net> {
    let base = || given.iter().filter(|given| given.movement.kind == EntryKind::Accrual && given.rest().is_positive());
    let of_refused: Vec<Token> =
        base().filter(|given| refused.contains(&given.movement.lot_id)).filter_map(|given| given.movement.category.clone()).collect();
    if of_refused.is_empty() {
        return None;
    }
    let is_whole = base().all(|given| refused.contains(&given.movement.lot_id));
    Some(if is_whole { before.clone().lapsed() } else { before.clone().without(&of_refused) })
}

/// Takes back what a correction has left in refused lots. A first spending that other invoices keep alive stays.
pub fn take_rest(account: &mut Account, rest: &[PendingEntry], by: &Correcting, making: &mut Making<'_>) -> Vec<Taken> {
    let refused = rest.iter().filter(|entry| entry.movement.kind != EntryKind::FirstSpending && entry.movement.points.is_positive());
    let mut take = |pending: &PendingEntry| {
        let posted = &pending.movement;
        let movement = Movement {
            entry_id: (making.next_id)(),
            kind: EntryKind::Reversal,
            rule: format!("{}:{}", by.kind.as_str(), by.number),
            paid: None,
            rate: None,
            base: None,
            posted_at: making.at,
            of_entry: Some(posted.entry_id),
            ..posted.clone()
        };
        let entry = account.transfer(Side::Pending, Side::Outside(pending.funder.clone()), movement);
        let of = Given { funder: pending.funder.clone(), movement: posted.clone(), taken: Points::ZERO, pending: true };
        Taken { of, entries: vec![entry] }
    };
    refused.map(&mut take).collect()
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use jifen_contracts::event::CorrectionKind;

    use super::*;
    use crate::domain::{
        net::Posted,
        post_invoice::{decide_posting, decide_value},
        samples::{applied, invoice, member},
    };

    #[test]
    fn a_document_that_waits_as_a_whole_earns_nothing_any_longer() {
        let (program, bill, at) = (applied(), invoice("R1", "maintenance", "1000"), DateTime::UNIX_EPOCH);
        let mut account = Account::new(member(1), "M1".to_owned());
        let valued = decide_value(&bill, &program, at).expect("rates");
        let mut number = 0;
        let mut next_id = || {
            number += 1;
            Uuid::from_u128(number)
        };
        let posting = decide_posting(&mut account, &bill, &valued, &program, true, at, &mut next_id);
        let pending: Vec<PendingEntry> =
            posting.entries.into_iter().map(|entry| PendingEntry { funder: entry.debit, movement: entry.movement }).collect();
        let given: Vec<Given> = pending
            .iter()
            .map(|entry| Given { funder: entry.funder.clone(), movement: entry.movement.clone(), taken: Points::ZERO, pending: true })
            .collect();
        let posted = Posted { categories: valued.base.categories, daily_left: None, visit: true, paid_visit: true };
        let before = Net::of_posted(&posted, &program.program.earn);
        let lot = given[0].movement.lot_id;
        let after = decide_net(&before, &given, &[lot].into()).expect("refused");
        assert_eq!((after.base, after.is_spending, after.lapsed, after.paid_visit), (Points(0), false, true, true));
        assert_eq!(decide_net(&before, &given, &[Uuid::max()].into()), None);
        let partly = before.clone().without(&[before.categories[0].category.clone()]);
        assert_eq!((partly.base, partly.is_spending, partly.lapsed), (Points(0), true, false));
        let by = Correcting { kind: CorrectionKind::Rejection, number: "R1".to_owned() };
        let taken = take_rest(&mut account, &pending, &by, &mut Making { at, next_id: &mut next_id });
        assert_eq!((taken.len(), account.balance.pending, account.balance.active), (1, Points(100), Points(0)), "the first spending stays");
        let entry = &taken[0].entries[0];
        assert_eq!(
            (entry.credit.as_ref(), entry.movement.rule.as_str(), entry.movement.of_entry),
            ("issued:SH01", "rejection:R1", Some(pending[0].movement.entry_id))
        );
    }
}
