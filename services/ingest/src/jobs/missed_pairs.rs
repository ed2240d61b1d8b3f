//! Pairs what both sides of a wait missed: a document that still waits for a key although a member has had it for a while, a
//! correction whose invoice was accepted a while ago. There should be none; each is released, and reported as a bug.

use std::{collections::HashMap, time::Duration};

use jifen_runtime::{Ctx, Failure, Job, Outbox, message::Cause};
use sqlx::PgConnection;

use crate::{
    handlers::{
        corrections::{Settled, follow},
        knows_the_rules,
        release::release,
    },
    store::{corrections, customer_keys, documents, parked_keys},
};

/// A registration whose documents are many releases them in several transactions: that is no bug, and takes less than this.
const GRACE_S: i64 = 60;
/// What both sides missed, they missed within seconds of each other; a day covers any time in which nobody could look.
const LOOKED_BACK_H: i64 = 24;
/// Keys of one run.
const KEYS: i64 = 1_000;

/// Looks for missed pairs.
#[derive(Debug)]
pub struct MissedPairs;

impl Job for MissedPairs {
    const NAME: &'static str = "missed_pairs";
    const EVERY: Duration = Duration::from_mins(1);

    async fn run(&self, cx: &Ctx, tx: &mut PgConnection, out: &mut Outbox) -> Result<(), Failure> {
        if !knows_the_rules(cx) {
            return Ok(());
        }
        let before = out.now() - chrono::Duration::seconds(GRACE_S);
        let missed = parked_keys::list_missed(tx, before - chrono::Duration::hours(LOOKED_BACK_H), before, KEYS).await?;
        if !missed.is_empty() {
            customer_keys::lock(tx, &missed).await?;
            let released = release(cx, tx, &missed, &HashMap::new(), out).await?;
            report(cx, released.count, "bug: parked documents and registrations had missed each other");
        }
        let missed = corrections::list_missed(tx, before, KEYS).await?;
        if !missed.is_empty() {
            documents::claim(tx, &[], &missed, out.now()).await?;
            let awaited = missed.into_iter().map(|invoice| (invoice, Cause::default())).collect();
            let count = follow(cx, tx, &Settled { awaited, replacing: Vec::new() }, out).await?;
            report(cx, count, "bug: corrections and their invoices had missed each other");
        }
        Ok(())
    }
}

fn report(cx: &Ctx, documents: usize, bug: &str) {
    if documents > 0 {
        cx.count("missed_pairs", MissedPairs::NAME, documents);
        tracing::error!(service = cx.service, documents, "{bug}");
    }
}
