//! What arrived of stores' days.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use jifen_runtime::Failure;
use sqlx::PgConnection;

/// A store's local day.
pub type Day = (String, NaiveDate);

/// A document of a day.
pub struct OfDay {
    /// Whose, and when.
    pub day: Day,
    /// `invoice`, `refund` or `day_close`.
    pub kind: String,
    /// Its number.
    pub number: String,
    /// What is kept of one that is settled.
    pub bill: Option<String>,
    /// What is kept of one that waits, sealed.
    pub content: Option<Vec<u8>>,
    /// When it came.
    pub received_at: DateTime<Utc>,
}

/// Every invoice, refund and close of these days.
pub async fn load(tx: &mut PgConnection, days: &BTreeSet<Day>) -> Result<Vec<OfDay>, Failure> {
    let rows = sqlx::query!(
        "select store, business_date, kind, number, bill, content, received_at from document
         where business_date = any($2) and (store, business_date) in (select * from unnest($1::text[], $2::date[]))
               and kind in ('invoice', 'refund', 'day_close') and status <> 'absent'
         order by store, business_date, kind, number",
        &days.iter().map(|(store, _)| store.clone()).collect::<Vec<_>>(),
        &days.iter().map(|(_, day)| *day).collect::<Vec<_>>(),
    )
    .fetch_all(tx)
    .await?;
    let of_day = rows.into_iter().map(|row| OfDay {
        day: (row.store, row.business_date),
        kind: row.kind,
        number: row.number,
        bill: row.bill,
        content: row.content,
        received_at: row.received_at,
    });
    Ok(of_day.collect())
}

/// The days of these documents, each (store, kind, number), as far as they have come.
pub async fn find(
    tx: &mut PgConnection,
    wanted: &BTreeSet<(String, &'static str, String)>,
) -> Result<BTreeMap<(String, String, String), NaiveDate>, Failure> {
    if wanted.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows = sqlx::query!(
        "select store, kind, number, business_date from document
         where (store, kind, number) in (select * from unnest($1::text[], $2::text[], $3::text[])) and status <> 'absent'",
        &wanted.iter().map(|(store, ..)| store.clone()).collect::<Vec<_>>(),
        &wanted.iter().map(|(_, kind, _)| (*kind).to_owned()).collect::<Vec<_>>(),
        &wanted.iter().map(|(.., number)| number.clone()).collect::<Vec<_>>(),
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| ((row.store, row.kind, row.number), row.business_date)).collect())
}
