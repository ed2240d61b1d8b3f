//! Tasks of staff: announced once for a reason.

use std::collections::HashMap;

use jifen_contracts::program::AppliedProgram;
use jifen_runtime::{Ctx, Failure, Outbox, message::Cause};
use sqlx::PgConnection;

use crate::{
    domain::{occasion::Reason, task::decide_task},
    store,
};

/// Announces the tasks of these reasons, those that are new.
pub(crate) async fn give_tasks(
    cx: &Ctx,
    tx: &mut PgConnection,
    reasons: &[(&Cause, &Reason, &AppliedProgram)],
    out: &mut Outbox,
) -> Result<(), Failure> {
    let by_tier = |applied: &AppliedProgram| applied.program.messages.tasks.iter().any(|task| !task.tiers.is_empty());
    let members: Vec<_> = reasons.iter().filter(|(.., applied)| by_tier(applied)).map(|(_, reason, _)| reason.member_id).collect();
    let tiers = if members.is_empty() { HashMap::new() } else { store::members::load_tiers(tx, &members).await? };
    let (mut causes, mut tasks) = (Vec::new(), Vec::new());
    for (cause, reason, applied) in reasons {
        let (tier, zone) = (tiers.get(&reason.member_id).map(String::as_str), applied.program.time_zone());
        for task in &applied.program.messages.tasks {
            if let Some(task) = decide_task(reason, task, tier, zone, cx.ids.next(out.now()), out.now()) {
                causes.push(*cause);
                tasks.push(task);
            }
        }
    }
    let claimed = store::tasks::claim(tx, &tasks).await?;
    for (cause, task) in causes.iter().zip(&tasks).filter(|(_, task)| claimed.contains(&task.task_id)) {
        out.event(cause, None, task);
    }
    Ok(())
}
