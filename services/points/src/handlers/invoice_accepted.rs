//! `ingest.invoice_accepted`: base points and first spending, announced as `earned` also with 0 points.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use chrono::NaiveDate;
use jifen_contracts::event::InvoiceAccepted;
use jifen_kernel::{MemberId, Points};
use jifen_runtime::{BatchHandler, Ctx, Event, Failure, Fates, Incoming, Outbox, Poison};
use sqlx::PgConnection;

use super::{
    activity::{Activities, Bill},
    ids,
};
use crate::{
    domain::{
        base::total,
        post_invoice::{Valued, decide_daily_cap, decide_posting, decide_value},
    },
    outbound,
    store::{
        accounts,
        accruals::{self, DocumentKey},
        activations, entries,
    },
};

/// Posts accepted invoices.
pub struct InvoiceAcceptedHandler;

type Batch = [Incoming<Event<InvoiceAccepted>>];

impl BatchHandler for InvoiceAcceptedHandler {
    type Item = Event<InvoiceAccepted>;
    type Prepared = ();

    async fn prepare(&self, _: &Ctx, _: &Batch) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(&self, cx: &Ctx, tx: &mut PgConnection, batch: &Batch, (): &(), out: &mut Outbox) -> Result<Fates, Failure> {
        let (valued, fates) = value(cx, batch, out);
        // Claim: in the order of the keys, each once; the first of a repeated document stands for all.
        let mut by_key: BTreeMap<(&str, &str), (usize, &Valued)> = BTreeMap::new();
        for (place, valued) in &valued {
            let invoice = &batch[*place].item.data;
            if let Entry::Vacant(free) = by_key.entry((invoice.store.as_str(), &invoice.invoice_no)) {
                free.insert((*place, valued));
            }
        }
        let rows: Vec<_> = by_key.values().map(|(place, valued)| (&batch[*place].item.data, *valued)).collect();
        if rows.is_empty() {
            return Ok(fates);
        }
        let new = accruals::claim_posted(tx, &rows, out.now()).await?;
        let mut places: Vec<(usize, &Valued)> =
            by_key.iter().filter(|(key, _)| new.contains(&(key.0.to_owned(), key.1.to_owned()))).map(|(_, found)| *found).collect();
        if places.is_empty() {
            return Ok(fates);
        }
        // Load, then decide in stream order.
        places.sort_unstable_by_key(|(place, _)| *place);
        let invoices = || places.iter().map(|(place, _)| &batch[*place].item.data);
        let mut accounts = accounts::load_locked(tx, &invoices().map(|i| (i.member_id, i.member_no.as_str())).collect()).await?;
        let awaiting = invoices().filter(|invoice| invoice.awaiting_activation).map(|invoice| invoice.member_id).collect();
        let activated = activations::load(tx, &awaiting).await?;
        let mut days = load_days(cx, tx, invoices()).await?;
        let bills = places.iter().map(|(place, valued)| (&batch[*place].item.data, *valued));
        let mut activities = Activities::load(cx, tx, bills, &accounts, out).await?;
        let mut next_id = ids(cx, out);
        let mut postings = Vec::with_capacity(places.len());
        let mut cut = Vec::new();
        for (place, valued) in places {
            let Incoming { item, cause, .. } = &batch[place];
            let invoice = &item.data;
            let account = accounts.get_mut(&invoice.member_id).ok_or_else(|| Failure::defect("an account that was locked is missing"))?;
            let applied = cx.programs.get(invoice.program_version).ok_or_else(|| Failure::transient("a program vanished"))?;
            let left = days.left(invoice, applied.program.earn.daily_cap);
            let capped = left.and_then(|left| decide_daily_cap(valued, left));
            let valued = capped.as_ref().unwrap_or(valued);
            days.add(invoice, total(&valued.base.categories));
            let pending = invoice.awaiting_activation && !activated.contains(&invoice.member_id);
            let posting = decide_posting(account, invoice, valued, &applied, pending, out.now(), &mut next_id);
            out.event(cause, Some(account.sequence), &outbound::earned(invoice, valued, posting.first_spending));
            activities.add(account, &Bill { invoice, valued, applied: &applied, posting: &posting, cause }, out, &mut next_id);
            postings.push(posting);
            if let (Some(valued), Some(left)) = (capped, left) {
                cut.push(((invoice.store.to_string(), invoice.invoice_no.clone()), valued, left));
            }
        }
        // Save.
        if !cut.is_empty() {
            accruals::save_cut(tx, &cut).await?;
        }
        entries::save(tx, &postings, out.now()).await?;
        activities.save(tx, out).await?;
        accounts::save(tx, &accounts).await?;
        Ok(fates)
    }
}

/// The base of members' days, of locked accounts: read only for programs with a daily cap.
async fn load_days(cx: &Ctx, tx: &mut PgConnection, invoices: impl Iterator<Item = &InvoiceAccepted>) -> Result<Days, Failure> {
    let is_capped = |invoice: &&InvoiceAccepted| {
        cx.programs.get(invoice.program_version).is_some_and(|applied| applied.program.earn.daily_cap.is_some())
    };
    let capped: Vec<&InvoiceAccepted> = invoices.filter(is_capped).collect();
    let days: BTreeSet<_> = capped.iter().map(|invoice| (invoice.member_id, invoice.business_date)).collect();
    if days.is_empty() {
        return Ok(Days::default());
    }
    let replaced = capped.iter().filter_map(|invoice| Some((invoice.store.to_string(), invoice.replaces.clone()?))).collect();
    Ok(Days { base: accruals::load_daily_base(tx, &days, &replaced).await?, replaced })
}

/// What was posted of a day, but for invoices whose place others take: their base goes back, perhaps a moment later.
#[derive(Default)]
struct Days {
    /// By member and business date.
    base: BTreeMap<(MemberId, NaiveDate), Points>,
    replaced: BTreeSet<DocumentKey>,
}

impl Days {
    /// What the cap leaves to this invoice.
    fn left(&self, invoice: &InvoiceAccepted, cap: Option<Points>) -> Option<Points> {
        let posted = self.base.get(&(invoice.member_id, invoice.business_date)).copied().unwrap_or_default();
        cap.map(|cap| (cap - posted).max(Points::ZERO))
    }

    /// Takes in what was posted just now, also by an older version that has no cap.
    fn add(&mut self, invoice: &InvoiceAccepted, base: Points) {
        let is_replaced = self.replaced.contains(&(invoice.store.to_string(), invoice.invoice_no.clone()));
        if let Some(posted) = self.base.get_mut(&(invoice.member_id, invoice.business_date)).filter(|_| !is_replaced) {
            *posted += base;
        }
    }
}

/// Values each invoice under its stamp: a stamp that isn't known yet comes again, one that has no rate for a category
/// can't be right.
fn value(cx: &Ctx, batch: &Batch, out: &Outbox) -> (Vec<(usize, Valued)>, Fates) {
    let mut fates = Fates::done();
    let mut valued = Vec::with_capacity(batch.len());
    for (place, incoming) in batch.iter().enumerate() {
        let invoice = &incoming.item.data;
        let Some(applied) = cx.programs.get(invoice.program_version) else {
            fates.retry.push((place, format!("program version {} isn't known yet", invoice.program_version)));
            continue;
        };
        match decide_value(invoice, &applied, out.now()) {
            Ok(found) => valued.push((place, found)),
            Err(no_rate) => fates.poison.push((place, Poison::invariant(no_rate.to_string()))),
        }
    }
    (valued, fates)
}
