//! `points.reversed`: bonuses that a correction took back return to what they were drawn from, each entry once. That comes behind
//! the assessment always: what is taken back was posted, and what was posted had been granted here. What it leaves of the invoice may
//! be said before the assessment; it is kept, and cuts what is promised for the invoice, whichever comes first.

use std::collections::{BTreeMap, BTreeSet};

use jifen_contracts::event::{AccrualSource, Reversed};
use jifen_runtime::{BatchHandler, Ctx, Event, Failure, Fates, Incoming, Outbox};
use sqlx::PgConnection;

use super::promises::{self, Left};
use crate::{
    domain::{
        net::Corrected,
        returned::{Returned, Returns, list_returned},
    },
    store::{
        corrected::{self, DocumentKey},
        returned,
    },
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
        out: &mut Outbox,
    ) -> Result<Fates, Failure> {
        let (mut fates, mut all, mut about) = (Fates::done(), BTreeMap::new(), BTreeMap::new());
        let mut said: Vec<&Reversed> = Vec::new();
        for (place, Incoming { item, .. }) in batch.iter().enumerate() {
            let bonuses = list_returned(&item.data);
            if let Some(bonus) = bonuses.iter().find(|bonus| cx.programs.get(bonus.version).is_none()) {
                fates.retry.push((place, format!("program version {} is not known yet", bonus.version)));
                continue;
            }
            about.extend(bonuses.iter().map(|bonus| ((bonus.store.to_string(), bonus.document.clone()), bonus.member_id)));
            all.extend(bonuses.into_iter().map(|bonus| (bonus.entry_id, bonus)));
            if item.data.source == AccrualSource::Invoice && !item.data.left.is_empty() {
                about.insert(key_of(&item.data), item.data.member_id);
                said.push(&item.data);
            }
        }
        // Claim, then lock.
        let new = if all.is_empty() { BTreeSet::new() } else { returned::claim(tx, &all).await? };
        let before = corrected::load_locked(tx, &about).await?;
        let mut known = before.clone();
        let mut returns = Returns::default();
        return_bonuses(cx, new.iter().filter_map(|entry| all.get(entry)), &mut known, &mut returns);
        let mut left: BTreeMap<DocumentKey, Left> = BTreeMap::new();
        for event in said {
            let Some(known) = known.get_mut(&key_of(event)) else { continue };
            known.member_id = event.member_id;
            if known.listen(&event.left) {
                let categories = known.left.clone().unwrap_or_default();
                let at = left.get(&key_of(event)).map_or(event.at, |earlier| earlier.at.min(event.at));
                left.insert(key_of(event), Left { categories, at, is_new: false });
            }
        }
        known.retain(|key, known| before.get(key) != Some(known));
        corrected::save(tx, &known).await?;
        promises::cut(cx, tx, &left, &mut returns, out).await?;
        returned::give_back(tx, &returns).await?;
        Ok(fates)
    }
}

fn key_of(event: &Reversed) -> DocumentKey {
    (event.store.to_string(), event.document.clone())
}

/// Returns what entries took back, but for what was given back ahead of them.
fn return_bonuses<'a>(
    cx: &Ctx,
    new: impl Iterator<Item = &'a Returned>,
    known: &mut BTreeMap<DocumentKey, Corrected>,
    returns: &mut Returns,
) {
    let newest = cx.programs.newest();
    for bonus in new {
        let Some(then) = cx.programs.get(bonus.version) else { continue };
        let of = known.get_mut(&(bonus.store.to_string(), bonus.document.clone()));
        let points = of.map_or(bonus.points, |known| known.not_ahead(&bonus.campaign, bonus.points));
        if points.is_positive() {
            returns.add(&Returned { points, ..bonus.clone() }, &then, newest.as_deref());
        }
    }
}
