//! Claims: an occasion's key is taken by the row that holds its outcome.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use jifen_runtime::Failure;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::domain::{
    delivery::State,
    send::{CHANNEL, Outcome, Send},
};

/// Writes the sends whose keys are free, in key order; of equal keys in one batch the first. Gives the ids of those written.
pub async fn claim(tx: &mut PgConnection, sends: &[&Send], now: DateTime<Utc>) -> Result<HashSet<Uuid>, Failure> {
    if sends.is_empty() {
        return Ok(HashSet::new());
    }
    let mut sends = sends.to_vec();
    sends.sort_by(|a, b| (a.member_id, a.kind.as_str(), &a.business_key).cmp(&(b.member_id, b.kind.as_str(), &b.business_key)));
    let outcome = |send: &&Send| match &send.outcome {
        Outcome::Commanded(command) => (State::Commanded, None, Some(command.not_after)),
        Outcome::Suppressed(why) => (State::Suppressed, Some(why.as_str().to_owned()), None),
    };
    let written = sqlx::query_scalar!(
        r#"insert into send (member_id, kind, business_key, notification_id, channel, store, program_version, template, state, why,
                             not_after, created_at)
           select u.member_id, u.kind, u.business_key, u.notification_id, $1, u.store, u.program_version, u.template, u.state, u.why,
                  u.not_after, $2
           from unnest($3::uuid[], $4::text[], $5::text[], $6::uuid[], $7::text[], $8::int[], $9::text[], $10::text[], $11::text[],
                       $12::timestamptz[])
                u(member_id, kind, business_key, notification_id, store, program_version, template, state, why, not_after)
           on conflict do nothing
           returning notification_id"#,
        CHANNEL,
        now,
        &sends.iter().map(|send| send.member_id.0).collect::<Vec<_>>(),
        &sends.iter().map(|send| send.kind.as_str().to_owned()).collect::<Vec<_>>(),
        &sends.iter().map(|send| send.business_key.clone()).collect::<Vec<_>>(),
        &sends.iter().map(|send| send.notification_id).collect::<Vec<_>>(),
        &sends.iter().map(|send| send.store.to_string()).collect::<Vec<_>>(),
        &sends.iter().map(|send| i32::try_from(send.program_version).unwrap_or(i32::MAX)).collect::<Vec<_>>(),
        &sends.iter().map(|send| send.template.clone()).collect::<Vec<_>>(),
        &sends.iter().map(|send| outcome(send).0.as_str().to_owned()).collect::<Vec<_>>(),
        &sends.iter().map(|send| outcome(send).1).collect::<Vec<_>>() as &[Option<String>],
        &sends.iter().map(|send| outcome(send).2).collect::<Vec<_>>() as &[Option<DateTime<Utc>>],
    )
    .fetch_all(tx)
    .await?;
    Ok(written.into_iter().collect())
}

/// Those of these messages of which no gateway has said a word and which may still be sent.
pub async fn list_unanswered(pool: &PgPool, ids: &[Uuid], now: DateTime<Utc>) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        "select notification_id from send where notification_id = any($1) and state = 'commanded' and not_after > $2",
        ids,
        now
    )
    .fetch_all(pool)
    .await
}
