//! How far messages came: loaded and locked by their ids, saved by their keys.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use jifen_kernel::MemberId;
use jifen_runtime::Failure;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::delivery::{Delivery, State};

/// A message that was decided upon, as far as reports concern it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Whose it is.
    pub member_id: MemberId,
    /// Its kind.
    pub kind: String,
    /// What makes it this one.
    pub business_key: String,
    /// The channel it went by.
    pub channel: String,
    /// How far it came.
    pub delivery: Delivery,
    changed: bool,
}

impl Sent {
    /// It came further.
    pub fn moved_to(&mut self, delivery: Delivery) {
        self.delivery = delivery;
        self.changed = true;
    }
}

/// A stored state that this release doesn't know.
#[derive(Debug, thiserror::Error)]
#[error("table send, column state, notification {0}: unknown state")]
struct BadState(Uuid);

/// Locks the messages of these ids, in key order, and reads them.
pub async fn load_locked(tx: &mut PgConnection, ids: &BTreeSet<Uuid>) -> Result<BTreeMap<Uuid, Sent>, Failure> {
    let ids: Vec<Uuid> = ids.iter().copied().collect();
    let rows = sqlx::query!(
        "select notification_id, member_id, kind, business_key, channel, state, reported_at, provider_id, provider_code
         from send where notification_id = any($1) order by member_id, kind, business_key for update",
        &ids
    )
    .fetch_all(tx)
    .await?;
    let sent = rows.into_iter().map(|row| {
        let state = State::from_word(&row.state).ok_or(BadState(row.notification_id)).map_err(Failure::defect)?;
        let delivery = Delivery { state, reported_at: row.reported_at, provider_id: row.provider_id, provider_code: row.provider_code };
        let (member_id, kind, business_key, channel) = (MemberId(row.member_id), row.kind, row.business_key, row.channel);
        Ok((row.notification_id, Sent { member_id, kind, business_key, channel, delivery, changed: false }))
    });
    sent.collect()
}

/// Saves those that came further.
pub async fn save(tx: &mut PgConnection, all: &BTreeMap<Uuid, Sent>) -> Result<(), Failure> {
    let changed: Vec<&Sent> = all.values().filter(|sent| sent.changed).collect();
    if changed.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "update send s set state = u.state, reported_at = u.reported_at, provider_id = u.provider_id, provider_code = u.provider_code
         from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::text[])
              u(member_id, kind, business_key, state, reported_at, provider_id, provider_code)
         where s.member_id = u.member_id and s.kind = u.kind and s.business_key = u.business_key",
        &changed.iter().map(|sent| sent.member_id.0).collect::<Vec<_>>(),
        &changed.iter().map(|sent| sent.kind.clone()).collect::<Vec<_>>(),
        &changed.iter().map(|sent| sent.business_key.clone()).collect::<Vec<_>>(),
        &changed.iter().map(|sent| sent.delivery.state.as_str().to_owned()).collect::<Vec<_>>(),
        &changed.iter().map(|sent| sent.delivery.reported_at).collect::<Vec<_>>() as &[Option<DateTime<Utc>>],
        &changed.iter().map(|sent| sent.delivery.provider_id.clone()).collect::<Vec<_>>() as &[Option<String>],
        &changed.iter().map(|sent| sent.delivery.provider_code.clone()).collect::<Vec<_>>() as &[Option<String>],
    )
    .execute(tx)
    .await?;
    Ok(())
}
