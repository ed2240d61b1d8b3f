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

    /// Everybody is told what is known of it.
    pub fn was_told(&mut self) {
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

struct Row {
    notification_id: Uuid,
    member_id: Uuid,
    kind: String,
    business_key: String,
    attempt: i16,
    channel: String,
    store: String,
    program_version: i32,
    state: String,
    reported_at: Option<DateTime<Utc>>,
    provider_id: Option<String>,
    provider_code: Option<String>,
    delivered_late: bool,
    facts: Option<Vec<u8>>,
    unsent_since: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Sent {
    type Error = Failure;

    fn try_from(row: Row) -> Result<Self, Failure> {
        let state = State::from_word(&row.state).ok_or(BadState(row.notification_id)).map_err(Failure::defect)?;
        Ok(Self {
            member_id: MemberId(row.member_id),
            kind: row.kind,
            business_key: row.business_key,
            attempt: row.attempt,
            channel: row.channel,
            store: row.store,
            program_version: u32::try_from(row.program_version).unwrap_or_default(),
            delivery: Delivery { state, reported_at: row.reported_at, provider_id: row.provider_id, provider_code: row.provider_code },
            delivered_late: row.delivered_late,
            sealed: row.facts,
            changed: false,
        })
    }
}

/// Locks the messages of these ids, in key order, and reads them. Of one that is only thought not to have been sent a gateway
/// knows better: whatever it says is its first word.
pub async fn load_locked(tx: &mut PgConnection, ids: &BTreeSet<Uuid>) -> Result<BTreeMap<Uuid, Sent>, Failure> {
    let ids: Vec<Uuid> = ids.iter().copied().collect();
    let rows = sqlx::query_as!(
        Row,
        "select notification_id, member_id, kind, business_key, attempt, channel, store, program_version, state, reported_at, provider_id,
                provider_code, delivered_late, facts, unsent_since
         from send where notification_id = any($1) order by member_id, kind, business_key, attempt for update",
        &ids
    )
    .fetch_all(tx)
    .await?;
    let sent = rows.into_iter().map(|row| {
        let (id, is_unsent) = (row.notification_id, row.unsent_since.is_some());
        let mut sent = Sent::try_from(row)?;
        if is_unsent {
            sent.delivery = Delivery { state: State::Commanded, reported_at: None, provider_id: None, provider_code: None };
        }
        Ok((id, sent))
    });
    sent.collect()
}

/// Locks messages that have been thought not to have been sent since before then, in key order.
pub async fn load_unsent(tx: &mut PgConnection, before: DateTime<Utc>, limit: i64) -> Result<BTreeMap<Uuid, Sent>, Failure> {
    let rows = sqlx::query_as!(
        Row,
        "select notification_id, member_id, kind, business_key, attempt, channel, store, program_version, state, reported_at, provider_id,
                provider_code, delivered_late, facts, unsent_since
         from send where notification_id in (
             select notification_id from send where unsent_since < $1 order by unsent_since limit $2
         ) and unsent_since < $1
         order by member_id, kind, business_key, attempt for update",
        before,
        limit
    )
    .fetch_all(tx)
    .await?;
    rows.into_iter().map(|row| Ok((row.notification_id, Sent::try_from(row)?))).collect()
}

/// Saves those that came further.
pub async fn save(tx: &mut PgConnection, all: &BTreeMap<Uuid, Sent>) -> Result<(), Failure> {
    let changed: Vec<&Sent> = all.values().filter(|sent| sent.changed).collect();
    if changed.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "update send s set state = u.state, reported_at = u.reported_at, provider_id = u.provider_id, provider_code = u.provider_code,
                delivered_late = u.late, facts = u.facts, unsent_since = null
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
