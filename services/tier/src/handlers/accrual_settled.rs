//! `points.accrual_settled`: counted once towards the member's tier.

use std::{collections::BTreeMap, sync::Arc};

use jifen_contracts::{event::AccrualSettled, program::AppliedProgram};
use jifen_runtime::{BatchHandler, Ctx, Event, Failure, Fates, Incoming, Outbox, Poison};
use sqlx::PgConnection;

use crate::{
    domain::{contribution::Contribution, standing::decide_standing},
    outbound,
    store::{contribution, standing},
};

/// Adds accruals up and announces the steps that they take.
pub struct CountAccruals;

type Batch = [Incoming<Event<AccrualSettled>>];

/// An accrual that can be counted: its place in the batch, and the rules that it names.
struct Countable {
    place: usize,
    rules: Arc<AppliedProgram>,
    contribution: Contribution,
}

impl BatchHandler for CountAccruals {
    type Item = Event<AccrualSettled>;
    type Prepared = ();

    async fn prepare(&self, _: &Ctx, _: &Batch) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(&self, cx: &Ctx, tx: &mut PgConnection, batch: &Batch, (): &(), out: &mut Outbox) -> Result<Fates, Failure> {
        let (countable, fates) = read(cx, batch);
        let new = claim(tx, countable, out).await?;
        if new.is_empty() {
            return Ok(fates);
        }
        let members = new.iter().map(|item| (item.contribution.member_id, item.contribution.member_no.as_str())).collect();
        let mut standings = standing::load_locked(tx, &members).await?;
        for Countable { place, rules, contribution } in &new {
            let missing = || Failure::defect("a standing that was locked is missing");
            let standing = standings.get_mut(&contribution.member_id).ok_or_else(missing)?;
            if let Some(upgrade) = decide_standing(standing, rules, contribution.qualifying, out.now()) {
                let event = outbound::tier_upgraded(contribution, &upgrade);
                out.event(&batch[*place].cause, Some(upgrade.ordinal), &event);
            }
        }
        standing::save(tx, &standings).await?;
        Ok(fates)
    }
}

/// What of a batch can be counted, in stream order. An unknown version will be known later; a broken accrual never.
fn read(cx: &Ctx, batch: &Batch) -> (Vec<Countable>, Fates) {
    let mut fates = Fates::done();
    let mut countable = Vec::with_capacity(batch.len());
    for (place, incoming) in batch.iter().enumerate() {
        let settled = &incoming.item.data;
        match (cx.programs.get(settled.program_version), Contribution::try_new(settled)) {
            (_, Err(bad)) => fates.poison.push((place, Poison::invariant(bad.to_string()))),
            (None, _) => fates.retry.push((place, format!("program version {} is not known yet", settled.program_version))),
            (Some(rules), Ok(contribution)) => countable.push(Countable { place, rules, contribution }),
        }
    }
    (countable, fates)
}

/// Those that were never counted, in stream order. Of a document that stands twice in the batch the first is kept.
async fn claim(tx: &mut PgConnection, countable: Vec<Countable>, out: &Outbox) -> Result<Vec<Countable>, Failure> {
    let mut by_key: BTreeMap<(String, String), Countable> = BTreeMap::new();
    for item in countable {
        by_key.entry((item.contribution.store.to_string(), item.contribution.document.clone())).or_insert(item);
    }
    if by_key.is_empty() {
        return Ok(Vec::new());
    }
    let claims: Vec<&Contribution> = by_key.values().map(|item| &item.contribution).collect();
    let claimed = contribution::claim(tx, &claims, out.now()).await?;
    let mut new: Vec<Countable> = claimed.iter().filter_map(|key| by_key.remove(key)).collect();
    new.sort_unstable_by_key(|item| item.place);
    Ok(new)
}
