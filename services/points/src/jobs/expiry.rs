//! What a day brings to points, in this order: pending ones whose days are over become spendable; what ended with the day before is
//! gone; members are reminded of what will end.
//!
//! Each part takes so many lots in the order of an index and says where the next goes on; its place is written with it. So a killed
//! copy leaves whole parts, and a million lots cost a million times what one costs. A lot's end is claimed by what is left of it,
//! under its account's lock; a reminder by its row.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use jifen_contracts::program::AppliedProgram;
use jifen_kernel::clock;
use jifen_runtime::{Ctx, DailyJob, Due, Failure, Outbox, Step, message::Cause};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;

use super::parts::{Part, Parts};
use crate::{
    domain::{ending::decide_end, expiry::reminded_of},
    handlers::{ids, member_activated::activate},
    outbound,
    store::{accounts, activations, ending, entries},
};

/// Lots of one part.
const PART: i64 = 1_000;

/// Ends points, and says so before.
pub struct Expiry(Parts);

impl Default for Expiry {
    fn default() -> Self {
        Self::in_parts_of(PART)
    }
}

impl Expiry {
    /// With so many lots in a part.
    pub fn in_parts_of(lots: i64) -> Self {
        Self(Parts::new(lots))
    }
}

/// Where a part goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
enum Phase {
    /// What waited for its day, behind this day and member.
    Activate { until: NaiveDate, member: Uuid },
    /// Ends, behind this last day and member.
    End { on: NaiveDate, member: Uuid },
    /// Reminders so many days ahead, behind this member.
    Remind { days: u32, member: Uuid },
    /// What is remembered of reminders.
    Forget,
}

impl Phase {
    /// Before every lot that there may be.
    fn first() -> Self {
        Self::Activate { until: before_all(), member: Uuid::nil() }
    }

    /// The phase behind it, under these reminders.
    fn next(self, reminders: &[u32]) -> Option<Self> {
        let remind = |days: Option<&u32>| days.map_or(Self::Forget, |days| Self::Remind { days: *days, member: Uuid::nil() });
        match self {
            Self::Activate { .. } => Some(Self::End { on: before_all(), member: Uuid::nil() }),
            Self::End { .. } => Some(remind(reminders.first())),
            Self::Remind { days, .. } => Some(remind(reminders.iter().find(|next| **next < days))),
            Self::Forget => None,
        }
    }
}

fn before_all() -> NaiveDate {
    NaiveDate::from_ymd_opt(1, 1, 1).unwrap_or_default()
}

impl DailyJob for Expiry {
    const NAME: &'static str = "expiry";

    async fn run_part(&self, cx: &Ctx, tx: &mut PgConnection, due: &Due, out: &mut Outbox) -> Result<Step, Failure> {
        let Some(applied) = cx.programs.in_force_at(out.now()) else { return Err(Failure::transient("no program is known yet")) };
        let zone = applied.program.time_zone();
        let today = clock::local_date(out.now(), zone);
        let applied = cx.programs.in_force_at(clock::start_of_day(due.day, zone)).unwrap_or(applied);
        let phase = match &due.cursor {
            Some(cursor) => serde_json::from_value(cursor.clone()).map_err(|e| Failure::defect(format!("the place of a part: {e}")))?,
            None => Phase::first(),
        };
        let part = self.0.begin();
        self.0.watch(part, self.go_on(cx, tx, (&applied, (due.day, today)), (phase, part), out)).await
    }
}

impl Expiry {
    /// Goes on from a place to the next; a day is done when all of its phases are.
    async fn go_on(
        &self,
        cx: &Ctx,
        tx: &mut PgConnection,
        (applied, (day, today)): (&AppliedProgram, (NaiveDate, NaiveDate)),
        (mut phase, part): (Phase, Part),
        out: &mut Outbox,
    ) -> Result<Step, Failure> {
        loop {
            let went_on = match phase {
                Phase::Activate { until, member } => release(cx, tx, day, ((until, member), part), out).await?,
                Phase::End { on, member } => end(cx, tx, applied, day, ((on, member), part), out).await?,
                Phase::Remind { days, member } => remind(tx, applied, (day, today), (days, member, part), out).await?,
                Phase::Forget => (ending::forget_reminders(tx, day, PART).await? > 0).then_some(Phase::Forget),
            };
            if let Some(place) = went_on {
                self.0.passed(part);
                return Ok(Step::More(serde_json::to_value(place).map_err(|e| Failure::defect(e.to_string()))?));
            }
            let Some(next) = phase.next(&applied.program.expiry.reminders) else {
                self.0.done(part, 0);
                return Ok(Step::Done);
            };
            phase = next;
        }
    }
}

