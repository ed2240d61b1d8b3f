//! An accepted invoice becomes base points and, once, the first spending. (DOMAIN exact defaults 1, 5, 6, 9, 11.)

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::{
    event::{AccrualSource, EntryKind, InvoiceAccepted},
    program::AppliedProgram,
};
use jifen_kernel::{Points, clock};
use uuid::Uuid;

use super::{
    account::{Account, Entry, Movement, issued_by},
    base::{InvoiceBase, NoRate, decide_base},
    caps,
    expiry::expires_on,
    lots::{LotPart, Lots, repay},
    pending::{Holds, LotKeys, Waits},
};

/// What the invoice alone decides, whatever the account holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Valued {
    /// Sums and base points, after the invoice cap.
    pub base: InvoiceBase,
    /// The last day of everything that this invoice earns.
    pub expires_on: NaiveDate,
}

/// Values an invoice under the program it is stamped with; the invoice cap is applied.
pub fn decide_value(invoice: &InvoiceAccepted, applied: &AppliedProgram, posted_at: DateTime<Utc>) -> Result<Valued, NoRate> {
    let earn = &applied.program.earn;
    let mut base = decide_base(&invoice.lines, &invoice.reductions, earn)?;
    if let Some(cut) = earn.invoice_cap.and_then(|cap| caps::cut(&base.categories, cap)) {
        base.categories = cut;
    }
    let posted_on = clock::local_date(posted_at, applied.program.time_zone());
    Ok(Valued { base, expires_on: expires_on(&applied.program.expiry, invoice.business_date, posted_on) })
}

/// What the daily cap leaves of a valued invoice: `None` if nothing is to be cut.
pub fn decide_daily_cap(valued: &Valued, left: Points) -> Option<Valued> {
    let categories = caps::cut(&valued.base.categories, left)?;
    Some(Valued { base: InvoiceBase { categories, ..valued.base.clone() }, ..valued.clone() })
}

/// Points credited together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lot {
    /// Its key.
    pub lot_id: Uuid,
    /// How many.
    pub points: Points,
    /// How many of them are left: a debt is repaid first.
    pub remaining: Points,
    /// What it waits for, if it can't be spent at once.
    pub waits: Option<Waits>,
}

/// What a posting adds to the ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Posting {
    /// In their order.
    pub entries: Vec<Entry>,
    /// What of them repaid a debt at once.
    pub repayments: Vec<Entry>,
    /// None when no point moves; several where some of the points wait.
    pub lots: Vec<Lot>,
    /// Of them: the first spending.
    pub first_spending: Points,
}

impl Posting {
    /// Puts the points of the entries into their lots. A debt is repaid with what doesn't wait.
    pub fn with_lots(mut self, account: &mut Account, lots: LotKeys, next_id: &mut dyn FnMut() -> Uuid) -> Self {
        for (lot_id, waits) in lots.each() {
            let own = || self.entries.iter().map(|entry| &entry.movement).filter(|movement| movement.lot_id == lot_id);
            let Some(first) = own().next() else { continue };
            let points: Points = own().map(|movement| movement.points).sum();
            let mut remaining = points;
            if waits.is_none() && account.balance.debt.is_positive() {
                let (store, document, expires_on) = (first.store.clone(), first.document.clone(), first.expires_on);
                let posted_at = first.posted_at;
                let mut lots = Lots::new(vec![LotPart { lot_id, store, document, expires_on, points }]);
                self.repayments.extend(repay(account, &mut lots, posted_at, next_id));
                remaining = lots.total();
            }
            self.lots.push(Lot { lot_id, points, remaining, waits });
        }
        self
    }
}

