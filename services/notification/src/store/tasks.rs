//! Tasks: a reason is given to staff once.

use std::collections::HashSet;

use jifen_contracts::event::StaffTaskDue;
use jifen_runtime::Failure;
use sqlx::PgConnection;
use uuid::Uuid;

/// Writes the tasks whose reasons are new, in key order; gives their ids.
pub async fn claim(tx: &mut PgConnection, tasks: &[StaffTaskDue]) -> Result<HashSet<Uuid>, Failure> {
    let Some(now) = tasks.first().map(|task| task.at) else { return Ok(HashSet::new()) };
    let mut tasks: Vec<&StaffTaskDue> = tasks.iter().collect();
    tasks.sort_by(|a, b| (&a.store, &a.about, a.kind.as_str(), a.member_id).cmp(&(&b.store, &b.about, b.kind.as_str(), b.member_id)));
    let written = sqlx::query_scalar!(
        "insert into task (store, about, kind, member_id, task_id, created_at)
         select *, $1::timestamptz from unnest($2::text[], $3::text[], $4::text[], $5::uuid[], $6::uuid[])
         on conflict do nothing returning task_id",
        now,
        &tasks.iter().map(|task| task.store.to_string()).collect::<Vec<_>>(),
        &tasks.iter().map(|task| task.about.clone()).collect::<Vec<_>>(),
        &tasks.iter().map(|task| task.kind.as_str().to_owned()).collect::<Vec<_>>(),
        &tasks.iter().map(|task| task.member_id.0).collect::<Vec<_>>(),
        &tasks.iter().map(|task| task.task_id).collect::<Vec<_>>(),
    )
    .fetch_all(tx)
    .await?;
    Ok(written.into_iter().collect())
}
