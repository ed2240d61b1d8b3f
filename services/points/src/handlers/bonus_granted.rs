//! `campaign.bonus_granted`: a bonus that is no answer to an invoice; posted and settled at once. It is pending if an invoice that
//! it rests on is.

use std::collections::{BTreeMap, BTreeSet};

use jifen_contracts::{
    event::{AccrualSource, BonusGranted, DocumentRef},
    program::AppliedProgram,
};
use jifen_kernel::clock;
use jifen_runtime::{BatchHandler, Ctx, Event, Failure, Fates, Incoming, Outbox, Poison, message::Cause};
use sqlx::PgConnection;

use super::{
    correct::recorrect,
    direct::{Due, open, post},
};
use crate::{
    domain::{
        direct::{Decision, DirectAccrual},
        expiry::expires_on,
    },
    store::{accruals::DocumentKey, corrections, waiting},
};

/// Posts campaigns' grants.
pub struct BonusGrantedHandler;

type Batch = [Incoming<Event<BonusGranted>>];

impl BatchHandler for BonusGrantedHandler {
    type Item = Event<BonusGranted>;
    type Prepared = ();

    async fn prepare(&self, _: &Ctx, _: &Batch) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(&self, cx: &Ctx, tx: &mut PgConnection, batch: &Batch, (): &(), out: &mut Outbox) -> Result<Fates, Failure> {
        let mut fates = Fates::done();
        let rests_on = |grant: &BonusGranted| -> BTreeSet<DocumentKey> {
            grant.documents.iter().map(|on| (on.store.to_string(), on.document.clone())).collect()
        };
        let all = batch.iter().flat_map(|incoming| rests_on(&incoming.item.data)).collect();
        let awaiting = waiting::load_awaiting(tx, &all).await?;
        let mut due = Vec::with_capacity(batch.len());
        for (place, incoming) in batch.iter().enumerate() {
            let grant = &incoming.item.data;
            let Some(applied) = cx.programs.get(grant.version) else {
                fates.retry.push((place, format!("program version {} isn't known yet", grant.version)));
                continue;
            };
            if !grant.points.is_positive() {
                fates.poison.push((place, Poison::invariant("a grant of no point")));
                continue;
            }
            let awaits = rests_on(grant).iter().any(|key| awaiting.contains(key));
            due.push(Due { accrual: accrual_of(grant, &applied, awaits, out), rule: grant.points, cause: &incoming.cause });
        }
        if due.is_empty() {
            return Ok(fates);
        }
        // What corrections had left no room for goes back at once; invoices are locked before accounts.
        let invoices: BTreeMap<DocumentKey, Cause> = batch
            .iter()
            .filter_map(|one| Some((on_invoice(&one.item.data)?, &one.cause)))
            .map(|(on, cause)| ((on.store.to_string(), on.document.clone()), cause.clone()))
            .collect();
        let mut corrected = corrections::load_standing(tx, &invoices.keys().cloned().collect::<Vec<_>>()).await?;
        corrected.retain(|_, found| found.left.is_some());
        let corrects = corrected.values().map(|found| (found.member_id, found.member_no.as_str())).collect();
        let opened = open(tx, AccrualSource::Grant, due, &corrects).await?;
        let accounts = post(cx, tx, opened, |due| Decision::all(due.rule), out).await?;
        recorrect(cx, tx, (corrected, accounts), &invoices, out).await?;
        Ok(fates)
    }
}

/// The invoice whose refunds reduce it.
fn on_invoice(grant: &BonusGranted) -> Option<&DocumentRef> {
    match grant.documents.as_slice() {
        [on] if on.store == grant.store && !grant.bonuses.is_empty() => Some(on),
        _ => None,
    }
}

fn accrual_of(grant: &BonusGranted, applied: &AppliedProgram, awaiting: bool, out: &Outbox) -> DirectAccrual {
    let posted_on = clock::local_date(out.now(), applied.program.time_zone());
    DirectAccrual {
        source: AccrualSource::Grant,
        store: grant.store.clone(),
        document: format!("{}/{}/{}", grant.campaign, grant.participation, grant.ordinal),
        member_id: grant.member_id,
        member_no: grant.member_no.clone(),
        occurred_at: grant.at,
        business_date: grant.business_date,
        program_version: grant.version,
        subject: grant.campaign.to_string(),
        about: on_invoice(grant).map(|on| on.document.clone()),
        amount: None,
        bonuses: grant.bonuses.clone(),
        qualifying: grant.qualifying,
        awaiting,
        hold: None,
        expires_on: expires_on(&applied.program.expiry, grant.business_date, posted_on),
    }
}