/// Posts a valued invoice to its member's account; `pending` if the member is not activated. Points that wait for something else than
/// the others are a lot of their own.
pub fn decide_posting(
    account: &mut Account,
    invoice: &InvoiceAccepted,
    valued: &Valued,
    applied: &AppliedProgram,
    pending: bool,
    posted_at: DateTime<Utc>,
    next_id: &mut dyn FnMut() -> Uuid,
) -> Posting {
    let earn = &applied.program.earn;
    let holds = Holds::new(applied, (invoice.business_date, posted_at), pending, &valued.base.categories);
    let (mut posting, mut lots) = (Posting::default(), LotKeys::default());
    let movement = |entry_id, lot_id| Movement {
        entry_id,
        source: AccrualSource::Invoice,
        kind: EntryKind::Accrual,
        store: invoice.store.clone(),
        document: invoice.invoice_no.clone(),
        category: None,
        rule: format!("earn@{}", applied.version),
        ordinal: 0,
        points: Points::ZERO,
        lot_id,
        expires_on: valued.expires_on,
        paid: None,
        rate: None,
        base: None,
        posted_at,
        qualifying: true,
        of_entry: None,
    };
    for category in valued.base.categories.iter().filter(|category| category.base.is_positive()) {
        let waits = holds.of(Some(&category.category));
        let lot_id = lots.of(waits, next_id);
        let rate = earn.rates.get(&category.category);
        let uncut = rate.map_or(category.base, |rate| rate.points_for(category.paid));
        let movement = Movement {
            category: Some(category.category.clone()),
            points: category.base,
            paid: Some(category.paid),
            rate: rate.map(ToString::to_string),
            // Only where a cap makes a difference.
            base: (uncut != category.base).then_some(uncut),
            qualifying: !earn.not_qualifying.contains(&category.category),
            ..movement(next_id(), lot_id)
        };
        posting.entries.push(account.credit(issued_by(&invoice.store), movement, waits.is_some()));
    }
    account.spendings += i32::from(valued.base.is_spending);
    if valued.base.is_spending && !account.first_spending_stands && earn.first_spending.is_positive() {
        account.first_spending_stands = true;
        account.first_spending_ordinal += 1;
        posting.first_spending = earn.first_spending;
        let waits = holds.of(None);
        let lot_id = lots.of(waits, next_id);
        let movement = Movement {
            kind: EntryKind::FirstSpending,
            rule: format!("first_spending@{}", applied.version),
            ordinal: account.first_spending_ordinal,
            points: earn.first_spending,
            ..movement(next_id(), lot_id)
        };
        posting.entries.push(account.credit(issued_by(&invoice.store), movement, waits.is_some()));
    }
    posting.with_lots(account, lots, next_id)
}

#[cfg(test)]
mod tests {
    use jifen_contracts::program::Earn;
    use jifen_kernel::Token;

    use super::*;
    use crate::domain::samples::{applied, invoice, member};

    /// Posts invoices in this order; gives the balance after each.
    fn balances(invoices: &[InvoiceAccepted]) -> Vec<i64> {
        let (program, at) = (applied(), DateTime::UNIX_EPOCH);
        let mut account = Account::new(member(1), "M1".to_owned());
        let mut posted = Vec::new();
        for invoice in invoices {
            let valued = decide_value(invoice, &program, at).expect("rates");
            let posting = decide_posting(&mut account, invoice, &valued, &program, false, at, &mut || Uuid::nil());
            let sum: Points = posting.entries.iter().map(|entry| entry.movement.points).sum();
            assert_eq!(posting.lots.iter().map(|lot| lot.points).sum::<Points>(), sum);
            posted.push(account.balance.active.0);
        }
        posted
    }

    #[test]
    fn the_first_spending_comes_once_with_whichever_invoice_is_first() {
        let (a, b) = (invoice("A", "repair", "900"), invoice("B", "repair", "500"));
        assert_eq!(balances(&[a.clone(), b.clone()]), [1000, 1500]);
        assert_eq!(balances(&[b, a]), [600, 1500]);
    }

    #[test]
    fn an_invoice_that_earns_nothing_brings_no_first_spending() {
        assert_eq!(balances(&[invoice("A", "pass_through", "900"), invoice("B", "maintenance", "1000")]), [0, 1600]);
        assert_eq!(balances(&[invoice("A", "repair", "0")]), [0]);
        // Too little for a point, but spent: the first spending counts.
        assert_eq!(balances(&[invoice("A", "repair", "0.50")]), [100]);
    }

    /// Base by category and all points posted of one invoice under these rules.
    fn posted(earn: Earn, lines: &[(&str, &str)], left: Option<i64>) -> (Vec<i64>, i64) {
        let mut program = applied();
        program.program.earn = Earn { rates: program.program.earn.rates.clone(), ..earn };
        let mut bill = invoice("A", lines[0].0, lines[0].1);
        bill.lines = lines.iter().flat_map(|(category, amount)| invoice("A", category, amount).lines).collect();
        let at = DateTime::UNIX_EPOCH;
        let mut valued = decide_value(&bill, &program, at).expect("rates");
        if let Some(cut) = left.and_then(|left| decide_daily_cap(&valued, Points(left))) {
            valued = cut;
        }
        let mut account = Account::new(member(1), "M1".to_owned());
        let posting = decide_posting(&mut account, &bill, &valued, &program, false, at, &mut || Uuid::nil());
        assert_eq!(posting.lots.iter().map(|lot| lot.points.0).sum::<i64>(), account.balance.active.0);
        (valued.base.categories.iter().map(|category| category.base.0).collect(), account.balance.active.0)
    }

