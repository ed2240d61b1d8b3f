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
    /// Counts the ways that were tried.
    pub attempt: i16,
    /// The channel it went by.
    pub channel: String,
    /// The store concerned.
    pub store: String,
    /// Whose text it is.
    pub program_version: u32,
    /// How far it came.
    pub delivery: Delivery,
    /// It arrived after the gateway had said that it wouldn't.
    pub delivered_late: bool,
    /// What there is to tell, sealed, while another way may have to tell it.
    pub sealed: Option<Vec<u8>>,
    changed: bool,
}

impl Sent {
    /// It came further.
    pub fn moved_to(&mut self, delivery: Delivery) {
        self.delivery = delivery;
        self.changed = true;
    }

    /// It arrived after all.
    pub fn arrived_late(&mut self) {
        self.changed |= !self.delivered_late;
        self.delivered_late = true;
    }

    /// What there is to tell is told, or passed on.
    pub fn take_sealed(&mut self) -> Option<Vec<u8>> {
        self.sealed.take()
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
        "select notification_id, member_id, kind, business_key, attempt, channel, store, program_version, state, reported_at, provider_id,
                provider_code, delivered_late, facts
         from send where notification_id = any($1) order by member_id, kind, business_key, attempt for update",
        &ids
    )
    .fetch_all(tx)
    .await?;
    let sent = rows.into_iter().map(|row| {
        let state = State::from_word(&row.state).ok_or(BadState(row.notification_id)).map_err(Failure::defect)?;
        let delivery = Delivery { state, reported_at: row.reported_at, provider_id: row.provider_id, provider_code: row.provider_code };
        let sent = Sent {
            member_id: MemberId(row.member_id),
            kind: row.kind,
            business_key: row.business_key,
            attempt: row.attempt,
            channel: row.channel,
            store: row.store,
            program_version: u32::try_from(row.program_version).unwrap_or_default(),
            delivery,
            delivered_late: row.delivered_late,
            sealed: row.facts,
            changed: false,
        };
        Ok((row.notification_id, sent))
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
        "update send s set state = u.state, reported_at = u.reported_at, provider_id = u.provider_id, provider_code = u.provider_code,
                delivered_late = u.late, facts = u.facts
         from unnest($1::uuid[], $2::text[], $3::text[], $4::smallint[], $5::text[], $6::timestamptz[], $7::text[], $8::text[], $9::bool[],
                     $10::bytea[])
              u(member_id, kind, business_key, attempt, state, reported_at, provider_id, provider_code, late, facts)
         where s.member_id = u.member_id and s.kind = u.kind and s.business_key = u.business_key and s.attempt = u.attempt",
        &changed.iter().map(|sent| sent.member_id.0).collect::<Vec<_>>(),
        &changed.iter().map(|sent| sent.kind.clone()).collect::<Vec<_>>(),
        &changed.iter().map(|sent| sent.business_key.clone()).collect::<Vec<_>>(),
        &changed.iter().map(|sent| sent.attempt).collect::<Vec<_>>(),
        &changed.iter().map(|sent| sent.delivery.state.as_str().to_owned()).collect::<Vec<_>>(),
        &changed.iter().map(|sent| sent.delivery.reported_at).collect::<Vec<_>>() as &[Option<DateTime<Utc>>],
        &changed.iter().map(|sent| sent.delivery.provider_id.clone()).collect::<Vec<_>>() as &[Option<String>],
        &changed.iter().map(|sent| sent.delivery.provider_code.clone()).collect::<Vec<_>>() as &[Option<String>],
        &changed.iter().map(|sent| sent.delivered_late).collect::<Vec<_>>(),
        &changed.iter().map(|sent| sent.sealed.clone()).collect::<Vec<_>>() as &[Option<Vec<u8>>],
    )
    .execute(tx)
    .await?;
    Ok(())
}
