//! Commands whose time was over before the broker took them: announced as failed, and told on the next way.
//!
//! That nobody sent them is only thought: a copy may have published one and died before it wrote so. A gateway that has it says so
//! soon, and then it is the gateway's (see [`crate::store::delivery::load_locked`]). So it is waited for a while, and an
//! occasion reaches nobody twice.

use std::time::Duration;

use jifen_runtime::{Ctx, Failure, Job, Outbox, message::Cause};
use sqlx::PgConnection;

use crate::{handlers::report::another_way, outbound, store};

/// Messages of one run.
const ROWS: i64 = 500;
/// A gateway that has one says so within this time: as long as it takes to read a backlog of receipts.
const GATEWAY_SAYS_MINUTES: i64 = 15;

/// Says what was not sent.
#[derive(Debug)]
pub struct Unsent;

impl Job for Unsent {
    const NAME: &'static str = "unsent";
    const EVERY: Duration = Duration::from_secs(30);

    async fn run(&self, cx: &Ctx, tx: &mut PgConnection, out: &mut Outbox) -> Result<(), Failure> {
        let before = out.now() - chrono::Duration::minutes(GATEWAY_SAYS_MINUTES);
        let mut unsent = store::delivery::load_unsent(tx, before, ROWS).await?;
        let mut others = Vec::new();
        for (id, sent) in &mut unsent {
            let at = sent.delivery.reported_at.unwrap_or_else(|| out.now());
            outbound::failed(out, &Cause::default(), *id, sent, &sent.delivery, at);
            sent.was_told();
            others.extend(sent.take_sealed().and_then(|sealed| another_way(cx, sent, sealed, out)));
        }
        store::delivery::save(tx, &unsent).await?;
        store::send::claim(tx, &others, out.now()).await?;
        Ok(())
    }
}
