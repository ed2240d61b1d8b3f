//! Claims: one row for every accrual that was counted, with its facts.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use jifen_runtime::Failure;
use sqlx::{PgConnection, types::Json};

use crate::domain::contribution::Contribution;

/// Claims accruals in the order of their keys. Gives back the keys `(store, document)` that nobody had claimed. Each key
/// may stand once.
pub async fn claim(
    tx: &mut PgConnection,
    contributions: &[&Contribution],
    counted_at: DateTime<Utc>,
) -> Result<Vec<(String, String)>, Failure> {
    let each = || contributions.iter().copied();
    let paid = each().map(|c| Json(c.paid.iter().map(|(category, paid)| (category.as_str(), paid.fen())).collect()));
    let new = sqlx::query!(
        "insert into contribution
                (store, document, member_id, program_version, business_date, qualifying, paid_fen, visit, paid_visit, vehicle, counted_at)
         select u.*, $11
         from unnest($1::text[], $2::text[], $3::uuid[], $4::bigint[], $5::date[], $6::bigint[], $7::jsonb[], $8::bool[], $9::bool[],
                     $10::text[]) u (store, document, member_id, version, business_date, qualifying, paid, visit, paid_visit, vehicle)
         order by u.store, u.document
         on conflict (store, document) do nothing
         returning store, document",
        &each().map(|c| c.store.to_string()).collect::<Vec<_>>(),
        &each().map(|c| c.document.clone()).collect::<Vec<_>>(),
        &each().map(|c| c.member_id.0).collect::<Vec<_>>(),
        &each().map(|c| i64::from(c.program_version)).collect::<Vec<_>>(),
        &each().map(|c| c.business_date).collect::<Vec<_>>(),
        &each().map(|c| c.qualifying.0).collect::<Vec<_>>(),
        &paid.collect::<Vec<_>>() as &[Json<BTreeMap<&str, i64>>],
        &each().map(|c| c.visit).collect::<Vec<_>>(),
        &each().map(|c| c.paid_visit).collect::<Vec<_>>(),
        &each().map(|c| c.vehicle.as_ref().map(|hash| hash.0.clone())).collect::<Vec<_>>() as &[Option<String>],
        counted_at,
    )
    .fetch_all(tx)
    .await?;
    Ok(new.into_iter().map(|row| (row.store, row.document)).collect())
}
