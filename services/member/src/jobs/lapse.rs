//! Once a local day: who has to be warned is warned, who was not activated in time lapses, and counters long past are forgotten.
//!
//! What is due is due up to the day of the run, so a run after a downtime finds it all; a member leaves the set with the part that
//! treats it.

use chrono::{Days, NaiveDate};
use jifen_contracts::endpoint::MemberStatus;
use jifen_kernel::clock::start_of_day;
use jifen_runtime::{Ctx, DailyJob, Due, Failure, Outbox, Step, message::Cause};
use serde_json::Value;
use sqlx::PgConnection;

use crate::{
    domain::Standing,
    handlers::Rules,
    outbound,
    store::{codes, standings},
};

/// So many members in one transaction: a fraction of a second.
const PART: i64 = 500;
/// Counters span a day at most.
const COUNTERS_DAYS: u64 = 3;

/// Warns and lapses.
#[derive(Debug)]
pub struct Lapse;

impl DailyJob for Lapse {
    const NAME: &'static str = "lapse";

    async fn run_part(&self, cx: &Ctx, tx: &mut PgConnection, due: &Due, out: &mut Outbox) -> Result<Step, Failure> {
        let Some(rules) = Rules::of(cx, out.now()) else { return Err(Failure::transient("no program is in force yet")) };
        // Days that passed while nobody ran are made up for at once: only the day of now says whether a lapse is due.
        let day = due.day.max(rules.today);
        if due.cursor.is_none() {
            let before = day.checked_sub_days(Days::new(COUNTERS_DAYS)).unwrap_or(day);
            codes::forget_counts(tx, start_of_day(before, rules.program().time_zone())).await?;
        }
        let mut ids = standings::list_lapsing(tx, day, PART).await?;
        let mut more = ids.len() >= usize::try_from(PART).map_err(Failure::defect)?;
        let warned = standings::list_to_warn(tx, day, PART).await?;
        more |= warned.len() >= usize::try_from(PART).map_err(Failure::defect)?;
        ids.extend(warned);
        if ids.is_empty() {
            return Ok(Step::Done);
        }
        let mut members = standings::load_standings(tx, &ids).await?;
        for member in members.values_mut() {
            treat(member, day, out);
        }
        standings::save_standings(tx, &members.values().collect::<Vec<_>>()).await?;
        Ok(if more { Step::More(Value::Null) } else { Step::Done })
    }
}

/// One member, read again under its lock: it may have been activated meanwhile.
fn treat(member: &mut Standing, day: NaiveDate, out: &mut Outbox) {
    let Some(lapses_on) = member.lapses_on.filter(|_| member.status == MemberStatus::Registered) else { return };
    let (cause, now) = (Cause::default(), out.now());
    if lapses_on <= day {
        member.lapse();
        member.sequence += 1;
        out.event(&cause, Some(member.sequence), &outbound::lapsed(member, now));
    } else if member.warn_on.is_some_and(|warn_on| warn_on <= day) {
        member.warn_on = None;
        out.event(&cause, None, &outbound::lapse_warned(member, lapses_on, now));
    }
}
