//! Forgets what was kept of messages for another way, once no gateway can say any more that they didn't arrive.

use std::time::Duration;

use jifen_runtime::{Ctx, Failure, Job, Outbox};
use sqlx::PgConnection;

use crate::store;

/// A gateway's receipt stays in its stream for three days; a day more for outages.
const KEPT_HOURS: i64 = 96;
/// Messages of one run.
const ROWS: i64 = 5_000;

/// Drops what is kept for nothing.
#[derive(Debug)]
pub struct Forget;

impl Job for Forget {
    const NAME: &'static str = "forget";
    const EVERY: Duration = Duration::from_mins(10);

    async fn run(&self, _: &Ctx, tx: &mut PgConnection, out: &mut Outbox) -> Result<(), Failure> {
        store::due::forget(tx, out.now() - chrono::Duration::hours(KEPT_HOURS), ROWS).await
    }
}
