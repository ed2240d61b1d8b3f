//! `points.reversed`: taken off what was counted, once, and with it the tier that is no longer earned.
//!
//! An accrual and its correction meet under the lock of the member's standing. Who comes first leaves a word: the accrual its
//! contribution, the correction its deduction and one more in [`Standing::waiting`], which the accrual reads with its lock.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jifen_contracts::event::Reversed;
use jifen_runtime::{BatchHandler, Ctx, Event, Failure, Fates, Incoming, Outbox};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    domain::deduction::{Cut, Deduction, Of},
    settle::{Day, Heard, News, settle},
    store::{deduction, standing},
};

/// Takes back what corrections say.
pub struct Deduct;

impl BatchHandler for Deduct {
    type Item = Event<Reversed>;
    type Prepared = ();

    async fn prepare(&self, _: &Ctx, _: &[Incoming<Self::Item>]) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(
        &self,
        cx: &Ctx,
        tx: &mut PgConnection,
        batch: &[Incoming<Self::Item>],
        (): &(),
        out: &mut Outbox,
    ) -> Result<Fates, Failure> {
        let Some(rules) = cx.programs.in_force_at(out.now()) else {
            let retry = (0..batch.len()).map(|place| (place, "no program in force is known yet".to_owned()));
            return Ok(Fates { retry: retry.collect(), ..Fates::done() });
        };
        let mut new = claim(tx, batch, out).await?;
        if new.is_empty() {
            return Ok(Fates::done());
        }
        new.sort_unstable_by_key(|(place, _)| *place);
        let members = new.iter().map(|(_, one)| (one.member_id, (one.member_no.as_str(), &one.store))).collect();
        let mut standings = standing::load_locked(tx, &members).await?;
        // A later statement: it sees what was counted by whoever held the lock.
        let accruals: BTreeSet<Of> = new.iter().map(|(_, one)| one.of_accrual()).collect();
        let counted = deduction::list_counted(tx, &accruals).await?;
        let mut news = Vec::with_capacity(new.len());
        for (place, one) in &new {
            if counted.contains(&one.of_accrual()) {
                news.push(News {
                    member_id: one.member_id,
                    cause: &batch[*place].cause,
                    rules: Arc::clone(&rules),
                    heard: Heard::Deduction { qualifying: one.cut().qualifying, store: &one.store },
                });
            } else if let Some(standing) = standings.get_mut(&one.member_id) {
                standing.waiting += 1;
            }
        }
        settle(cx, tx, &mut standings, &news, Day::today(out, &rules), out).await?;
        standing::save(tx, &standings).await?;
        Ok(Fates::done())
    }
}

/// What was never heard of, with its place in the batch; of each the entries that nobody had taken back.
async fn claim(tx: &mut PgConnection, batch: &[Incoming<Event<Reversed>>], out: &Outbox) -> Result<Vec<(usize, Deduction)>, Failure> {
    let (mut deductions, mut places) = (BTreeMap::new(), BTreeMap::new());
    let (mut heard, mut taken): (BTreeSet<Uuid>, BTreeSet<Uuid>) = (BTreeSet::new(), BTreeSet::new());
    for (place, incoming) in batch.iter().enumerate() {
        if !heard.insert(incoming.item.id) {
            continue;
        }
        for mut one in Deduction::of(incoming.item.id, &incoming.item.data) {
            one.entries.retain(|entry, _| taken.insert(*entry));
            // What moves nothing that counts is nothing here.
            if one.cut() != Cut::default() {
                places.insert(one.event_id, place);
                deductions.insert(one.event_id, one);
            }
        }
    }
    if deductions.is_empty() {
        return Ok(Vec::new());
    }
    let new_entries = deduction::claim_entries(tx, &deductions).await?;
    for one in deductions.values_mut() {
        one.keep(&new_entries);
    }
    let new = deduction::claim(tx, &deductions, out.now()).await?;
    Ok(deductions.into_iter().filter(|(id, _)| new.contains(id)).map(|(id, one)| (places[&id], one)).collect())
}
