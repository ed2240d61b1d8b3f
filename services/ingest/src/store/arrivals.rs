//! Messages that brought nothing new, known by their place in the stream.

use std::collections::{BTreeMap, HashSet};

use jifen_runtime::Failure;
use sqlx::PgConnection;

use crate::domain::fate::Arrival;

/// Which of these messages had their fate before, as duplicate or refused.
pub async fn load_settled(tx: &mut PgConnection, arrivals: &[Arrival]) -> Result<HashSet<Arrival>, Failure> {
    let rows = sqlx::query!(
        "select stream_sequence, stored_at from arrival
         where (stream_sequence, stored_at) in (select * from unnest($1::bigint[], $2::timestamptz[]))",
        &arrivals.iter().map(|arrival| arrival.sequence).collect::<Vec<_>>(),
        &arrivals.iter().map(|arrival| arrival.stored_at).collect::<Vec<_>>(),
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| Arrival { sequence: row.stream_sequence, stored_at: row.stored_at }).collect())
}

/// Records messages with their fate (`duplicate` or `rejected`), in the order of their keys; gives back those that were not
/// recorded before: another copy may have had the same message at the same time.
pub async fn save(tx: &mut PgConnection, arrivals: &BTreeMap<Arrival, &'static str>) -> Result<HashSet<Arrival>, Failure> {
    let rows = sqlx::query!(
        "insert into arrival (stream_sequence, stored_at, fate) select * from unnest($1::bigint[], $2::timestamptz[], $3::text[])
         on conflict do nothing returning stream_sequence, stored_at",
        &arrivals.keys().map(|arrival| arrival.sequence).collect::<Vec<_>>(),
        &arrivals.keys().map(|arrival| arrival.stored_at).collect::<Vec<_>>(),
        &arrivals.values().map(ToString::to_string).collect::<Vec<_>>(),
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| Arrival { sequence: row.stream_sequence, stored_at: row.stored_at }).collect())
}
