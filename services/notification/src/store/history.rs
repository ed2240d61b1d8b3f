//! What one member was told: for people, now and then.

use jifen_contracts::endpoint::HistoryMessage;
use jifen_kernel::MemberId;
use sqlx::PgPool;

/// The newest messages of a member.
pub async fn list(pool: &PgPool, member: MemberId, limit: i64) -> Result<Vec<HistoryMessage>, sqlx::Error> {
    let rows = sqlx::query!(
        "select notification_id, kind, channel, attempt, store, state, why, delivered_late, program_version, created_at, due_at, reported_at
         from send where member_id = $1 order by created_at desc, attempt desc, notification_id desc limit $2",
        member.0,
        limit
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| HistoryMessage {
            notification_id: row.notification_id,
            kind: row.kind,
            channel: row.channel,
            attempt: u32::try_from(row.attempt).unwrap_or(1),
            store: row.store,
            state: row.state,
            why: row.why,
            delivered_late: row.delivered_late,
            program_version: u32::try_from(row.program_version).unwrap_or_default(),
            created_at: row.created_at,
            due_at: row.due_at,
            reported_at: row.reported_at,
        })
        .collect())
}
