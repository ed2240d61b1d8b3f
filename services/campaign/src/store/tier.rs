//! Changes of tier: append-only.

use std::collections::BTreeMap;

use jifen_kernel::{MemberId, Token};
use jifen_runtime::{BadRow, Failure};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::person::TierChange;

/// Saves changes, by member and ordinal; those that are there stay as they are.
pub async fn save(tx: &mut PgConnection, changes: &BTreeMap<(MemberId, i64), &TierChange>) -> Result<(), Failure> {
    sqlx::query!(
        "insert into tier_change (member_id, ordinal, tier, at)
         select u.* from unnest($1::uuid[], $2::bigint[], $3::text[], $4::timestamptz[]) u (member_id, ordinal, tier, at)
         order by u.member_id, u.ordinal
         on conflict (member_id, ordinal) do nothing",
        &changes.keys().map(|(member, _)| member.0).collect::<Vec<_>>(),
        &changes.keys().map(|(_, ordinal)| *ordinal).collect::<Vec<_>>(),
        &changes.values().map(|change| change.tier.to_string()).collect::<Vec<_>>(),
        &changes.values().map(|change| change.at).collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The changes of members; those that never rose are not among them.
pub async fn load(tx: &mut PgConnection, members: &[Uuid]) -> Result<BTreeMap<MemberId, Vec<TierChange>>, Failure> {
    let mut changes: BTreeMap<MemberId, Vec<TierChange>> = BTreeMap::new();
    if members.is_empty() {
        return Ok(changes);
    }
    let rows =
        sqlx::query!("select member_id, ordinal, tier, at from tier_change where member_id = any($1)", members).fetch_all(tx).await?;
    for row in rows {
        let bad = |_| BadRow { table: "tier_change", key: row.member_id.to_string(), what: "tier" };
        let tier = Token::try_new(row.tier.as_str()).map_err(bad)?;
        changes.entry(MemberId(row.member_id)).or_default().push(TierChange { ordinal: row.ordinal, at: row.at, tier });
    }
    Ok(changes)
}
