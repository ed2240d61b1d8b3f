//! Interactions that waited for their order: rewarded when it is posted, or recorded with 0 points when it never came.
//!
//! The posting of invoices knows nothing of them: so an invoice costs what it costs without interactions, and a look costs one
//! statement while nothing waits. What still waits is looked at ever more seldom: an order that never comes (its number may be no
//! invoice's at all) costs a look an hour, and stands in nobody's way.

use std::time::Duration;

use chrono::{Days, NaiveDate};
use jifen_contracts::event::InteractionRecorded;
use jifen_kernel::clock;
use jifen_runtime::{Ctx, Failure, Job, Outbox};
use sqlx::PgConnection;

use super::parts::{Part, Parts};
use crate::{
    domain::interaction::ORDER_WAIT_DAYS,
    handlers::interaction_recorded::{Recorded, reward, rule_of},
    store::{accruals::DocumentKey, waiting},
};

/// Looked at in one transaction at most.
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
        self.0.watch(part, self.look(cx, tx, (part, given_up), out)).await
    }
}

impl Release {
    async fn look(&self, cx: &Ctx, tx: &mut PgConnection, (part, given_up): (Part, NaiveDate), out: &mut Outbox) -> Result<(), Failure> {
        let due = waiting::list_due(tx, given_up, out.now(), part).await?;
        let (mut known, mut later) = (Vec::with_capacity(due.len()), Vec::new());
        for waiting in &due {
            // Its rules were known when it began to wait; a copy that has just started may learn them yet.
            match rule_of(cx, &waiting.event) {
                Ok(Some(applied)) if waiting.ready => {
                    known.push(Recorded { event: &waiting.event, id: waiting.event_id, cause: &waiting.cause, applied });
                }
                _ => later.push(key_of(&waiting.event)),
            }
        }
        waiting::look_later(tx, &later, out.now()).await?;
        if !known.is_empty() {
            reward(cx, tx, &known, true, out).await?;
            let keys: Vec<_> = known.iter().map(|one| key_of(one.event)).collect();
            waiting::delete_waiting(tx, &keys).await?;
        }
        self.0.done(part, due.len());
        Ok(())
    }
}

fn key_of(event: &InteractionRecorded) -> DocumentKey {
    (event.store.to_string(), event.interaction_no.clone())
}
