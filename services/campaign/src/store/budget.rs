//! What campaigns with a budget have granted: the only rows that postings of different members share. And what members had of
//! campaigns with a cap for each.

use std::collections::{BTreeMap, BTreeSet};

use jifen_kernel::{MemberId, Points, Token};
use jifen_runtime::{BadRow, Failure};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

/// Locks the budgets of `limits` (by code, with the highest limit named), opening those that aren't there, and loads what
/// was granted. Without a budget nothing is asked.
///
/// A copy that waits here for another's commit reads that commit's figure, since a locking read answers with the row
/// as it is when the lock is granted: so copies together never overrun a budget.
pub async fn load_locked(tx: &mut PgConnection, limits: &BTreeMap<Token, Points>) -> Result<BTreeMap<Token, Points>, Failure> {
    if limits.is_empty() {
        return Ok(BTreeMap::new());
    }
    let campaigns: Vec<String> = limits.keys().map(ToString::to_string).collect();
    // A row that isn't there can't be locked; one that another copy is just opening is waited for here.
    sqlx::query!(
        "insert into budget (campaign, granted, ceiling)
         select u.campaign, 0, greatest(u.ceiling, 0) from unnest($1::text[], $2::bigint[]) u (campaign, ceiling)
         order by u.campaign
         on conflict (campaign) do nothing",
        &campaigns,
        &limits.values().map(|limit| limit.0).collect::<Vec<_>>(),
    )
    .execute(&mut *tx)
    .await?;
    let rows = sqlx::query!("select campaign, granted from budget where campaign = any($1) order by campaign for update", &campaigns)
        .fetch_all(tx)
        .await?;
    if rows.len() != limits.len() {
        return Err(Failure::transient("a budget that was just opened is not there"));
    }
    let read = rows.into_iter().map(|row| {
        let campaign = Token::try_new(row.campaign.as_str());
        campaign.map(|campaign| (campaign, Points(row.granted))).map_err(|_| BadRow {
            table: "budget",
            key: row.campaign,
            what: "campaign",
        })
    });
    Ok(read.collect::<Result<_, _>>()?)
}

/// Saves the figures that a batch changed.
pub async fn save(tx: &mut PgConnection, drawn: &BTreeMap<Token, Points>, limits: &BTreeMap<Token, Points>) -> Result<(), Failure> {
    if drawn.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "update budget b set granted = u.granted, ceiling = greatest(b.ceiling, u.ceiling)
         from unnest($1::text[], $2::bigint[], $3::bigint[]) u (campaign, granted, ceiling)
         where b.campaign = u.campaign",
        &drawn.keys().map(ToString::to_string).collect::<Vec<_>>(),
        &drawn.values().map(|granted| granted.0).collect::<Vec<_>>(),
        &drawn.keys().map(|campaign| limits.get(campaign).copied().unwrap_or_default().0).collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Locks what members had of campaigns with a cap, opening what isn't there, and loads it. Without a cap nothing is asked.
pub async fn load_shares_locked(
    tx: &mut PgConnection,
    caps: &BTreeSet<(MemberId, Token)>,
) -> Result<BTreeMap<(MemberId, Token), Points>, Failure> {
    if caps.is_empty() {
        return Ok(BTreeMap::new());
    }
    let members: Vec<Uuid> = caps.iter().map(|(member, _)| member.0).collect();
    let campaigns: Vec<String> = caps.iter().map(|(_, campaign)| campaign.to_string()).collect();
    sqlx::query!(
        "insert into member_share (member_id, campaign, granted)
         select u.member_id, u.campaign, 0 from unnest($1::uuid[], $2::text[]) u (member_id, campaign)
         order by u.member_id, u.campaign
         on conflict (member_id, campaign) do nothing",
        &members,
        &campaigns,
    )
    .execute(&mut *tx)
    .await?;
    // Also those of the same members and campaigns that this batch doesn't ask for: they are in the same order, and few.
    let rows = sqlx::query!(
        "select member_id, campaign, granted from member_share where member_id = any($1) and campaign = any($2)
         order by member_id, campaign for update",
        &members,
        &campaigns,
    )
    .fetch_all(tx)
    .await?;
    let read = rows.into_iter().map(|row| {
        let bad = |_| BadRow { table: "member_share", key: row.member_id.to_string(), what: "campaign" };
        let campaign = Token::try_new(row.campaign.as_str()).map_err(bad)?;
        Ok(((MemberId(row.member_id), campaign), Points(row.granted)))
    });
    let shares = read.collect::<Result<BTreeMap<_, _>, BadRow>>()?;
    if caps.iter().any(|key| !shares.contains_key(key)) {
        return Err(Failure::transient("a member's share that was just opened is not there"));
    }
    Ok(shares)
}

/// Saves what members have now.
pub async fn save_shares(tx: &mut PgConnection, drawn: &BTreeMap<(MemberId, Token), Points>) -> Result<(), Failure> {
    if drawn.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "update member_share s set granted = u.granted
         from unnest($1::uuid[], $2::text[], $3::bigint[]) u (member_id, campaign, granted)
         where s.member_id = u.member_id and s.campaign = u.campaign",
        &drawn.keys().map(|(member, _)| member.0).collect::<Vec<_>>(),
        &drawn.keys().map(|(_, campaign)| campaign.to_string()).collect::<Vec<_>>(),
        &drawn.values().map(|granted| granted.0).collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What each campaign with a budget has granted, by code.
pub async fn list(pool: &PgPool) -> Result<BTreeMap<String, Points>, Failure> {
    let rows = sqlx::query!("select campaign, granted from budget").fetch_all(pool).await?;
    Ok(rows.into_iter().map(|row| (row.campaign, Points(row.granted))).collect())
}
