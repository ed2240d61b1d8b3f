//! Pairs what both sides of a wait missed: a document that still waits for a key although a member has had it for a while.
//! There should be none; each is released, and reported as a bug.

use std::{collections::HashMap, time::Duration};

use jifen_runtime::{Ctx, Failure, Job, Outbox};
use sqlx::PgConnection;

use crate::{
    handlers::{knows_the_rules, release::release},
    store::{customer_keys, parked_keys},
};

/// A registration whose documents are many releases them in several transactions: that is no bug, and takes less than this.
const GRACE_S: i64 = 60;
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
        let missed = parked_keys::list_missed(tx, out.now() - chrono::Duration::seconds(GRACE_S), KEYS).await?;
        if missed.is_empty() {
            return Ok(());
        }
        customer_keys::lock(tx, &missed).await?;
        let released = release(cx, tx, &missed, &HashMap::new(), out).await?;
        if released.count > 0 {
            cx.count("missed_pairs", Self::NAME, released.count);
            tracing::error!(
                service = cx.service,
                documents = released.count,
                "bug: parked documents and registrations had missed each other"
            );
        }
        Ok(())
    }
}
