//! Claims: one row for every accrual that was answered.

use chrono::{DateTime, Utc};
use jifen_runtime::Failure;
use sqlx::PgConnection;

use crate::domain::accrual::Accrual;

/// Claims accruals, each with the version that it names, in the order of their keys. Gives back the keys `(store, document)`
/// that nobody had claimed. Each key may stand once.
pub async fn claim<'a>(
    tx: &mut PgConnection,
    accruals: impl Iterator<Item = (&'a Accrual, u32)> + Clone,
    assessed_at: DateTime<Utc>,
) -> Result<Vec<(String, String)>, Failure> {
    let new = sqlx::query!(
        "insert into assessment (store, document, member_id, program_version, assessed_at)
         select u.store, u.document, u.member_id, u.version, $5
         from unnest($1::text[], $2::text[], $3::uuid[], $4::bigint[]) u (store, document, member_id, version)
         order by u.store, u.document
         on conflict (store, document) do nothing
         returning store, document",
        &accruals.clone().map(|(accrual, _)| accrual.store.to_string()).collect::<Vec<_>>(),
        &accruals.clone().map(|(accrual, _)| accrual.document.clone()).collect::<Vec<_>>(),
        &accruals.clone().map(|(accrual, _)| accrual.member_id.0).collect::<Vec<_>>(),
        &accruals.map(|(_, version)| i64::from(version)).collect::<Vec<_>>(),
        assessed_at,
    )
    .fetch_all(tx)
    .await?;
    Ok(new.into_iter().map(|row| (row.store, row.document)).collect())
}
