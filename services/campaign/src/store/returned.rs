//! Bonuses that came back: claimed once by entry, and returned to what they were drawn from.

use std::collections::{BTreeMap, BTreeSet};

use jifen_kernel::Points;
use jifen_runtime::Failure;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::domain::returned::{Returned, Returns};

/// Claims entries, in the order of their ids; gives back those that were not known.
pub async fn claim(tx: &mut PgConnection, returned: &BTreeMap<Uuid, Returned>) -> Result<BTreeSet<Uuid>, Failure> {
    let each = || returned.values();
    let new = sqlx::query_scalar!(
        "insert into returned (entry_id, member_id, store, document, campaign, version, points, at)
         select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::timestamptz[])
         on conflict do nothing returning entry_id",
        &returned.keys().copied().collect::<Vec<_>>(),
        &each().map(|one| one.member_id.0).collect::<Vec<_>>(),
        &each().map(|one| one.store.to_string()).collect::<Vec<_>>(),
        &each().map(|one| one.document.clone()).collect::<Vec<_>>(),
        &each().map(|one| one.campaign.to_string()).collect::<Vec<_>>(),
        &each().map(|one| i64::from(one.version)).collect::<Vec<_>>(),
        &each().map(|one| one.points.0).collect::<Vec<_>>(),
        &each().map(|one| one.at).collect::<Vec<_>>(),
    )
    .fetch_all(tx)
    .await?;
    Ok(new.into_iter().collect())
}

/// Gives points back to budgets, then to members' shares, both locked in the order of their keys. What was never drawn on a row
/// that isn't there returns nowhere.
pub async fn give_back(tx: &mut PgConnection, returns: &Returns) -> Result<(), Failure> {
    if !returns.budgets.is_empty() {
        sqlx::query!(
            "with locked as (select campaign from budget where campaign = any($1) order by campaign for update)
             update budget b set granted = greatest(b.granted - u.points, 0)
             from locked join unnest($1::text[], $2::bigint[]) u (campaign, points) on u.campaign = locked.campaign
             where b.campaign = locked.campaign",
            &returns.budgets.keys().map(ToString::to_string).collect::<Vec<_>>(),
            &returns.budgets.values().map(|points| points.0).collect::<Vec<_>>(),
        )
        .execute(&mut *tx)
        .await?;
    }
    if !returns.shares.is_empty() {
        sqlx::query!(
            "with wanted as (select * from unnest($1::uuid[], $2::text[], $3::bigint[]) u (member_id, campaign, points)),
             locked as (
                 select member_id, campaign from member_share where (member_id, campaign) in (select member_id, campaign from wanted)
                 order by member_id, campaign for update)
             update member_share s set granted = greatest(s.granted - u.points, 0)
             from locked join wanted u on u.member_id = locked.member_id and u.campaign = locked.campaign
             where s.member_id = locked.member_id and s.campaign = locked.campaign",
            &returns.shares.keys().map(|(member, _)| member.0).collect::<Vec<_>>(),
            &returns.shares.keys().map(|(_, campaign)| campaign.to_string()).collect::<Vec<_>>(),
            &returns.shares.values().map(|points| points.0).collect::<Vec<_>>(),
        )
        .execute(tx)
        .await?;
    }
    Ok(())
}

/// What came back of what each version of a campaign had granted.
pub async fn list_totals(pool: &PgPool) -> Result<BTreeMap<(String, i64), Points>, Failure> {
    let rows = sqlx::query!(r#"select campaign, version, sum(points)::bigint as "points!" from returned group by campaign, version"#)
        .fetch_all(pool)
        .await?;
    Ok(rows.into_iter().map(|row| ((row.campaign, row.version), Points(row.points))).collect())
}
