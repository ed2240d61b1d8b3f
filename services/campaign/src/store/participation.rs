//! What was granted to whom: append-only.

use chrono::{DateTime, Utc};
use jifen_kernel::Points;
use jifen_runtime::{BadRow, Failure};
use sqlx::{PgConnection, PgPool};

use crate::domain::{accrual::Accrual, assess::Assessment};

/// Saves the grants of a batch.
pub async fn save<'a>(
    tx: &mut PgConnection,
    answers: impl Iterator<Item = (&'a Accrual, &'a Assessment)>,
    granted_at: DateTime<Utc>,
) -> Result<(), Failure> {
    let grants: Vec<_> = answers.flat_map(|(accrual, answer)| answer.grants.iter().map(move |grant| (accrual, grant))).collect();
    if grants.is_empty() {
        return Ok(());
    }
    let accruals = || grants.iter().map(|(accrual, _)| *accrual);
    let each = || grants.iter().map(|(_, grant)| *grant);
    sqlx::query!(
        "insert into participation
                (member_id, store, document, category, campaign, version, factor_basis_points, base, points, granted_at)
         select u.*, $10
         from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[]) u",
        &accruals().map(|accrual| accrual.member_id.0).collect::<Vec<_>>(),
        &accruals().map(|accrual| accrual.store.to_string()).collect::<Vec<_>>(),
        &accruals().map(|accrual| accrual.document.clone()).collect::<Vec<_>>(),
        &each().map(|grant| grant.category.to_string()).collect::<Vec<_>>(),
        &each().map(|grant| grant.campaign.to_string()).collect::<Vec<_>>(),
        &each().map(|grant| i64::from(grant.version)).collect::<Vec<_>>(),
        &each().map(|grant| i64::from(grant.factor_basis_points)).collect::<Vec<_>>(),
        &each().map(|grant| grant.base.0).collect::<Vec<_>>(),
        &each().map(|grant| grant.points.0).collect::<Vec<_>>(),
        granted_at,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What one version of a campaign has granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totals {
    /// The campaign's code.
    pub campaign: String,
    /// The program's version.
    pub version: u32,
    /// Bonuses granted.
    pub bonuses: u64,
    /// Different members.
    pub members: u64,
    /// Points granted.
    pub points: Points,
}

/// Totals of all campaigns that have granted something, by code and version.
pub async fn list_totals(pool: &PgPool) -> Result<Vec<Totals>, Failure> {
    let rows = sqlx::query!(
        r#"select campaign, version, count(*) as "bonuses!", count(distinct member_id) as "members!", sum(points)::bigint as "points!"
           from participation group by campaign, version order by campaign, version"#
    )
    .fetch_all(pool)
    .await?;
    let read = rows.into_iter().map(|row| {
        let version = u32::try_from(row.version);
        Ok(Totals {
            version: version.map_err(|_| BadRow { table: "participation", key: row.campaign.clone(), what: "version" })?,
            campaign: row.campaign,
            bonuses: row.bonuses.unsigned_abs(),
            members: row.members.unsigned_abs(),
            points: Points(row.points),
        })
    });
    Ok(read.collect::<Result<_, BadRow>>()?)
}
