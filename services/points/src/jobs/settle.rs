//! Settlement between stores: entries are summed as seals come, months are closed some days after their end.
//!
//! Each entry is under one seal, and seals are summed once, in their order, with the place in the same transaction: so each entry counts
//! once, also one that became visible late. It counts in the month in which it was posted; where that is closed already, in the first
//! open one. A closed month is copied to rows that nobody may change.

use std::time::Duration;

use chrono::{Datelike, Days, Months, NaiveDate, TimeDelta};
use jifen_kernel::clock;
use jifen_runtime::{Ctx, DailyJob, Due, Failure, Job, Outbox, Step};
use sqlx::PgConnection;

use crate::store::settlement;

/// Seals of one transaction.
const SEALS: i64 = 50;
/// Months closed in one transaction: more than one only after a long downtime, or where there was no settlement before.
const MONTHS: usize = 12;

/// Sums what seals bring.
pub struct Summing;

impl Job for Summing {
    const NAME: &'static str = "settlement_sums";
    const EVERY: Duration = Duration::from_secs(5);

    async fn run(&self, cx: &Ctx, tx: &mut PgConnection, out: &mut Outbox) -> Result<(), Failure> {
        let Some(applied) = cx.programs.in_force_at(out.now()) else { return Ok(()) };
        let (place, newest) = settlement::load_place(tx).await?;
        if newest > place {
            settlement::add(tx, place, newest.min(place + SEALS), &applied.program.time_zone).await?;
        }
        Ok(())
    }
}

/// Closes months.
pub struct Closing;

impl DailyJob for Closing {
    const NAME: &'static str = "settlement_close";

    async fn run_part(&self, cx: &Ctx, tx: &mut PgConnection, due: &Due, out: &mut Outbox) -> Result<Step, Failure> {
        for _ in 0..MONTHS {
            let Some(month) = settlement::first_open(tx).await? else { return Ok(Step::Done) };
            let Some(next) = month.checked_add_months(Months::new(1)) else { return Ok(Step::Done) };
            // Closed under the rules that were in force when it ended.
            let zone = cx.programs.in_force_at(out.now()).ok_or_else(|| Failure::transient("no program is known yet"))?.program.time_zone();
            let end = clock::start_of_day(next, zone) - TimeDelta::microseconds(1);
            let applied = cx.programs.in_force_at(end).ok_or_else(|| Failure::transient("no program is known for the month"))?;
            if due.day < closes_on(next, applied.program.settlement.close_day) {
                return Ok(Step::Done);
            }
            let (place, newest) = settlement::load_place(tx).await?;
            if place < newest {
                return Err(Failure::transient("not all that is sealed is summed yet"));
            }
            settlement::close(tx, month, out.now(), &applied).await?;
        }
        Ok(Step::More(serde_json::Value::Null))
    }
}

/// The day on which a month is closed; `next` is the first day behind it.
fn closes_on(next: NaiveDate, close_day: u32) -> NaiveDate {
    debug_assert_eq!(next.day(), 1);
    next.checked_add_days(Days::new(u64::from(close_day.saturating_sub(1)))).unwrap_or(next)
}
