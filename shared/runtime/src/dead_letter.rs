//! What could not be processed: kept whole and sealed until an operator retries it.

use chrono::{DateTime, Utc};
use jifen_contracts::{Problem, code};
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgConnection, PgPool};
use uuid::Uuid;

use crate::{Ctx, Failure, failure::Poison, message::RawMessage, trace::TraceContext};

/// A dead letter, without its content.
#[derive(Debug, Clone, Serialize, Deserialize, FromRow)]
pub struct DeadLetter {
    /// Its key.
    pub id: Uuid,
    /// Who could not process it.
    pub consumer: String,
    /// Where it was published.
    pub subject: String,
    /// Its place in the stream.
    pub stream_sequence: i64,
    /// Why: the stable code.
    pub code: String,
    /// Why exactly.
    pub reason: String,
    /// Its trace.
    pub trace_id: Option<String>,
    /// When it was set aside.
    pub at: DateTime<Utc>,
    /// When it was published again.
    pub retried_at: Option<DateTime<Utc>>,
}

const COLUMNS: &str = "id, consumer, subject, stream_sequence, code, reason, trace_id, at, retried_at";

pub(crate) async fn save(
    cx: &Ctx,
    tx: &mut PgConnection,
    consumer: &str,
    letters: &[(&RawMessage, Option<TraceContext>, Poison)],
) -> Result<(), Failure> {
    let now = cx.clock.now();
    let mut new = 0;
    for (raw, trace, poison) in letters {
        let id = cx.ids.next(now);
        let saved = sqlx::query(
            "insert into dead_letter (id, consumer, stream, stream_sequence, subject, payload, code, reason, trace_id, at, stored_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict on constraint dead_letter_place do nothing",
        )
        .bind(id)
        .bind(consumer)
        .bind(raw.stream())
        .bind(i64::try_from(raw.stream_sequence).unwrap_or(i64::MAX))
        .bind(&raw.subject)
        .bind(cx.seal.seal(&cx.ids, &raw.payload, id.as_bytes()))
        .bind(poison.code.code)
        .bind(&poison.reason)
        .bind(trace.map(TraceContext::trace_id_hex))
        .bind(now)
        .bind(raw.stored_at)
        .execute(&mut *tx)
        .await?;
        if saved.rows_affected() == 0 {
            continue;
        }
        new += 1;
        tracing::error!(
            service = cx.service,
            consumer,
            subject = raw.subject,
            sequence = raw.stream_sequence,
            code = poison.code.code,
            reason = poison.reason,
            trace_id = trace.map(TraceContext::trace_id_hex),
            "set aside as a dead letter"
        );
    }
    cx.telemetry.count("dead_letters", cx.service, consumer, new);
    Ok(())
}

/// The newest dead letters.
pub async fn list(pool: &PgPool, limit: i64) -> Result<Vec<DeadLetter>, sqlx::Error> {
    let query = format!("select {COLUMNS} from dead_letter order by (retried_at is null) desc, at desc, id desc limit $1");
    sqlx::query_as(sqlx::AssertSqlSafe(query)).bind(limit).fetch_all(pool).await
}

/// One dead letter with its content.
pub async fn show(cx: &Ctx, id: Uuid) -> Result<(DeadLetter, Vec<u8>), Problem> {
    let failed = |error: sqlx::Error| Problem::new(code::SERVICE_UNAVAILABLE).detail(Failure::from(error).to_string());
    let query = format!("select {COLUMNS} from dead_letter where id = $1");
    let letter: Option<DeadLetter> = sqlx::query_as(sqlx::AssertSqlSafe(query)).bind(id).fetch_optional(&cx.pool).await.map_err(failed)?;
    let letter = letter.ok_or(code::DEAD_LETTER_NOT_FOUND)?;
    let sealed: Vec<u8> =
        sqlx::query_scalar("select payload from dead_letter where id = $1").bind(id).fetch_one(&cx.pool).await.map_err(failed)?;
    let payload = cx.seal.open(&sealed, id.as_bytes()).map_err(|e| Problem::new(code::SERVICE_INTERNAL).detail(e.to_string()))?;
    Ok((letter, payload))
}

/// Records that a letter was handed to its handler again.
pub(crate) async fn mark_retried(cx: &Ctx, tx: &mut PgConnection, id: Uuid) -> Result<(), Failure> {
    sqlx::query("update dead_letter set retried_at = $2 where id = $1").bind(id).bind(cx.clock.now()).execute(tx).await?;
    Ok(())
}
