//! Opening balances: each line of a source once.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use jifen_kernel::MemberId;
use jifen_runtime::Failure;
use sqlx::PgConnection;
use uuid::Uuid;

/// A line's key: source and line.
pub type LineKey = (String, String);

/// A line to be claimed.
pub struct NewLine {
    /// Its key.
    pub key: LineKey,
    /// Of its content.
    pub sha256: Vec<u8>,
    /// Whose.
    pub member_id: MemberId,
}

/// Claims lines, in the order of their keys; gives back those that were not claimed before.
pub async fn claim(tx: &mut PgConnection, lines: &[NewLine], at: DateTime<Utc>) -> Result<BTreeSet<LineKey>, Failure> {
    let rows = sqlx::query!(
        "insert into imported_lot (source, line, sha256, member_id, imported_at)
         select u.*, $5 from unnest($1::text[], $2::text[], $3::bytea[], $4::uuid[]) u
         on conflict do nothing returning source, line",
        &lines.iter().map(|line| line.key.0.clone()).collect::<Vec<_>>(),
        &lines.iter().map(|line| line.key.1.clone()).collect::<Vec<_>>(),
        &lines.iter().map(|line| line.sha256.clone()).collect::<Vec<_>>(),
        &lines.iter().map(|line| line.member_id.0).collect::<Vec<_>>(),
        at,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.source, row.line)).collect())
}

/// How many lines with names of their own say the same as these, each (source, hash of its content): a lot that has none may be one of
/// them. Releases that knew rows by the file's line claimed such names.
pub async fn count_named(tx: &mut PgConnection, said: &BTreeSet<(String, Vec<u8>)>) -> Result<BTreeMap<(String, Vec<u8>), i64>, Failure> {
    let rows = sqlx::query!(
        r#"select source, sha256, count(*) as "count!" from imported_lot
           where (source, sha256) in (select * from unnest($1::text[], $2::bytea[])) and line not like '~%' group by source, sha256"#,
        &said.iter().map(|(source, _)| source.clone()).collect::<Vec<_>>(),
        &said.iter().map(|(_, sha256)| sha256.clone()).collect::<Vec<_>>(),
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| ((row.source, row.sha256), row.count)).collect())
}

/// The content of lines that are claimed, as hashes.
pub async fn load(tx: &mut PgConnection, keys: &[LineKey]) -> Result<BTreeMap<LineKey, Vec<u8>>, Failure> {
    let rows = sqlx::query!(
        "select source, line, sha256 from imported_lot where (source, line) in (select * from unnest($1::text[], $2::text[]))",
        &keys.iter().map(|key| key.0.clone()).collect::<Vec<_>>(),
        &keys.iter().map(|key| key.1.clone()).collect::<Vec<_>>(),
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| ((row.source, row.line), row.sha256)).collect())
}

/// Those of these members whose points wait for their activation.
pub async fn load_awaiting(tx: &mut PgConnection, members: &[Uuid]) -> Result<BTreeSet<MemberId>, Failure> {
    let rows = sqlx::query_scalar!("select distinct member_id from pending_lot where member_id = any($1) and awaits_activation", members);
    Ok(rows.fetch_all(tx).await?.into_iter().map(MemberId).collect())
}
