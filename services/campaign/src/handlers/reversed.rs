//! `points.reversed`: bonuses that a correction took back return to what they were drawn from, each entry once. That comes behind
//! the assessment always: what is taken back was posted, and what was posted had been granted here.

use std::collections::BTreeMap;

use jifen_contracts::event::Reversed;
use jifen_runtime::{BatchHandler, Ctx, Event, Failure, Fates, Incoming, Outbox};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    domain::returned::{Returned, Returns, list_returned},
    store::returned,
};

/// Returns bonuses.
#[derive(Debug)]
pub struct ReturnBonuses;

impl BatchHandler for ReturnBonuses {
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
        _: &mut Outbox,
    ) -> Result<Fates, Failure> {
        let mut fates = Fates::done();
        let mut all: BTreeMap<Uuid, Returned> = BTreeMap::new();
        for (place, incoming) in batch.iter().enumerate() {
            let bonuses = list_returned(&incoming.item.data);
            match bonuses.iter().find(|bonus| cx.programs.get(bonus.version).is_none()) {
                Some(bonus) => fates.retry.push((place, format!("program version {} is not known yet", bonus.version))),
                None => all.extend(bonuses.into_iter().map(|bonus| (bonus.entry_id, bonus))),
            }
        }
        if all.is_empty() {
            return Ok(fates);
        }
        let new = returned::claim(tx, &all).await?;
        let newest = cx.programs.newest();
        let mut returns = Returns::default();
        for bonus in new.iter().filter_map(|entry| all.get(entry)) {
            if let Some(then) = cx.programs.get(bonus.version) {
                returns.add(bonus, &then, newest.as_deref());
            }
        }
        returned::give_back(tx, &returns).await?;
        Ok(fates)
    }
}
