//! What bills say that points paid is held against what was captured for them, when both had their time: a difference is announced with
//! the bill's number, once, whichever side is missing. The way of an invoice pays no statement for it.

use std::collections::BTreeMap;

use chrono::Days;
use jifen_kernel::clock;
use jifen_runtime::{Ctx, DailyJob, Due, Failure, Outbox, Step, message::Cause};
use sqlx::PgConnection;

use crate::{
    domain::offset::{COMPARED_AFTER_DAYS, captured},
    outbound,
    store::{
        accruals::DocumentKey,
        offsets::{self, Difference, Paid},
    },
};

/// Bills of one part.
const PART: i64 = 500;

/// Compares what points paid.
pub struct Offsets;

impl DailyJob for Offsets {
    const NAME: &'static str = "offsets";

    async fn run_part(&self, cx: &Ctx, tx: &mut PgConnection, due: &Due, out: &mut Outbox) -> Result<Step, Failure> {
        let applied = cx.programs.in_force_at(out.now()).ok_or_else(|| Failure::transient("no program is known yet"))?;
        let zone = applied.program.time_zone();
        let behind: DocumentKey = match &due.cursor {
            Some(cursor) => serde_json::from_value(cursor.clone()).map_err(|e| Failure::defect(format!("the place of a part: {e}")))?,
            None => DocumentKey::default(),
        };
        let Some(day) = due.day.checked_sub_days(Days::new(COMPARED_AFTER_DAYS)) else { return Ok(Step::Done) };
        let time = (clock::start_of_day(day, zone), clock::start_of_day(day + Days::new(1), zone));
        let keys = offsets::list(tx, (Self::NAME, day), time, &behind, PART).await?;
        let Some(last) = keys.last() else { return Ok(Step::Done) };
        let mut found: BTreeMap<DocumentKey, (Paid, Difference)> = BTreeMap::new();
        for paid in offsets::load(tx, &keys).await? {
            if let Some(difference) = differs(cx, &paid)? {
                found.insert(difference.0.clone(), (paid, difference));
            }
        }
        let differences: Vec<Difference> = found.values().map(|(_, difference)| difference.clone()).collect();
        let new = offsets::claim(tx, &differences, out.now()).await?;
        for (paid, difference) in found.values().filter(|(_, difference)| new.contains(&difference.0)) {
            out.event(&Cause::default(), None, &outbound::offset_differs(paid, difference, out.now()));
        }
        Ok(Step::More(serde_json::to_value(last).map_err(|e| Failure::defect(e.to_string()))?))
    }
}

/// The difference, if there is one.
fn differs(cx: &Ctx, paid: &Paid) -> Result<Option<Difference>, Failure> {
    let mut holds = Vec::with_capacity(paid.captured.len());
    for (points, version) in paid.captured.values() {
        let rules = cx.programs.get(*version).ok_or_else(|| Failure::transient("a program isn't known yet"))?;
        holds.push((*points, rules.program.redemption.points_per_yuan));
    }
    let (points, worth) = captured(&holds);
    let key = (paid.store.to_string(), paid.document.clone());
    Ok((worth != paid.said).then_some((key, paid.said, points, worth)))
}
