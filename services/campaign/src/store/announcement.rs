//! What was said about campaigns as a whole.

use chrono::{DateTime, Utc};
use jifen_runtime::Failure;
use sqlx::PgConnection;

use crate::domain::announce::{Announcement, Kind};

/// Claims announcements; gives back the places of those that nobody had made.
pub async fn claim(tx: &mut PgConnection, due: &[Announcement], at: DateTime<Utc>) -> Result<Vec<usize>, Failure> {
    if due.is_empty() {
        return Ok(Vec::new());
    }
    let new = sqlx::query!(
        "insert into announcement (campaign, kind, version, at)
         select u.campaign, u.kind, u.version, $4 from unnest($1::text[], $2::text[], $3::bigint[]) u (campaign, kind, version)
         order by u.campaign, u.kind
         on conflict (campaign, kind) do nothing
         returning campaign, kind",
        &due.iter().map(|one| one.campaign.to_string()).collect::<Vec<_>>(),
        &due.iter().map(|one| one.kind.as_str().to_owned()).collect::<Vec<_>>(),
        &due.iter().map(|one| i64::from(one.version)).collect::<Vec<_>>(),
        at,
    )
    .fetch_all(tx)
    .await?;
    let is_new = |one: &Announcement| new.iter().any(|row| row.campaign == one.campaign.as_str() && row.kind == one.kind.as_str());
    Ok(due.iter().enumerate().filter(|(_, one)| is_new(one)).map(|(place, _)| place).collect())
}

/// The campaigns that were announced to have started.
pub async fn list_started(tx: &mut PgConnection) -> Result<Vec<String>, Failure> {
    let kind = Kind::Started.as_str();
    let rows = sqlx::query!("select campaign from announcement where kind = $1", kind).fetch_all(tx).await?;
    Ok(rows.into_iter().map(|row| row.campaign).collect())
}
