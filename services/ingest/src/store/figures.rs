//! How many documents have which fate.

use std::collections::BTreeMap;

use jifen_runtime::Failure;
use sqlx::PgPool;

/// `accepted`, `parked`, `lapsed`: documents; `duplicate`: messages; `rejected/<code>`: refused documents that were not
/// handed in again with success. The first four are always there. An operator's question: it scans.
pub async fn count_by_fate(pool: &PgPool) -> Result<BTreeMap<String, i64>, Failure> {
    let rows = sqlx::query!(
        r#"select status as "fate!", count(*) as "count!" from document where status <> 'absent' group by status
           union all select 'duplicate', count(*) from arrival where fate = 'duplicate'
           union all select 'rejected/' || code, count(*) from reject where resubmitted_at is null group by code"#
    )
    .fetch_all(pool)
    .await?;
    let mut counts: BTreeMap<String, i64> = ["accepted", "parked", "lapsed"].map(|fate| (fate.to_owned(), 0)).into();
    counts.extend(rows.into_iter().map(|row| (row.fate, row.count)));
    Ok(counts)
}
