//! An accepted invoice becomes base points and, once, the first spending. (DOMAIN exact defaults 1, 5, 6, 9, 11.)

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::{
    event::{EntryKind, InvoiceAccepted},
    program::AppliedProgram,
};
use jifen_kernel::{Points, clock};
use uuid::Uuid;

use super::{
    account::{Account, Entry, Movement},
    base::{InvoiceBase, NoRate, decide_base},
    expiry::expires_on,
};

/// What the invoice alone decides, whatever the account holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Valued {
    /// Sums and base points.
    pub base: InvoiceBase,
    /// The last day of everything that this invoice earns.
    pub expires_on: NaiveDate,
}

/// Values an invoice under the program it is stamped with.
pub fn decide_value(invoice: &InvoiceAccepted, applied: &AppliedProgram, posted_at: DateTime<Utc>) -> Result<Valued, NoRate> {
    let base = decide_base(&invoice.lines, &invoice.reductions, &applied.program.earn)?;
    let posted_on = clock::local_date(posted_at, applied.program.time_zone());
    Ok(Valued { base, expires_on: expires_on(&applied.program.expiry, invoice.business_date, posted_on) })
}

/// Points credited together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lot {
    /// Its key.
    pub lot_id: Uuid,
    /// How many.
    pub points: Points,
}

/// What a posting adds to the ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Posting {
    /// In their order.
    pub entries: Vec<Entry>,
    /// None when no point moves.
    pub lot: Option<Lot>,
    /// Of them: the first spending.
    pub first_spending: Points,
}

/// Posts a valued invoice to its member's account.
pub fn decide_posting(
    account: &mut Account,
    invoice: &InvoiceAccepted,
    valued: &Valued,
    applied: &AppliedProgram,
    posted_at: DateTime<Utc>,
    next_id: &mut dyn FnMut() -> Uuid,
) -> Posting {
    let lot_id = next_id();
    let earn = &applied.program.earn;
    let mut posting = Posting::default();
    let movement = |entry_id| Movement {
        entry_id,
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
    };
    for category in valued.base.categories.iter().filter(|category| category.base.is_positive()) {
        posting.entries.push(account.credit(Movement {
            category: Some(category.category.clone()),
            points: category.base,
            paid: Some(category.paid),
            rate: earn.rates.get(&category.category).map(ToString::to_string),
            ..movement(next_id())
        }));
    }
    if valued.base.is_spending && !account.first_spending_stands && earn.first_spending.is_positive() {
        account.first_spending_stands = true;
        account.first_spending_ordinal += 1;
        posting.first_spending = earn.first_spending;
        posting.entries.push(account.credit(Movement {
            kind: EntryKind::FirstSpending,
            rule: format!("first_spending@{}", applied.version),
            ordinal: account.first_spending_ordinal,
            points: earn.first_spending,
            ..movement(next_id())
        }));
    }
    let points: Points = posting.entries.iter().map(|entry| entry.movement.points).sum();
    posting.lot = points.is_positive().then_some(Lot { lot_id, points });
    posting
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::samples::{applied, invoice, member};

    /// Posts invoices in this order; gives the balance after each.
    fn balances(invoices: &[InvoiceAccepted]) -> Vec<i64> {
        let (program, at) = (applied(), DateTime::UNIX_EPOCH);
        let mut account = Account::new(member(1), "M1".to_owned());
        let mut posted = Vec::new();
        for invoice in invoices {
            let valued = decide_value(invoice, &program, at).expect("rates");
            let posting = decide_posting(&mut account, invoice, &valued, &program, at, &mut || Uuid::nil());
            let sum: Points = posting.entries.iter().map(|entry| entry.movement.points).sum();
            assert_eq!(posting.lot.map_or(Points::ZERO, |lot| lot.points), sum);
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
}
