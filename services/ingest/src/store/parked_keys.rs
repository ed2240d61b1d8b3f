//! Which documents wait for which keys.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use jifen_runtime::Failure;
use sqlx::PgConnection;

use crate::domain::{
    customer::{Key, Keys},
    fate::DocumentKey,
};

/// A waiting document with all its keys.
pub struct Waiting<'a> {
    /// The document.
    pub document: &'a DocumentKey,
    /// What it waits for.
    pub keys: &'a Keys,
    /// Its local day.
    pub business_date: NaiveDate,
}

struct Columns {
    keys: Vec<String>,
    stores: Vec<String>,
    kinds: Vec<String>,
    numbers: Vec<String>,
    business_dates: Vec<NaiveDate>,
}

fn columns(waiting: &[Waiting<'_>]) -> Columns {
    let rows: Vec<(&Key, &Waiting<'_>)> = waiting.iter().flat_map(|row| row.keys.iter().map(move |key| (key, row))).collect();
    Columns {
        keys: rows.iter().map(|(key, _)| key.0.clone()).collect(),
        stores: rows.iter().map(|(_, row)| row.document.store.clone()).collect(),
        kinds: rows.iter().map(|(_, row)| row.document.kind.clone()).collect(),
        numbers: rows.iter().map(|(_, row)| row.document.number.clone()).collect(),
        business_dates: rows.iter().map(|(_, row)| row.business_date).collect(),
    }
}

/// Lets documents wait.
pub async fn save(tx: &mut PgConnection, waiting: &[Waiting<'_>]) -> Result<(), Failure> {
    let columns = columns(waiting);
    sqlx::query!(
        "insert into parked_key (key, store, kind, number, business_date)
         select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::date[])",
        &columns.keys,
        &columns.stores,
        &columns.kinds,
        &columns.numbers,
        &columns.business_dates,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Ends the waiting of (locked) documents.
pub async fn delete(tx: &mut PgConnection, waiting: &[Waiting<'_>]) -> Result<(), Failure> {
    let columns = columns(waiting);
    sqlx::query!(
        "delete from parked_key
         where (key, store, kind, number) in (select * from unnest($1::text[], $2::text[], $3::text[], $4::text[]))",
        &columns.keys,
        &columns.stores,
        &columns.kinds,
        &columns.numbers,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Keys that documents wait for although a member has had them since a time between these two: there should be none. Whoever waits
/// for nobody waits for ever, so it is the few keys that changed lately that are looked at, and not the many that wait.
pub async fn list_missed(
    tx: &mut PgConnection,
    changed_after: DateTime<Utc>,
    changed_before: DateTime<Utc>,
    limit: i64,
) -> Result<BTreeSet<Key>, Failure> {
    let keys = sqlx::query_scalar!(
        "select distinct p.key from customer_key c join parked_key p on p.key = c.key
         where c.changed_at > $1 and c.changed_at <= $2 and (c.owned_since is null or c.owned_since <= p.business_date)
         order by p.key limit $3",
        changed_after,
        changed_before,
        limit,
    )
    .fetch_all(tx)
    .await?;
    Ok(keys.into_iter().map(Key).collect())
}