/// Makes the next lots spendable whose day has come; where the next part goes on, if there was anything.
async fn release(
    cx: &Ctx,
    tx: &mut PgConnection,
    day: NaiveDate,
    (behind, part): (activations::Place, Part),
    out: &mut Outbox,
) -> Result<Option<Phase>, Failure> {
    let places = activations::list_due(tx, day, behind, part).await?;
    let Some((until, member)) = places.last().copied() else { return Ok(None) };
    let members: Vec<Uuid> = places.iter().map(|(_, member)| *member).collect::<BTreeSet<_>>().into_iter().collect();
    let accounts = accounts::load_known(tx, &members).await?;
    let lots = activations::take_due(tx, &members, day).await?;
    activate(cx, tx, accounts, lots, out).await?;
    Ok(Some(Phase::Activate { until, member }))
}

/// Ends the next lots whose last day is over; where the next part goes on, if there was anything.
async fn end(
    cx: &Ctx,
    tx: &mut PgConnection,
    applied: &AppliedProgram,
    day: NaiveDate,
    (behind, part): (ending::Place, Part),
    out: &mut Outbox,
) -> Result<Option<Phase>, Failure> {
    let places = ending::list_ended(tx, day, behind, part).await?;
    let Some((on, member)) = places.last().copied() else { return Ok(None) };
    // Load: in a later statement, which sees what the locks waited for. Lots of a member beyond this part's end with it: so a
    // member's day is never cut in two.
    let members: Vec<Uuid> = places.iter().map(|(_, member)| *member).collect::<BTreeSet<_>>().into_iter().collect();
    let mut accounts = accounts::load_known(tx, &members).await?;
    let lots = ending::load_ended(tx, &members, on).await?;
    // Decide.
    let mut next_id = ids(cx, out);
    let mut ended = Vec::new();
    for (member_id, lots) in &lots {
        let account = accounts.get_mut(member_id).ok_or_else(|| Failure::defect("a lot without an account"))?;
        for day in decide_end(account, lots, applied.version, out.now(), &mut next_id) {
            if let Some(expired) = outbound::expired(account, &day, applied.version, out.now()) {
                out.event(&Cause::default(), Some(account.sequence), &expired);
            }
            ended.extend(day.entries);
        }
    }
    // Save.
    if !ended.is_empty() {
        entries::save_entries(tx, &ended.iter().collect::<Vec<_>>()).await?;
        ending::save_ended(tx, &lots).await?;
        accounts::save(tx, &accounts).await?;
    }
    Ok(Some(Phase::End { on, member }))
}

/// Reminds the next members of what will end; where the next part goes on, if there was anybody.
async fn remind(
    tx: &mut PgConnection,
    applied: &AppliedProgram,
    (day, today): (NaiveDate, NaiveDate),
    (days, behind, part): (u32, Uuid, Part),
    out: &mut Outbox,
) -> Result<Option<Phase>, Failure> {
    let Some(on) = reminded_of(&applied.program.expiry.reminders, days, day, today) else { return Ok(None) };
    let members = ending::list_ending(tx, on, behind, part).await?;
    let Some(last) = members.last().copied() else { return Ok(None) };
    let ending = ending::load_ending(tx, on, &members.into_iter().collect()).await?;
    let new = ending::claim_reminders(tx, on, days, &ending, out.now()).await?;
    for ending in ending.iter().filter(|ending| new.contains(&ending.member_id)) {
        if let Some(expiring) = outbound::expiring(ending, (on, days), applied.version, out.now()) {
            out.event(&Cause::default(), None, &expiring);
        }
    }
    Ok(Some(Phase::Remind { days, member: last }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_come_in_their_order() {
        let mut phase = Phase::first();
        let mut seen = vec![];
        while let Some(next) = phase.next(&[60, 7]) {
            seen.push(match next {
                Phase::Remind { days, .. } => days,
                _ => 0,
            });
            phase = next;
        }
        assert_eq!(seen, [0, 60, 7, 0]);
        assert_eq!(Phase::first().next(&[]).and_then(|end| end.next(&[])), Some(Phase::Forget));
        let place = serde_json::to_value(phase).expect("json");
        assert_eq!(serde_json::from_value::<Phase>(place).expect("a place"), Phase::Forget);
    }
}
