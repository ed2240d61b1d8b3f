//! Interactions that waited for their order: rewarded when it is posted, or recorded with 0 points when it never came.
//!
//! The posting of invoices knows nothing of them: so an invoice costs what it costs without interactions, and a look costs one
//! statement while nothing waits.

use std::time::Duration;

use chrono::Days;
use jifen_kernel::clock;
use jifen_runtime::{Ctx, Failure, Job, Outbox};
use sqlx::PgConnection;

use super::parts::Parts;
use crate::{
    domain::interaction::ORDER_WAIT_DAYS,
    handlers::interaction_recorded::{Recorded, reward, rule_of},
    store::waiting,
};

/// Released in one transaction at most.
const PART: i64 = 500;

/// Releases interactions.
pub struct Release(Parts);

impl Default for Release {
    fn default() -> Self {
        Self(Parts::new(PART))
    }
}

impl Job for Release {
    const NAME: &'static str = "release";
    const EVERY: Duration = Duration::from_secs(1);

    async fn run(&self, cx: &Ctx, tx: &mut PgConnection, out: &mut Outbox) -> Result<(), Failure> {
        let Some(applied) = cx.programs.in_force_at(out.now()) else { return Ok(()) };
        let today = clock::local_date(out.now(), applied.program.time_zone());
        let given_up = today.checked_sub_days(Days::new(ORDER_WAIT_DAYS)).unwrap_or(today);
        let part = self.0.begin();
        let ready = waiting::list_ready(tx, given_up, part).await?;
        let mut known = Vec::with_capacity(ready.len());
        for waiting in &ready {
            // Its rules were known when it began to wait; a copy that has just started may learn them yet.
            if let Ok(Some(applied)) = rule_of(cx, &waiting.event) {
                known.push(Recorded { event: &waiting.event, id: waiting.event_id, cause: &waiting.cause, applied });
            }
        }
        if !known.is_empty() {
            reward(cx, tx, &known, true, out).await?;
            let keys: Vec<_> = known.iter().map(|one| (one.event.store.to_string(), one.event.interaction_no.clone())).collect();
            waiting::delete_waiting(tx, &keys).await?;
        }
        self.0.done(part, known.len());
        Ok(())
    }
}
