//! Mutating requests count once, for ever: (endpoint, `operation_id`) is claimed in the transaction of the effect, and
//! the answer is stored with it. A concurrent repeat waits at the claim until the first has committed.

use std::collections::HashMap;

use serde_json::Value;
use sqlx::PgConnection;

use crate::{Ctx, Failure};

/// One request's claim.
pub(crate) struct Claim {
    pub(crate) operation_id: String,
    pub(crate) hash: Vec<u8>,
}

/// What a claim met.
pub(crate) enum Met {
    /// Nobody was here before.
    New,
    /// The same request was answered with this; `true`: refused.
    Answered(Value, bool),
    /// Another request used the id.
    Conflict,
}

/// Claims operations; answers in their order. `claims` hold each id once.
pub(crate) async fn claim(cx: &Ctx, tx: &mut PgConnection, endpoint: &str, claims: &[Claim]) -> Result<Vec<Met>, Failure> {
    let mut sorted: Vec<&Claim> = claims.iter().collect();
    sorted.sort_unstable_by(|a, b| a.operation_id.cmp(&b.operation_id));
    let ids: Vec<&str> = sorted.iter().map(|claim| claim.operation_id.as_str()).collect();
    let hashes: Vec<&[u8]> = sorted.iter().map(|claim| claim.hash.as_slice()).collect();
    let new: Vec<String> = sqlx::query_scalar(
        "insert into operation (endpoint, operation_id, request_hash, created_at)
         select $1, u.id, u.hash, $4 from unnest($2::text[], $3::bytea[]) u(id, hash)
         on conflict do nothing returning operation_id",
    )
    .bind(endpoint)
    .bind(&ids)
    .bind(&hashes)
    .bind(cx.clock.now())
    .fetch_all(&mut *tx)
    .await?;
    let mut met: HashMap<String, Met> = new.into_iter().map(|id| (id, Met::New)).collect();
    if met.len() < claims.len() {
        // A later statement: its snapshot sees what the claim waited for.
        let known: Vec<(String, Vec<u8>, Option<Value>, bool)> = sqlx::query_as(
            "select operation_id, request_hash, answer, refused from operation where endpoint = $1 and operation_id = any($2)",
        )
        .bind(endpoint)
        .bind(&ids)
        .fetch_all(tx)
        .await?;
        for (id, hash, answer, refused) in known {
            let same = claims.iter().any(|claim| claim.operation_id == id && claim.hash == hash);
            let found = match answer {
                Some(answer) if same => Met::Answered(answer, refused),
                _ => Met::Conflict,
            };
            met.entry(id).or_insert(found);
        }
    }
    claims
        .iter()
        .map(|claim| met.remove(&claim.operation_id).ok_or_else(|| Failure::transient("an operation vanished between two statements")))
        .collect()
}

/// Stores the answers of new operations; those without one (a transient refusal) are given free again.
pub(crate) async fn answer(tx: &mut PgConnection, endpoint: &str, answers: &[(String, Option<(Value, bool)>)]) -> Result<(), Failure> {
    let stored: Vec<(&str, &Value, bool)> =
        answers.iter().filter_map(|(id, answer)| answer.as_ref().map(|(value, refused)| (id.as_str(), value, *refused))).collect();
    sqlx::query(
        "update operation o set answer = u.answer, refused = u.refused
         from unnest($2::text[], $3::jsonb[], $4::bool[]) u(id, answer, refused)
         where o.endpoint = $1 and o.operation_id = any($2) and o.operation_id = u.id",
    )
    .bind(endpoint)
    .bind(stored.iter().map(|row| row.0).collect::<Vec<_>>())
    .bind(stored.iter().map(|row| row.1).collect::<Vec<_>>())
    .bind(stored.iter().map(|row| row.2).collect::<Vec<_>>())
    .execute(&mut *tx)
    .await?;
    let freed: Vec<&str> = answers.iter().filter(|(_, answer)| answer.is_none()).map(|(id, _)| id.as_str()).collect();
    if !freed.is_empty() {
        sqlx::query("delete from operation where endpoint = $1 and operation_id = any($2)").bind(endpoint).bind(&freed).execute(tx).await?;
    }
    Ok(())
}
