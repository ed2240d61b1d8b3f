//! Two members whose accounts somebody has damaged by hand, and the operator who mends them.

use anyhow::{Context, Result, ensure};
use jifen_runtime::service::DeadLetterRequest;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

/// The account as it was.
#[derive(Debug)]
pub struct Damaged {
    torn: Uuid,
    unreadable: Uuid,
    head: Vec<u8>,
}

/// Damages both. The torn one's next entry gets the number of its last; of the other one the head of the chain is cut.
pub async fn damage(database: &mut PgConnection, torn: Uuid, unreadable: Uuid) -> Result<Damaged> {
    let done = sqlx::query("update points.account set sequence = sequence - 1 where member_id = $1 and sequence > 0").bind(torn);
    ensure!(done.execute(&mut *database).await?.rows_affected() == 1, "the torn account has entries");
    let head: Vec<u8> =
        sqlx::query_scalar("select head from points.account where member_id = $1").bind(unreadable).fetch_one(&mut *database).await?;
    sqlx::raw_sql("alter table points.account drop constraint account_head_check").execute(&mut *database).await?;
    sqlx::query("update points.account set head = substr(head, 1, 5) where member_id = $1")
        .bind(unreadable)
        .execute(&mut *database)
        .await?;
    Ok(Damaged { torn, unreadable, head })
}

/// Puts both back.
pub async fn mend(database: &mut PgConnection, damaged: &Damaged) -> Result<()> {
    let torn = sqlx::query("update points.account set sequence = sequence + 1 where member_id = $1").bind(damaged.torn);
    torn.execute(&mut *database).await?;
    let head = sqlx::query("update points.account set head = $2 where member_id = $1").bind(damaged.unreadable).bind(&damaged.head);
    head.execute(&mut *database).await?;
    sqlx::raw_sql("alter table points.account add constraint account_head_check check (length(head) = 32)").execute(database).await?;
    Ok(())
}

/// Dead letters of points.
pub async fn letters(database: &mut PgConnection) -> Result<Vec<Uuid>> {
    Ok(sqlx::query_scalar("select id from points.dead_letter where retried_at is null order by id").fetch_all(database).await?)
}

/// What `jifen dead-letters retry` does, for each of them.
pub async fn retry(nats: &async_nats::Client, letters: &[Uuid]) -> Result<()> {
    for id in letters {
        let asked = serde_json::to_vec(&DeadLetterRequest { id: Some(*id), limit: None })?;
        let answer = nats.request("api.points.dead_letter.retry", asked.into()).await.context("retrying a dead letter")?;
        let body: Value = serde_json::from_slice(&answer.payload)?;
        ensure!(body["letters"][0]["retried_at"].is_string(), "dead letter {id} was not retried: {body}");
    }
    Ok(())
}
