//! `ingest.interaction_recorded`: rewarded within the limits of its kind, or recorded with 0 points; settled at once. What is about
//! an order that isn't posted yet waits for it.

use std::{collections::BTreeSet, sync::Arc};

use jifen_contracts::{
    event::{AccrualSource, InteractionRecorded},
    program::{AppliedProgram, InteractionRule},
};
use jifen_kernel::clock;
use jifen_runtime::{BatchHandler, Ctx, Event, Failure, Fates, Incoming, Outbox, Poison, message::Cause};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    correct::Concerned,
    direct::{Due, open, post},
};
use crate::{
    domain::{
        direct::DirectAccrual,
        expiry::expires_on,
        interaction::{Counting, Counts, decide_reward, needs_order},
        pending::Hold,
    },
    store::{direct, waiting},
};

/// Rewards interactions.
pub struct InteractionRecordedHandler;

type Batch = [Incoming<Event<InteractionRecorded>>];

impl BatchHandler for InteractionRecordedHandler {
    type Item = Event<InteractionRecorded>;
    type Prepared = ();

    async fn prepare(&self, _: &Ctx, _: &Batch) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(&self, cx: &Ctx, tx: &mut PgConnection, batch: &Batch, (): &(), out: &mut Outbox) -> Result<Fates, Failure> {
        let mut fates = Fates::done();
        let mut known = Vec::with_capacity(batch.len());
        for (place, incoming) in batch.iter().enumerate() {
            match rule_of(cx, &incoming.item.data) {
                Ok(Some(applied)) => {
                    known.push(Recorded { event: &incoming.item.data, id: incoming.item.id, cause: &incoming.cause, applied });
                }
                Ok(None) => fates.retry.push((place, format!("program version {} isn't known yet", incoming.item.data.program_version))),
                Err(poison) => fates.poison.push((place, poison)),
            }
        }
        reward(cx, tx, &known, false, out).await?;
        Ok(fates)
    }
}

/// An interaction with its rules.
pub struct Recorded<'a> {
    /// Its event.
    pub event: &'a InteractionRecorded,
    /// The event's id.
    pub id: Uuid,
    /// What its effects inherit.
    pub cause: &'a Cause,
    /// The rules.
    pub applied: Arc<AppliedProgram>,
}

/// The rules of an interaction: `None` if its version isn't known yet.
pub fn rule_of(cx: &Ctx, event: &InteractionRecorded) -> Result<Option<Arc<AppliedProgram>>, Poison> {
    let Some(applied) = cx.programs.get(event.program_version) else { return Ok(None) };
    let is_known = applied.program.earn.interactions.iter().any(|rule| rule.kind == event.kind);
    if is_known { Ok(Some(applied)) } else { Err(Poison::invariant(format!("the program has no interaction {}", event.kind))) }
}

/// Rewards interactions with known rules, in their order. `given_up`: none waits any longer for its order.
pub async fn reward(cx: &Ctx, tx: &mut PgConnection, all: &[Recorded<'_>], given_up: bool, out: &mut Outbox) -> Result<(), Failure> {
    let mut due = Vec::with_capacity(all.len());
    for recorded in all {
        let rules = &recorded.applied.program.earn.interactions;
        let Some(rule) = rules.iter().find(|rule| rule.kind == recorded.event.kind) else { continue };
        due.push((Due { accrual: accrual_of(recorded, out), rule, cause: recorded.cause }, recorded));
    }
    // What needs an order and has none waits.
    let keys: BTreeSet<_> = due.iter().filter_map(|(due, _)| order_key(&due.accrual, due.rule)).collect();
    let orders = waiting::load_orders(tx, &keys).await?;
    let waits =
        |due: &Due<'_, &InteractionRule>| !given_up && order_key(&due.accrual, due.rule).is_some_and(|key| !orders.contains_key(&key));
    let (later, now): (Vec<_>, Vec<_>) = due.into_iter().partition(|(due, _)| waits(due));
    if !later.is_empty() {
        let mut rows: Vec<_> =
            later.iter().map(|(_, one)| (one.event, one.event.about.as_deref().unwrap_or_default(), one.id, one.cause)).collect();
        rows.sort_unstable_by_key(|(event, ..)| (&event.store, &event.interaction_no));
        waiting::save_waiting(tx, &rows, out.now()).await?;
    }
    if now.is_empty() {
        return Ok(());
    }
    let opened = open(tx, AccrualSource::Interaction, now.into_iter().map(|(due, _)| due).collect(), &Concerned::new()).await?;
    let periods = opened.due.iter().map(|due| Counting::of(&due.accrual, due.rule)).collect();
    let mut counts = Counts(direct::count_rewarded(tx, periods).await?);
    let decide = |due: &Due<'_, &InteractionRule>| {
        let order = order_key(&due.accrual, due.rule).and_then(|key| orders.get(&key).copied());
        let decision = decide_reward(&due.accrual, due.rule, order, counts.of(&Counting::of(&due.accrual, due.rule)));
        counts.add(&due.accrual, decision.points);
        decision
    };
    post(cx, tx, opened, decide, out).await.map(drop)
}

fn order_key(accrual: &DirectAccrual, rule: &InteractionRule) -> Option<(String, String)> {
    needs_order(accrual, rule).then(|| (accrual.store.to_string(), accrual.about.clone().unwrap_or_default()))
}

fn accrual_of(recorded: &Recorded<'_>, out: &Outbox) -> DirectAccrual {
    let Recorded { event, applied, .. } = recorded;
    let posted_on = clock::local_date(out.now(), applied.program.time_zone());
    let rule = applied.program.earn.interactions.iter().find(|rule| rule.kind == event.kind);
    DirectAccrual {
        source: AccrualSource::Interaction,
        store: event.store.clone(),
        document: event.interaction_no.clone(),
        member_id: event.member_id,
        member_no: event.member_no.clone(),
        occurred_at: event.occurred_at,
        business_date: event.business_date,
        program_version: event.program_version,
        subject: event.kind.to_string(),
        about: event.about.clone(),
        amount: None,
        bonuses: Vec::new(),
        qualifying: true,
        awaiting: event.awaiting_activation,
        hold: rule.and_then(|rule| Hold::of(rule.pending?, event.business_date, posted_on)),
        expires_on: expires_on(&applied.program.expiry, event.business_date, posted_on),
    }
}
