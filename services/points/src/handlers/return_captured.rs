//! What was spent for an invoice comes back when that is voided. A bill that another one replaces is the same business: what was
//! captured for it counts for the one that took its place, and comes back when that one is voided.
//!
//! A capture may name an invoice after its void, and both may be under way at once: they meet at a row of the invoice, which both
//! lock before they read. Whichever is second sees the first: the void gives back, or the capture is refused.

use std::collections::{BTreeMap, BTreeSet};

use jifen_contracts::event::{EntryKind, InvoiceVoided};
use jifen_runtime::{Ctx, Failure, Outbox, message::Cause};
use sqlx::PgConnection;
use uuid::Uuid;

use super::ids;
use crate::{
    domain::hold::{Moment, decide_return},
    endpoints::tell_ended,
    outbound,
    store::{
        accounts::Accounts,
        accruals::DocumentKey,
        holds::Holds,
        spent::{self, Ended},
    },
    till::{Books, rules, today},
};

fn key(voided: &InvoiceVoided) -> DocumentKey {
    (voided.store.to_string(), voided.invoice_no.clone())
}

/// Locks the rows where captures and these voids meet, and notes the voids: before any other lock.
pub async fn meet(tx: &mut PgConnection, voided: &[(&InvoiceVoided, &Cause)], out: &Outbox) -> Result<(), Failure> {
    let mut invoices: BTreeMap<DocumentKey, Option<Ended>> = BTreeMap::new();
    for (voided, _) in voided {
        let replaced_by = voided.replaced.then(|| voided.void_no.clone());
        if let Some(replacing) = &replaced_by {
            invoices.entry((voided.store.to_string(), replacing.clone())).or_default();
        }
        invoices.insert(key(voided), Some(Ended { at: out.now(), replaced_by }));
    }
    if invoices.is_empty() { Ok(()) } else { spent::lock(tx, &invoices).await }
}

/// What was spent for these invoices and hasn't come back. They have met ([`meet`]): no capture comes to it.
pub async fn find_captured(tx: &mut PgConnection, voided: &[(&InvoiceVoided, &Cause)]) -> Result<Holds, Failure> {
    let keys: BTreeSet<DocumentKey> = voided.iter().map(|(voided, _)| key(voided)).collect();
    if keys.is_empty() { Ok(Holds::new()) } else { spent::load_captured(tx, &keys).await }
}

/// Gives back what was spent, each once. The accounts are locked.
pub async fn return_captured(
    cx: &Ctx,
    tx: &mut PgConnection,
    voided: &[(&InvoiceVoided, &Cause)],
    (captured, accounts): (Holds, Accounts),
    out: &mut Outbox,
) -> Result<(), Failure> {
    if captured.is_empty() {
        return Ok(());
    }
    let rules = rules(cx, out)?;
    let mut books = Books::of_locked(tx, accounts, &captured).await?;
    books.load_parts(tx, EntryKind::Capture, |hold| !hold.returned).await?;
    let due: Vec<Uuid> = books.holds().filter(|hold| !hold.returned).map(|hold| hold.hold_id).collect();
    let mut next_id = ids(cx, out);
    for hold_id in due {
        let mut now = Moment { at: out.now(), today: today(&rules, out), next_id: &mut next_id };
        let grace = rules.program.redemption.return_grace_days;
        let returned: Result<_, std::convert::Infallible> = books
            .decide_hold(hold_id, &mut now, |account, lots, hold, spent, now| Ok(decide_return(account, lots, hold, spent, grace, now)))?;
        let Ok(back) = returned;
        let (hold, account) = books.came_back(hold_id, &back)?;
        let own = voided.iter().find(|(voided, _)| hold.document.as_deref() == Some(voided.invoice_no.as_str()));
        let cause = own.or(voided.first()).map(|(_, cause)| (*cause).clone()).unwrap_or_default();
        out.event(&cause, Some(account.sequence), &outbound::till::returned(hold, account, &back, now.at));
        tell_ended((hold, account), &back, now.at, (&cause, out));
    }
    books.save(tx, out).await
}
