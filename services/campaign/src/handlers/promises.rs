//! Promises of corrected invoices: each is cut to what is due of it, so that what a refund took is free for others at once, and what is
//! granted in the end is what stays.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use jifen_contracts::event::CategoryBase;
use jifen_kernel::{MemberId, Points, Token};
use jifen_runtime::{Ctx, Failure, Outbox};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    domain::{
        budget::Budgets,
        net::{Corrected, due},
        returned::{Returned, Returns},
    },
    store::{
        corrected::{self, DocumentKey},
        deferred::{self, Promise},
        participation, returned,
    },
};

/// What is left of a locked invoice, and since when.
#[derive(Debug)]
pub struct Left {
    /// By category.
    pub categories: Vec<CategoryBase>,
    /// When that was said.
    pub at: DateTime<Utc>,
    /// The promise is made just now: what isn't due of it was never to be drawn.
    pub is_new: bool,
}

/// Others take the place of these locked invoices: nothing is left of them, and what is promised for them is free. Gives back what
/// returns.
pub async fn vacate(
    cx: &Ctx,
    tx: &mut PgConnection,
    replaced: &mut BTreeMap<DocumentKey, Corrected>,
    out: &Outbox,
) -> Result<Returns, Failure> {
    let mut returns = Returns::default();
    for known in replaced.values_mut() {
        known.listen(&[]);
    }
    let left = replaced.keys().map(|key| (key.clone(), Left { categories: Vec::new(), at: out.now(), is_new: false })).collect();
    cut(cx, tx, &left, &mut returns, out).await?;
    Ok(returns)
}

/// What campaigns posted for invoices whose place others take returns to these locked budgets and shares, ahead of the entries that
/// take it back: until those come it is remembered. Where it was drawn from what isn't locked here, it waits for them. Asks nothing for
/// no invoice.
///
/// It is asked behind the locks: an assessment of the first invoice that was under way is seen.
pub async fn return_ahead(
    cx: &Ctx,
    tx: &mut PgConnection,
    replaced: &mut BTreeMap<DocumentKey, Corrected>,
    (limits, caps): (&BTreeMap<Token, Points>, &BTreeSet<(MemberId, Token)>),
    budgets: &mut Budgets,
    out: &Outbox,
) -> Result<(), Failure> {
    if replaced.is_empty() {
        return Ok(());
    }
    let newest = cx.programs.newest();
    for standing in participation::list_standing(tx, &replaced.keys().cloned().collect::<Vec<_>>(), out.now()).await? {
        let Some(known) = replaced.get_mut(&(standing.store.to_string(), standing.document.clone())) else { continue };
        let then = cx.programs.get(standing.version).ok_or_else(|| Failure::transient("the version of a bonus isn't known here yet"))?;
        let ahead = known.ahead.get(&standing.campaign).copied().unwrap_or_default();
        let standing = Returned { points: standing.points - ahead, ..standing };
        let mut returns = Returns::default();
        returns.add(&standing, &then, newest.as_deref());
        let is_locked = returns.budgets.keys().all(|key| limits.contains_key(key)) && returns.shares.keys().all(|key| caps.contains(key));
        if standing.points.is_positive() && is_locked && returns != Returns::default() {
            budgets.give_back(&returns);
            known.ahead.insert(standing.campaign, ahead + standing.points);
        }
    }
    corrected::save(tx, replaced).await
}

/// Cuts what is promised for these invoices, whose rows are locked. A promise that is granted is left alone: what is taken back of it
/// then is an entry of the ledger. Asks nothing for none.
pub async fn cut(
    cx: &Ctx,
    tx: &mut PgConnection,
    left: &BTreeMap<DocumentKey, Left>,
    returns: &mut Returns,
    out: &Outbox,
) -> Result<(), Failure> {
    if left.is_empty() {
        return Ok(());
    }
    let newest = cx.programs.newest();
    let mut less: Vec<Promise> = Vec::new();
    let mut came_back: BTreeMap<Uuid, Returned> = BTreeMap::new();
    for mut promise in deferred::load_open_locked(tx, &left.keys().cloned().collect::<Vec<_>>()).await? {
        let Some(left) = left.get(&(promise.store.to_string(), promise.document.clone())) else { continue };
        let points = due(promise.points, &mut promise.bonuses, &left.categories);
        if points == promise.points {
            continue;
        }
        let then = cx.programs.get(promise.version).ok_or_else(|| Failure::transient("the version of a promise isn't known here yet"))?;
        let cut_off = Returned {
            entry_id: cx.ids.next(out.now()),
            member_id: promise.member_id,
            store: promise.store.clone(),
            document: promise.document.clone(),
            campaign: promise.campaign.clone(),
            version: promise.version,
            category: String::new(),
            points: promise.points - points,
            at: left.at,
        };
        if left.is_new {
            returns.undo(&cut_off, &then);
        } else {
            returns.add(&cut_off, &then, newest.as_deref());
        }
        came_back.insert(cut_off.entry_id, cut_off);
        less.push(Promise { points, ..promise });
    }
    if less.is_empty() {
        return Ok(());
    }
    deferred::save_cut(tx, &less).await?;
    returned::claim(tx, &came_back).await?;
    Ok(())
}
