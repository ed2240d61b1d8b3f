//! Claims: an occasion's key is taken by the row that holds its outcome; another way of it by a row with the next number.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use jifen_runtime::Failure;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::domain::{
    delivery::State,
    send::{Outcome, Send},
};

/// Rows of one statement: an event about a campaign names hundreds of members, and a batch holds hundreds of events.
const ROWS: usize = 5_000;

/// A send, with what must be kept of it.
#[derive(Debug)]
pub struct NewSend {
    /// What was decided.
    pub send: Send,
    /// Its facts, sealed, if they must be kept.
    pub sealed: Option<Vec<u8>>,
}

/// Writes the sends whose keys are free, in key order; of equal keys in one batch the first. Gives the ids of those written.
pub async fn claim(tx: &mut PgConnection, sends: &[NewSend], now: DateTime<Utc>) -> Result<HashSet<Uuid>, Failure> {
    let key = |new: &NewSend| (new.send.member_id, new.send.kind.as_str(), new.send.business_key.clone(), new.send.attempt);
    let mut sends: Vec<&NewSend> = sends.iter().collect();
    sends.sort_by_cached_key(|new| key(new));
    let mut written = HashSet::with_capacity(sends.len());
    for part in sends.chunks(ROWS) {
        written.extend(claim_part(&mut *tx, part, now).await?);
    }
    Ok(written)
}

struct Columns {
    state: &'static str,
    why: Option<String>,
    not_after: Option<DateTime<Utc>>,
    due_at: Option<DateTime<Utc>>,
    drop_at: Option<DateTime<Utc>>,
    template: String,
}

fn columns(send: &Send) -> Columns {
    let mut columns =
        Columns { state: State::Commanded.as_str(), why: None, not_after: None, due_at: None, drop_at: None, template: String::new() };
    match &send.outcome {
        Outcome::Commanded(command) => {
            (columns.not_after, columns.template) = (Some(command.not_after), command.template.clone());
        }
        Outcome::Waiting { due_at, drop_at } => {
            (columns.state, columns.due_at, columns.drop_at) = (State::Waiting.as_str(), Some(*due_at), Some(*drop_at));
        }
        Outcome::Suppressed(why) => (columns.state, columns.why) = (State::Suppressed.as_str(), Some(why.as_str().to_owned())),
    }
    columns
}

async fn claim_part(tx: &mut PgConnection, sends: &[&NewSend], now: DateTime<Utc>) -> Result<Vec<Uuid>, Failure> {
    let columns: Vec<Columns> = sends.iter().map(|new| columns(&new.send)).collect();
    let sends_of = || sends.iter().map(|new| &new.send);
    let written = sqlx::query_scalar!(
        r#"insert into send (member_id, kind, business_key, attempt, notification_id, channel, store, program_version, template, state,
                             why, not_after, due_at, drop_at, facts, created_at)
           select u.member_id, u.kind, u.business_key, u.attempt, u.notification_id, u.channel, u.store, u.program_version, u.template,
                  u.state, u.why, u.not_after, u.due_at, u.drop_at, u.facts, $1
           from unnest($2::uuid[], $3::text[], $4::text[], $5::smallint[], $6::uuid[], $7::text[], $8::text[], $9::int[], $10::text[],
                       $11::text[], $12::text[], $13::timestamptz[], $14::timestamptz[], $15::timestamptz[], $16::bytea[])
                u(member_id, kind, business_key, attempt, notification_id, channel, store, program_version, template, state, why,
                  not_after, due_at, drop_at, facts)
           on conflict do nothing
           returning notification_id"#,
        now,
        &sends_of().map(|send| send.member_id.0).collect::<Vec<_>>(),
        &sends_of().map(|send| send.kind.as_str().to_owned()).collect::<Vec<_>>(),
        &sends_of().map(|send| send.business_key.clone()).collect::<Vec<_>>(),
        &sends_of().map(|send| send.attempt).collect::<Vec<_>>(),
        &sends_of().map(|send| send.notification_id).collect::<Vec<_>>(),
        &sends_of().map(|send| send.channel.as_str().to_owned()).collect::<Vec<_>>(),
        &sends_of().map(|send| send.store.to_string()).collect::<Vec<_>>(),
        &sends_of().map(|send| i32::try_from(send.program_version).unwrap_or(i32::MAX)).collect::<Vec<_>>(),
        &columns.iter().map(|row| row.template.clone()).collect::<Vec<_>>(),
        &columns.iter().map(|row| row.state.to_owned()).collect::<Vec<_>>(),
        &columns.iter().map(|row| row.why.clone()).collect::<Vec<_>>() as &[Option<String>],
        &columns.iter().map(|row| row.not_after).collect::<Vec<_>>() as &[Option<DateTime<Utc>>],
        &columns.iter().map(|row| row.due_at).collect::<Vec<_>>() as &[Option<DateTime<Utc>>],
        &columns.iter().map(|row| row.drop_at).collect::<Vec<_>>() as &[Option<DateTime<Utc>>],
        &sends.iter().map(|new| new.sealed.clone()).collect::<Vec<_>>() as &[Option<Vec<u8>>],
    )
    .fetch_all(tx)
    .await?;
    Ok(written)
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

/// Ends those of these messages that no gateway can have, and whose time is over.
pub async fn expire(pool: &PgPool, ids: &[Uuid], now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update send set state = 'expired', reported_at = $2, provider_code = 'not_published', unsent_since = $2
         where notification_id = any($1) and state = 'commanded' and not_after <= $2",
        ids,
        now
    )
    .execute(pool)
    .await?;
    Ok(())
}
