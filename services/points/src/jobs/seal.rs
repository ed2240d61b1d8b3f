//! Every minute the heads of the chains that grew are put into a Merkle tree, whose root is signed, chained to the one before, stored,
//! announced, and written to a file outside of the database. (`docs/adr/0010-seals.md`)
//!
//! No posting pays for it: who has new entries is found by the time of posting, with a look back that is longer than any transaction
//! may take; and on a round through all accounts, part by part, which finds whatever that misses (a clock that went wrong, entries
//! older than seals). So nothing is left out for ever.
//!
//! **Order.** Seal, heads and event are committed together; the file is written behind the commit, at the next look, from the table.
//! A kill between any two steps leaves a table that is ahead of the file, and the next look of any copy brings the file up to it.
//! Each copy has a file of its own where copies don't share a folder, and each file becomes whole.

use std::{path::PathBuf, time::Duration};

use chrono::TimeDelta;
use jifen_proof::{
    Seal, SealingKey, Statement,
    anchors::{AnchorFile, AnchorsError},
    seal::Tree,
};
use jifen_runtime::{Ctx, Failure, Job, Outbox, message::Cause};
use sqlx::PgConnection;

use crate::{
    outbound,
    store::seals::{self, Grown},
};

/// The file's name in its folder.
pub const ANCHORS: &str = "points.jsonl";
/// What the signing key is derived for.
pub const PURPOSE: &str = "ledger seals";

/// A look for chains that grew is due after this time, or at once where one left some over.
const SEAL_EVERY: TimeDelta = TimeDelta::seconds(60);
/// How far a look reaches back beyond the one before: a posting's transaction takes two minutes at most before it is given up.
const LOOK_BACK: TimeDelta = TimeDelta::minutes(10);
/// Heads under one seal.
const HEADS: usize = 20_000;
/// Accounts of one part of the round; a part that finds something is followed by the next,
const ROUND: i64 = 2_000;
/// up to so many parts.
const ROUND_PARTS: usize = 10;
/// Seals that are read at once for the file,
const FILE_PAGE: i64 = 20;
/// and so many pages at one look.
const FILE_PAGES: usize = 100;

/// Seals chains.
pub struct Sealer;

impl Job for Sealer {
    const NAME: &'static str = "seal";
    /// More often than seals are due: so the file is seconds behind the table.
    const EVERY: Duration = Duration::from_secs(5);

    async fn run(&self, cx: &Ctx, tx: &mut PgConnection, out: &mut Outbox) -> Result<(), Failure> {
        if let Some(folder) = &cx.folder {
            // What can't be written now is written later; that is no reason not to seal.
            if let Err(error) = catch_up(tx, folder.join(ANCHORS)).await {
                tracing::error!(%error, "the seals could not be written to the anchors");
            }
        }
        let place = seals::load_place(tx).await?;
        let now = out.now();
        if place.looked_at.is_some_and(|looked| looked <= now && now - looked < SEAL_EVERY) {
            return Ok(());
        }
        let from = place.looked_to.unwrap_or(now).min(now) - LOOK_BACK;
        let mut heads = seals::list_recent(tx, from, i64::try_from(HEADS).unwrap_or(i64::MAX)).await?;
        let mut next = place.clone();
        let mut left_over = heads.len() == HEADS;
        if !left_over {
            next.looked_to = Some(now);
            for _ in 0..ROUND_PARTS {
                let (found, last) = seals::list_round(tx, next.round_to, ROUND).await?;
                let known = heads.len();
                heads.extend(found);
                heads.sort_unstable_by_key(|head| head.leaf.member_id);
                heads.dedup_by_key(|head| head.leaf.member_id);
                next.round_to = last;
                left_over = heads.len() > known && last.is_some();
                if !left_over {
                    break;
                }
            }
        }
        heads.sort_unstable_by_key(|head| head.leaf.member_id);
        if !heads.is_empty() {
            let seal = sign(cx, tx, out, &heads).await?;
            seals::save(tx, &seal, &heads).await?;
            out.event(&Cause::default(), Some(seal.statement.seal), &outbound::sealed(&seal));
        }
        next.looked_at = (!left_over).then_some(now);
        seals::save_place(tx, &next).await
    }
}

async fn sign(cx: &Ctx, tx: &mut PgConnection, out: &Outbox, heads: &[Grown]) -> Result<Seal, Failure> {
    let before = seals::find_newest(tx).await?;
    let tree = Tree::of(heads.iter().map(|head| head.leaf));
    let statement = Statement {
        seal: before.as_ref().map_or(0, |before| before.seal) + 1,
        at: out.now(),
        previous: before.map(|before| before.hash()).unwrap_or_default(),
        root: tree.root(),
        leaves: tree.leaves(),
    };
    Ok(SealingKey::new(&cx.secret_for(PURPOSE)).sign(statement))
}

/// Writes the seals that the file hasn't got yet. Refuses where file and table contradict each other: then one of them was changed.
async fn catch_up(tx: &mut PgConnection, path: PathBuf) -> Result<(), Failure> {
    let mut file = blocking(move || AnchorFile::open(&path)).await?;
    for _ in 0..FILE_PAGES {
        let last = file.last().cloned();
        // The last one once more, to see that it is the same.
        let mut page = seals::list_from(tx, last.as_ref().map_or(1, |last| last.seal), FILE_PAGE).await?;
        if let Some(last) = &last {
            let same = page.first().is_some_and(|seal| seal.statement == *last);
            if !same {
                let text =
                    format!("the anchors end with seal {}, which the database has not, or otherwise: `jifen verify` tells more", last.seal);
                return Err(Failure::Transient(text));
            }
            page.remove(0);
        }
        if page.is_empty() {
            return Ok(());
        }
        for seal in &mut page {
            let leaves = seals::list_leaves(tx, seal.statement.seal).await?;
            if !seal.is_signed() || Tree::of(leaves.iter().copied()).root() != seal.statement.root {
                return Err(Failure::Transient(format!("seal {} in the database is not as it was signed", seal.statement.seal)));
            }
            *seal = seal.clone().with_heads(&leaves);
        }
        file = blocking(move || file.append(&page).map(|()| file)).await?;
    }
    Ok(())
}

/// Files are waited for on a thread that may wait.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, AnchorsError> + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(Failure::transient)?.map_err(Failure::transient)
}
