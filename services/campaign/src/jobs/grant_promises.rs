//! Bonuses that were promised, granted some working days after a campaign's end (exact default 18).
//!
//! A promise is granted once: marked and announced in one transaction. One that is made later, for an invoice that arrived late,
//! is granted on the next day.

use jifen_kernel::clock;
use jifen_runtime::{Ctx, DailyJob, Due, Failure, Outbox, Step};
use sqlx::PgConnection;

use super::versions;
use crate::{domain::announce::list_due_promises, outbound, store::deferred};

/// Promises granted in one part.
const PROMISES_A_PART: i64 = 500;

/// Grants what is due.
#[derive(Debug, Default)]
pub struct GrantPromises;

impl DailyJob for GrantPromises {
    const NAME: &'static str = "grant_promises";

    async fn run_part(&self, cx: &Ctx, tx: &mut PgConnection, due: &Due, out: &mut Outbox) -> Result<Step, Failure> {
        let versions = versions(cx);
        let campaigns = list_due_promises(&versions.iter().map(AsRef::as_ref).collect::<Vec<_>>(), due.day);
        let promises = deferred::grant(tx, &campaigns, PROMISES_A_PART, out.now()).await?;
        let granted = i64::try_from(promises.len()).unwrap_or(PROMISES_A_PART);
        for promise in promises {
            let zone = cx.programs.get(promise.version).map_or(chrono_tz::Asia::Shanghai, |applied| applied.program.time_zone());
            // Late by a downtime, it is granted on the day on which it comes.
            let day = due.day.max(clock::local_date(out.now(), zone));
            outbound::bonus_granted(out, promise, day);
        }
        // What was granted is no longer found: the next part needs no place to go on from.
        Ok(if granted == PROMISES_A_PART { Step::More(serde_json::Value::Bool(true)) } else { Step::Done })
    }
}
