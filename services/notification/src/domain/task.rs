//! What staff are asked to do, and when.

use chrono::{DateTime, Duration, Utc};
use chrono_tz::Tz;
use jifen_contracts::{event::StaffTaskDue, program::StaffTask};
use jifen_kernel::clock;
use uuid::Uuid;

use super::occasion::{From, Reason};

/// The task of a reason: days are counted from its own. `tier` is the member's, as far as it is known.
pub fn decide_task(
    reason: &Reason,
    task: &StaffTask,
    tier: Option<&str>,
    zone: Tz,
    task_id: Uuid,
    now: DateTime<Utc>,
) -> Option<StaffTaskDue> {
    let from = match reason.from {
        From::Day(day) => day,
        From::DayOf(at) => clock::local_date(at, zone),
    };
    let concerned = task.tiers.is_empty() || tier.is_some_and(|tier| task.tiers.iter().any(|wanted| wanted.as_str() == tier));
    (task.kind == reason.kind && concerned).then(|| StaffTaskDue {
        task_id,
        kind: task.kind,
        store: reason.store.clone(),
        member_id: reason.member_id,
        member_no: reason.member_no.clone(),
        due: from + Duration::days(i64::from(task.from_days)),
        until: from + Duration::days(i64::from(task.to_days)),
        about: reason.about.clone(),
        at: now,
    })
}