    /// Exact default 2, as far as points goes: the double day works on what is left of the base.
    #[test]
    fn caps_cut_the_base_and_never_the_first_spending() {
        let capped =
            |invoice_cap: Option<i64>| Earn { first_spending: Points(100), invoice_cap: invoice_cap.map(Points), ..Earn::default() };
        assert_eq!(posted(capped(Some(5_000)), &[("maintenance", "4000")], None), (vec![5_000], 5_100));
        assert_eq!(posted(capped(None), &[("maintenance", "600"), ("repair", "600")], Some(1_000)), (vec![600, 400], 1_100));
        // The invoice cap comes first, the day has what it leaves.
        assert_eq!(posted(capped(Some(1_000)), &[("maintenance", "600"), ("repair", "600")], Some(500)), (vec![300, 200], 600));
        assert_eq!(posted(capped(None), &[("maintenance", "600")], Some(0)), (vec![0], 100));
    }

    #[test]
    fn what_a_cap_cut_off_can_be_seen_and_categories_may_not_qualify() {
        let mut program = applied();
        program.program.earn.invoice_cap = Some(Points(1_000));
        program.program.earn.not_qualifying = vec![Token::try_new("repair").expect("token")];
        let mut account = Account::new(member(1), "M1".to_owned());
        let mut post = |bill: &InvoiceAccepted| {
            let valued = decide_value(bill, &program, DateTime::UNIX_EPOCH).expect("rates");
            decide_posting(&mut account, bill, &valued, &program, true, DateTime::UNIX_EPOCH, &mut || Uuid::nil())
        };
        let posting = post(&invoice("A", "maintenance", "800"));
        let first = &posting.entries[0];
        assert_eq!((first.movement.points, first.movement.base, first.movement.qualifying), (Points(1_000), Some(Points(1_200)), true));
        let posting = post(&invoice("B", "repair", "800"));
        let second = &posting.entries[0];
        assert_eq!((second.movement.points, second.movement.base, second.movement.qualifying), (Points(800), None, false));
        let waits = posting.lots[0].waits.expect("its member isn't activated");
        assert_eq!((waits.since, waits.activation, waits.hold), (invoice("B", "repair", "800").business_date, true, None));
        assert_eq!((account.balance.active, account.balance.pending, account.lifetime), (Points(0), Points(1_900), Points(1_100)));
    }

    /// One bill, one category of which waits for its days.
    #[test]
    fn what_waits_is_a_lot_of_its_own() {
        use jifen_contracts::program::PendingRule;
        let mut program = applied();
        program.program.earn.pending = [(Token::try_new("repair").expect("token"), PendingRule::Days(15))].into();
        let mut bill = invoice("A", "maintenance", "1000");
        bill.lines.extend(invoice("A", "repair", "300").lines);
        let mut account = Account::new(member(1), "M1".to_owned());
        let mut next = 0;
        let mut next_id = || {
            next += 1;
            Uuid::from_u128(next)
        };
        let at = bill.issued_at;
        let valued = decide_value(&bill, &program, at).expect("rates");
        let posting = decide_posting(&mut account, &bill, &valued, &program, false, at, &mut next_id);
        let lots: Vec<_> = posting.lots.iter().map(|lot| (lot.points.0, lot.waits.is_some())).collect();
        assert_eq!(lots, [(1_600, false), (300, true)], "the first spending is with what can be spent");
        assert_eq!((account.balance.active, account.balance.pending, account.lifetime), (Points(1_600), Points(300), Points(1_900)));
        assert_eq!(posting.entries.iter().map(|entry| entry.pending).collect::<Vec<_>>(), [false, true, false]);
        // Not activated either: everything waits, each for its own.
        let posting = decide_posting(
            &mut account,
            &InvoiceAccepted { invoice_no: "B".to_owned(), ..bill },
            &valued,
            &program,
            true,
            at,
            &mut next_id,
        );
        assert!(posting.lots.iter().all(|lot| lot.waits.is_some_and(|waits| waits.activation)));
        assert_eq!(posting.lots.iter().map(|lot| lot.points.0).collect::<Vec<_>>(), [1_500, 300]);
    }
}
