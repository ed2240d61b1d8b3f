//! What campaigns with a budget have granted: the only rows that postings of different members share.

use std::collections::BTreeMap;

use jifen_kernel::{Points, Token};
use jifen_runtime::{BadRow, Failure};
use sqlx::PgConnection;

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
