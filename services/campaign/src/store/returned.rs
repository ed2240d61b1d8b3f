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
        "insert into returned (entry_id, member_id, store, document, campaign, version, category, points, at)
         select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::bigint[],
                              $9::timestamptz[])
         on conflict do nothing returning entry_id",
        &returned.keys().copied().collect::<Vec<_>>(),
        &each().map(|one| one.member_id.0).collect::<Vec<_>>(),
        &each().map(|one| one.store.to_string()).collect::<Vec<_>>(),
        &each().map(|one| one.document.clone()).collect::<Vec<_>>(),
        &each().map(|one| one.campaign.to_string()).collect::<Vec<_>>(),
        &each().map(|one| i64::from(one.version)).collect::<Vec<_>>(),
        &each().map(|one| one.category.clone()).collect::<Vec<_>>(),
        &each().map(|one| one.points.0).collect::<Vec<_>>(),
        &each().map(|one| one.at).collect::<Vec<_>>(),
    )
    .fetch_all(tx)
    .await?;
    Ok(new.into_iter().collect())
}

/// Gives points back to budgets, then to members' shares, both locked in the order of their keys before a later statement changes
/// them: one that waits while it changes them may pass over what it waited for. What was never drawn on a row that isn't there returns
/// nowhere.
pub async fn give_back(tx: &mut PgConnection, returns: &Returns) -> Result<(), Failure> {
    if !returns.budgets.is_empty() {
        let campaigns: Vec<String> = returns.budgets.keys().map(ToString::to_string).collect();
        sqlx::query!("select campaign from budget where campaign = any($1) order by campaign for update", &campaigns)
            .fetch_all(&mut *tx)
            .await?;
        sqlx::query!(
            "update budget b set granted = greatest(b.granted - u.points, 0)
             from unnest($1::text[], $2::bigint[]) u (campaign, points) where b.campaign = u.campaign",
            &campaigns,
            &returns.budgets.values().map(|points| points.0).collect::<Vec<_>>(),
        )
        .execute(&mut *tx)
        .await?;
    }
    if !returns.shares.is_empty() {
        let members: Vec<Uuid> = returns.shares.keys().map(|(member, _)| member.0).collect();
        let campaigns: Vec<String> = returns.shares.keys().map(|(_, campaign)| campaign.to_string()).collect();
        sqlx::query!(
            "select member_id from member_share where member_id = any($1) and campaign = any($2) order by member_id, campaign for update",
            &members,
            &campaigns,
        )
        .fetch_all(&mut *tx)
        .await?;
        sqlx::query!(
            "update member_share s set granted = greatest(s.granted - u.points, 0)
             from unnest($1::uuid[], $2::text[], $3::bigint[]) u (member_id, campaign, points)
             where s.member_id = u.member_id and s.campaign = u.campaign",
            &members,
            &campaigns,
            &returns.shares.values().map(|points| points.0).collect::<Vec<_>>(),
        )
        .execute(tx)
        .await?;
    }
    Ok(())
}

/// What came back of what a version of a campaign had granted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CameBack {
    /// Points.
    pub points: Points,
    /// Bonuses of which nothing is left.
    pub bonuses: u64,
    /// Members to whom nothing is left.
    pub members: u64,
}

/// What came back, by code and version. What was promised came in one, whatever its parts were.
pub async fn list_totals(pool: &PgPool) -> Result<BTreeMap<(String, i64), CameBack>, Failure> {
    let rows = sqlx::query!(
        r#"with by_member as (
               select r.campaign, r.version, r.member_id, sum(r.points) as points,
                      (select sum(p.points) from participation p
                       where p.campaign = r.campaign and p.version = r.version and p.member_id = r.member_id) as granted
               from returned r group by r.campaign, r.version, r.member_id
           ), by_bonus as (
               select r.campaign, r.version, sum(r.points) as points, p.bonuses, p.granted
               from returned r cross join lateral (
                   select array_agg(p.category order by p.category) as categories, count(*) as bonuses, sum(p.points) as granted
                   from participation p
                   where p.member_id = r.member_id and p.store = r.store and p.document = r.document and p.campaign = r.campaign
                     and p.version = r.version and (p.deferred or p.category = coalesce(r.category, p.category))) p
               group by r.campaign, r.version, r.member_id, r.store, r.document, p.categories, p.bonuses, p.granted
           )
           select campaign as "campaign!", version as "version!", sum(points)::bigint as "points!",
                  count(*) filter (where points >= granted) as "members!",
                  (select coalesce(sum(b.bonuses) filter (where b.points >= b.granted), 0)::bigint from by_bonus b
                   where b.campaign = m.campaign and b.version = m.version) as "bonuses!"
           from by_member m group by campaign, version"#
    )
    .fetch_all(pool)
    .await?;
    let read = rows.into_iter().map(|row| {
        let came_back = CameBack { points: Points(row.points), bonuses: row.bonuses.unsigned_abs(), members: row.members.unsigned_abs() };
        ((row.campaign, row.version), came_back)
    });
    Ok(read.collect())
}
