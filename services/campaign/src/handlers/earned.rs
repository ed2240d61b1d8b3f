//! `points.earned`: assessed once, answered always.

use std::{collections::BTreeMap, sync::Arc};

use jifen_contracts::{event::Earned, program::AppliedProgram};
use jifen_runtime::{BatchHandler, Ctx, Event, Failure, Fates, Incoming, Outbox, Poison};
use sqlx::PgConnection;

use crate::{
    domain::{
        accrual::Accrual,
        assess::decide_assessment,
        budget::Budgets,
        offer::{list_budgets, list_offers},
    },
    outbound,
    store::{assessment, budget, participation},
};

/// Answers every accrual with what the campaigns of its program add to it.
pub struct AssessEarned;

type Batch = [Incoming<Event<Earned>>];

/// An accrual that can be assessed: its place in the batch, and the rules that it names.
struct Assessable {
    place: usize,
    rules: Arc<AppliedProgram>,
    accrual: Accrual,
}

impl BatchHandler for AssessEarned {
    type Item = Event<Earned>;
    type Prepared = ();

    async fn prepare(&self, _: &Ctx, _: &Batch) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(&self, cx: &Ctx, tx: &mut PgConnection, batch: &Batch, (): &(), out: &mut Outbox) -> Result<Fates, Failure> {
        let (assessable, fates) = read(cx, batch);
        let new = claim(tx, assessable, out).await?;
        if new.is_empty() {
            return Ok(fates);
        }
        let offers: Vec<_> = new.iter().map(|item| list_offers(&item.rules, &item.accrual)).collect();
        let limits = list_budgets(offers.iter().flatten());
        let mut budgets = Budgets::new(budget::load_locked(tx, &limits).await?);
        let answers: Vec<_> = offers.iter().map(|categories| decide_assessment(categories, &mut budgets)).collect();
        participation::save(tx, new.iter().map(|item| &item.accrual).zip(&answers), out.now()).await?;
        budget::save(tx, budgets.drawn(), &limits).await?;
        for (item, answer) in new.iter().zip(&answers) {
            outbound::announce(out, &batch[item.place].cause, &item.accrual, answer);
        }
        Ok(fates)
    }
}

/// What of a batch can be assessed, in stream order. An unknown version will be known later; a broken accrual never.
fn read(cx: &Ctx, batch: &Batch) -> (Vec<Assessable>, Fates) {
    let mut fates = Fates::done();
    let mut assessable = Vec::with_capacity(batch.len());
    for (place, incoming) in batch.iter().enumerate() {
        let earned = &incoming.item.data;
        match (cx.programs.get(earned.program_version), Accrual::try_new(earned)) {
            (_, Err(bad)) => fates.poison.push((place, Poison::invariant(bad.to_string()))),
            (None, _) => fates.retry.push((place, format!("program version {} is not known yet", earned.program_version))),
            (Some(rules), Ok(accrual)) => assessable.push(Assessable { place, rules, accrual }),
        }
    }
    (assessable, fates)
}

/// Those that nobody answered before, in stream order. Of a document that stands twice in the batch the first is kept.
async fn claim(tx: &mut PgConnection, assessable: Vec<Assessable>, out: &Outbox) -> Result<Vec<Assessable>, Failure> {
    let mut by_key: BTreeMap<(String, String), Assessable> = BTreeMap::new();
    for item in assessable {
        by_key.entry((item.accrual.store.to_string(), item.accrual.document.clone())).or_insert(item);
    }
    if by_key.is_empty() {
        return Ok(Vec::new());
    }
    let claims = by_key.values().map(|item| (&item.accrual, item.rules.version));
    let claimed = assessment::claim(tx, claims, out.now()).await?;
    let mut new: Vec<Assessable> = claimed.iter().filter_map(|key| by_key.remove(key)).collect();
    new.sort_unstable_by_key(|item| item.place);
    Ok(new)
}
