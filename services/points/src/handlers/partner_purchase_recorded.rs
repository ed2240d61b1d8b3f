//! `ingest.partner_purchase_recorded`: the partner's rate, as long as its budget lasts; settled at once. It doesn't qualify.
//!
//! A budget is locked behind the accounts, in the order of the partners' codes, and only if a batch has purchases from a partner
//! that has one, or had one: so no number of copies overruns it, none of its purchases is forgotten by a version that knows no budget, and
//! nobody else waits for it.

use std::{collections::BTreeSet, sync::Arc};

use jifen_contracts::{
    event::{AccrualSource, PartnerPurchaseRecorded},
    program::{AppliedProgram, Partner},
};
use jifen_kernel::{Points, clock};
use jifen_runtime::{BatchHandler, Ctx, Event, Failure, Fates, Incoming, Outbox, Poison};
use sqlx::PgConnection;

use super::{
    correct::Concerned,
    direct::{Due, open, post},
};
use crate::{
    domain::{direct::DirectAccrual, expiry::expires_on, partner::decide_purchase},
    store::direct,
};

/// Rewards purchases from partners.
pub struct PartnerPurchaseRecordedHandler;

type Batch = [Incoming<Event<PartnerPurchaseRecorded>>];

impl BatchHandler for PartnerPurchaseRecordedHandler {
    type Item = Event<PartnerPurchaseRecorded>;
    type Prepared = ();

    async fn prepare(&self, _: &Ctx, _: &Batch) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(&self, cx: &Ctx, tx: &mut PgConnection, batch: &Batch, (): &(), out: &mut Outbox) -> Result<Fates, Failure> {
        let mut fates = Fates::done();
        let mut due = Vec::with_capacity(batch.len());
        for (place, incoming) in batch.iter().enumerate() {
            let purchase = &incoming.item.data;
            let Some(applied) = cx.programs.get(purchase.program_version) else {
                fates.retry.push((place, format!("program version {} isn't known yet", purchase.program_version)));
                continue;
            };
            let Some(partner) = applied.program.earn.partners.iter().find(|partner| partner.code == purchase.partner).cloned() else {
                fates.poison.push((place, Poison::invariant("the program has no such partner")));
                continue;
            };
            due.push(Due { accrual: accrual_of(purchase, &applied, out), rule: partner, cause: &incoming.cause });
        }
        if due.is_empty() {
            return Ok(fates);
        }
        let opened = open(tx, AccrualSource::PartnerPurchase, due, &Concerned::new()).await?;
        let partners: BTreeSet<String> = opened.due.iter().map(|due| due.rule.code.clone()).collect();
        let limited: BTreeSet<String> =
            opened.due.iter().filter(|due| due.rule.budget.is_some()).map(|due| due.rule.code.clone()).collect();
        let mut granted = direct::lock_budgets(tx, &partners, &limited).await?;
        let decide = |due: &Due<'_, Partner>| {
            let so_far = granted.get(&due.rule.code).copied().unwrap_or_default();
            let decision = decide_purchase(&due.rule, due.accrual.amount.unwrap_or_default(), so_far);
            granted.entry(due.rule.code.clone()).and_modify(|granted: &mut Points| *granted += decision.points);
            decision
        };
        post(cx, tx, opened, decide, out).await?;
        if !granted.is_empty() {
            direct::save_budgets(tx, &granted).await?;
        }
        Ok(fates)
    }
}

fn accrual_of(purchase: &PartnerPurchaseRecorded, applied: &Arc<AppliedProgram>, out: &Outbox) -> DirectAccrual {
    let posted_on = clock::local_date(out.now(), applied.program.time_zone());
    DirectAccrual {
        source: AccrualSource::PartnerPurchase,
        store: purchase.store.clone(),
        document: purchase.purchase_no.clone(),
        member_id: purchase.member_id,
        member_no: purchase.member_no.clone(),
        occurred_at: purchase.occurred_at,
        business_date: purchase.business_date,
        program_version: purchase.program_version,
        subject: purchase.partner.clone(),
        about: None,
        amount: Some(purchase.amount),
        bonuses: Vec::new(),
        qualifying: false,
        awaiting: purchase.awaiting_activation,
        hold: None,
        expires_on: expires_on(&applied.program.expiry, purchase.business_date, posted_on),
    }
}
