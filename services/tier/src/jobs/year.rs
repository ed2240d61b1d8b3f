//! The year's run: warnings, steps down, entitlements that end and begin anew, and ladders that changed, each business day.
//!
//! Each member has a day on which time may next change something; the run looks at those whose day has come, by an index, and at
//! those whom it has not seen under the ladder in force. A member who was looked at is due later, so a part needs no cursor,
//! and a part that is repeated finds nobody.

use std::sync::Arc;

use jifen_contracts::program::AppliedProgram;
use jifen_kernel::clock;
use jifen_runtime::{Ctx, DailyJob, Due, Failure, Outbox, Step, message::Cause};
use serde_json::Value;
use sqlx::PgConnection;

use crate::{
    domain::ladder::same_ladder,
    settle::{Day, Heard, News, settle},
    store::standing,
};

/// Members of one part: few enough for a short transaction, enough to make its statements cheap.
const PART: i64 = 500;

/// The day's work of tiers.
pub struct YearsRun;

impl DailyJob for YearsRun {
    const NAME: &'static str = "tier_year";

    async fn run_part(&self, cx: &Ctx, tx: &mut PgConnection, due: &Due, out: &mut Outbox) -> Result<Step, Failure> {
        let Some(now) = cx.programs.in_force_at(out.now()) else { return Err(Failure::transient("no program in force is known yet")) };
        let rules = cx.programs.in_force_at(clock::start_of_day(due.day, now.program.time_zone())).unwrap_or(now);
        let ladder = first_with_this_ladder(cx, &rules);
        let members = standing::list_due(tx, due.day, ladder, PART).await?;
        if members.is_empty() {
            return Ok(Step::Done);
        }
        let mut standings = standing::lock(tx, &members).await?;
        for standing in standings.values_mut() {
            // All that time may change is looked at, and says anew when it is due.
            standing.next_due = None;
        }
        let cause = Cause::default();
        let news: Vec<News<'_>> = standings
            .keys()
            .map(|member| News { member_id: *member, cause: &cause, rules: Arc::clone(&rules), heard: Heard::Other("program") })
            .collect();
        settle(cx, tx, &mut standings, &news, Day { day: due.day, run: true }, out).await?;
        standing::save(tx, &standings).await?;
        standing::mark_seen(tx, &members, ladder).await?;
        Ok(Step::More(Value::Null))
    }
}

/// The first of the versions on end that have this one's ladder: most versions change something else, and nobody needs to be
/// looked at for them.
fn first_with_this_ladder(cx: &Ctx, rules: &Arc<AppliedProgram>) -> u32 {
    let mut first = Arc::clone(rules);
    while let Some(before) =
        first.version.checked_sub(1).and_then(|version| cx.programs.get(version)).filter(|before| same_ladder(before, rules))
    {
        first = before;
    }
    first.version
}
