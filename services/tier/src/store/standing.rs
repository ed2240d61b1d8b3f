//! Where members stand: locked in the order of `member_id`, saved once a batch.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use jifen_kernel::{MemberId, Points, Token};
use jifen_runtime::{BadRow, Failure};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::domain::standing::{Reached, Standing};

/// A stored tier's columns become one value.
fn reached(member_id: Uuid, tier: Option<String>, since: Option<DateTime<Utc>>, version: Option<i64>) -> Result<Option<Reached>, BadRow> {
    let bad = |what| BadRow { table: "standing", key: member_id.to_string(), what };
    let (Some(tier), Some(since), Some(version)) = (tier, since, version) else { return Ok(None) };
    Ok(Some(Reached {
        tier: Token::try_new(tier).map_err(|_| bad("tier"))?,
        since,
        program_version: u32::try_from(version).map_err(|_| bad("tier_version"))?,
    }))
}

/// Locks the standings of `members` (id to number), opening those that aren't there, and loads them. A copy that waits
/// here for another's commit reads what that commit left: a locking read answers with the row as it is when the lock is
/// granted.
pub async fn load_locked(tx: &mut PgConnection, members: &BTreeMap<MemberId, &str>) -> Result<BTreeMap<MemberId, Standing>, Failure> {
    let all: Vec<Uuid> = members.keys().map(|member| member.0).collect();
    let mut standings = lock(tx, &all).await?;
    if standings.len() < members.len() {
        // A row that isn't there can't be locked. Only new members come here; one that another copy is just opening is waited for.
        // These locks come behind those of known members: two copies that open the same ones may deadlock, and one comes again.
        let missing = || members.iter().filter(|(member, _)| !standings.contains_key(member));
        let ids: Vec<Uuid> = missing().map(|(member, _)| member.0).collect();
        sqlx::query!(
            "insert into standing (member_id, member_no)
             select u.member_id, u.member_no from unnest($1::uuid[], $2::text[]) u (member_id, member_no)
             order by u.member_id
             on conflict (member_id) do nothing",
            &ids,
            &missing().map(|(_, number)| (*number).to_owned()).collect::<Vec<_>>(),
        )
        .execute(&mut *tx)
        .await?;
        standings.append(&mut lock(tx, &ids).await?);
    }
    Ok(standings)
}

async fn lock(tx: &mut PgConnection, members: &[Uuid]) -> Result<BTreeMap<MemberId, Standing>, Failure> {
    let rows = sqlx::query!(
        "select member_id, qualifying, tier, tier_since, tier_version, changes
         from standing where member_id = any($1) order by member_id for update",
        members
    )
    .fetch_all(tx)
    .await?;
    let read = rows.into_iter().map(|row| {
        let reached = reached(row.member_id, row.tier, row.tier_since, row.tier_version)?;
        Ok((MemberId(row.member_id), Standing { qualifying: Points(row.qualifying), reached, changes: row.changes }))
    });
    Ok(read.collect::<Result<_, BadRow>>()?)
}

/// Saves locked standings.
pub async fn save(tx: &mut PgConnection, standings: &BTreeMap<MemberId, Standing>) -> Result<(), Failure> {
    let each = || standings.values();
    let tiers = || each().map(|standing| standing.reached.as_ref());
    sqlx::query!(
        "update standing s set qualifying = u.qualifying, tier = u.tier, tier_since = u.since, tier_version = u.version, changes = u.changes
         from unnest($1::uuid[], $2::bigint[], $3::text[], $4::timestamptz[], $5::bigint[], $6::bigint[])
              u (member_id, qualifying, tier, since, version, changes)
         where s.member_id = u.member_id",
        &standings.keys().map(|member| member.0).collect::<Vec<_>>(),
        &each().map(|standing| standing.qualifying.0).collect::<Vec<_>>(),
        &tiers().map(|tier| tier.map(|tier| tier.tier.to_string())).collect::<Vec<_>>() as &[Option<String>],
        &tiers().map(|tier| tier.map(|tier| tier.since)).collect::<Vec<_>>() as &[Option<DateTime<Utc>>],
        &tiers().map(|tier| tier.map(|tier| i64::from(tier.program_version))).collect::<Vec<_>>() as &[Option<i64>],
        &each().map(|standing| standing.changes).collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The standing of a member number; none for a member who never earned.
pub async fn find(pool: &PgPool, member_no: &str) -> Result<Option<(MemberId, Standing)>, Failure> {
    let row =
        sqlx::query!("select member_id, qualifying, tier, tier_since, tier_version, changes from standing where member_no = $1", member_no)
            .fetch_optional(pool)
            .await?;
    let Some(row) = row else { return Ok(None) };
    let reached = reached(row.member_id, row.tier, row.tier_since, row.tier_version)?;
    Ok(Some((MemberId(row.member_id), Standing { qualifying: Points(row.qualifying), reached, changes: row.changes })))
}

/// Members by tier code.
pub async fn count(pool: &PgPool) -> Result<BTreeMap<String, i64>, Failure> {
    let rows = sqlx::query!(r#"select tier as "tier!", count(*) as "members!" from standing where tier is not null group by tier"#)
        .fetch_all(pool)
        .await?;
    Ok(rows.into_iter().map(|row| (row.tier, row.members)).collect())
}
