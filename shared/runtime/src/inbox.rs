//! Claims of internal events whose effect has no natural key.

use chrono::{DateTime, Utc};
use jifen_contracts::code;
use jifen_kernel::ids::instant_of;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Failure, Fates, Incoming, Poison, crypto::sha256, handler::Event, limits};

/// Claims a batch of events for `consumer`; returns the places of those that were not seen before. An event that came
/// before with other content, or is too old to tell, goes into `fates` as poison.
pub async fn claim<T>(
    tx: &mut PgConnection,
    consumer: &str,
    now: DateTime<Utc>,
    batch: &[Incoming<Event<T>>],
    fates: &mut Fates,
) -> Result<Vec<usize>, Failure> {
    let oldest = now - chrono::Duration::days(limits::EVENT_MAX_AGE_DAYS);
    let mut rows: Vec<(i16, Uuid, [u8; 32], usize)> = Vec::with_capacity(batch.len());
    for (place, incoming) in batch.iter().enumerate() {
        match instant_of(incoming.item.id) {
            Some(at) if at >= oldest => {
                let slot = i16::try_from(crate::outbox::day_of(at).rem_euclid(limits::INBOX_SLOTS)).unwrap_or(0);
                rows.push((slot, incoming.item.id, sha256(&incoming.raw.payload), place));
            }
            _ => fates.poison.push((place, Poison { code: code::EVENT_TOO_OLD, reason: "older than the inbox remembers".to_owned() })),
        }
    }
    rows.sort_unstable_by_key(|row| (row.0, row.1, row.3));
    rows.dedup_by(|later, first| {
        let same_event = (later.0, later.1) == (first.0, first.1);
        if same_event && later.2 != first.2 {
            fates.poison.push((later.3, changed()));
        }
        same_event
    });
    let slots: Vec<i16> = rows.iter().map(|row| row.0).collect();
    let ids: Vec<Uuid> = rows.iter().map(|row| row.1).collect();
    let hashes: Vec<Vec<u8>> = rows.iter().map(|row| row.2.to_vec()).collect();
    let new: Vec<Uuid> = sqlx::query_scalar(
        "insert into inbox (slot, consumer, source, id, payload_hash)
         select u.slot, $1, '', u.id, u.hash from unnest($2::smallint[], $3::uuid[], $4::bytea[]) u(slot, id, hash)
         on conflict do nothing returning id",
    )
    .bind(consumer)
    .bind(&slots)
    .bind(&ids)
    .bind(&hashes)
    .fetch_all(&mut *tx)
    .await?;
    if new.len() < rows.len() {
        let others: Vec<Uuid> = sqlx::query_scalar(
            "select u.id from unnest($2::smallint[], $3::uuid[], $4::bytea[]) u(slot, id, hash)
             join inbox i on i.slot = u.slot and i.consumer = $1 and i.source = '' and i.id = u.id and i.id = any($3) and i.payload_hash <> u.hash",
        )
        .bind(consumer)
        .bind(&slots)
        .bind(&ids)
        .bind(&hashes)
        .fetch_all(tx)
        .await?;
        for row in rows.iter().filter(|row| others.contains(&row.1)) {
            fates.poison.push((row.3, changed()));
        }
    }
    let new: std::collections::HashSet<Uuid> = new.into_iter().collect();
    let mut places: Vec<usize> = rows.iter().filter(|row| new.contains(&row.1)).map(|row| row.3).collect();
    places.sort_unstable();
    Ok(places)
}

fn changed() -> Poison {
    Poison { code: code::EVENT_HASH_CHANGED, reason: "an event id came again with other content".to_owned() }
}
