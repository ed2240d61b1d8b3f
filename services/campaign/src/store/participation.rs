//! What was granted to whom: append-only.

use chrono::{DateTime, Utc};
use jifen_kernel::{MemberId, Money, Points, StoreCode, Token};
use jifen_runtime::{BadRow, Failure};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::corrected::DocumentKey;
use crate::domain::{
    accrual::Accrual,
    assess::{Assessment, Grant, GrantRule},
    returned::Returned,
};

/// Saves the grants of a batch.
pub async fn save<'a>(
    tx: &mut PgConnection,
    answers: impl Iterator<Item = (&'a Accrual, &'a Assessment)>,
    granted_at: DateTime<Utc>,
) -> Result<(), Failure> {
    let rows: Vec<Row<'a>> = answers.flat_map(|(accrual, answer)| rows_of(accrual, answer)).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let each = || rows.iter();
    let multiplier = |row: &Row<'_>| match &row.grant.rule {
        GrantRule::Multiplier { category, factor_basis_points, base } => {
            Some((category.to_string(), i64::from(*factor_basis_points), base.0))
        }
        GrantRule::Fixed { .. } => None,
    };
    let keep_from = |row: &Row<'_>| match &row.grant.rule {
        GrantRule::Multiplier { .. } => None,
        GrantRule::Fixed { keep_from, .. } => Some(keep_from.fen()),
    };
    sqlx::query!(
        "insert into participation
                (member_id, store, document, category, campaign, version, factor_basis_points, base, points, keep_from_fen, paid_fen, deferred,
                 granted_at)
         select u.*, $13
         from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[],
                     $10::bigint[], $11::bigint[], $12::bool[]) u",
        &each().map(|row| row.accrual.member_id.0).collect::<Vec<_>>(),
        &each().map(|row| row.accrual.store.to_string()).collect::<Vec<_>>(),
        &each().map(|row| row.accrual.document.clone()).collect::<Vec<_>>(),
        &each().map(|row| multiplier(row).map(|of| of.0).unwrap_or_default()).collect::<Vec<_>>(),
        &each().map(|row| row.grant.campaign.to_string()).collect::<Vec<_>>(),
        &each().map(|row| i64::from(row.grant.version)).collect::<Vec<_>>(),
        &each().map(|row| multiplier(row).map(|of| of.1)).collect::<Vec<_>>() as &[Option<i64>],
        &each().map(|row| multiplier(row).map(|of| of.2)).collect::<Vec<_>>() as &[Option<i64>],
        &each().map(|row| row.grant.points.0).collect::<Vec<_>>(),
        &each().map(keep_from).collect::<Vec<_>>() as &[Option<i64>],
        &each().map(|row| if row.first { row.accrual.paid_in(&[]).fen() } else { 0 }).collect::<Vec<_>>(),
        &each().map(|row| row.grant.deferred).collect::<Vec<_>>(),
        granted_at,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What campaigns posted for these invoices and corrections haven't taken back yet, as if it came back now.
pub async fn list_standing(tx: &mut PgConnection, invoices: &[DocumentKey], at: DateTime<Utc>) -> Result<Vec<Returned>, Failure> {
    let rows = sqlx::query!(
        r#"select p.member_id as "member_id!", p.store as "store!", p.document as "document!", p.campaign as "campaign!",
                  p.version as "version!",
                  (sum(p.points) - coalesce((select sum(r.points) from returned r where r.store = p.store and r.document = p.document
                                             and r.campaign = p.campaign), 0))::bigint as "points!"
           from assessment a
                join participation p on p.member_id = a.member_id and p.store = a.store and p.document = a.document
           where (a.store, a.document) in (select * from unnest($1::text[], $2::text[])) and not p.deferred
           group by p.member_id, p.store, p.document, p.campaign, p.version"#,
        &invoices.iter().map(|key| key.0.clone()).collect::<Vec<_>>(),
        &invoices.iter().map(|key| key.1.clone()).collect::<Vec<_>>(),
    )
    .fetch_all(tx)
    .await?;
    let read = rows.into_iter().map(|row| {
        let bad = |what| BadRow { table: "participation", key: format!("{}/{}", row.store, row.document), what };
        Ok(Returned {
            entry_id: Uuid::nil(),
            member_id: MemberId(row.member_id),
            store: StoreCode::try_new(row.store.as_str()).map_err(|_| bad("store"))?,
            campaign: Token::try_new(row.campaign.as_str()).map_err(|_| bad("campaign"))?,
            version: u32::try_from(row.version).map_err(|_| bad("version"))?,
            category: String::new(),
            points: Points(row.points),
            at,
            document: row.document,
        })
    });
    Ok(read.collect::<Result<_, BadRow>>()?)
}

/// A grant on its accrual.
struct Row<'a> {
    accrual: &'a Accrual,
    grant: &'a Grant,
    /// The campaign's first on this accrual: it carries what the invoice was worth.
    first: bool,
}

fn rows_of<'a>(accrual: &'a Accrual, answer: &'a Assessment) -> impl Iterator<Item = Row<'a>> {
    answer.grants.iter().enumerate().map(move |(place, grant)| {
        let first = !answer.grants[..place].iter().any(|earlier| earlier.campaign == grant.campaign);
        Row { accrual, grant, first }
    })
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
    /// Points granted, promised ones included.
    pub points: Points,
    /// What customers paid on the invoices that got them, each invoice once.
    pub revenue: Money,
}

/// Totals of all campaigns that have granted something, by code and version.
pub async fn list_totals(pool: &PgPool) -> Result<Vec<Totals>, Failure> {
    let rows = sqlx::query!(
        r#"select campaign, version, count(*) as "bonuses!", count(distinct member_id) as "members!", sum(points)::bigint as "points!",
                  sum(paid_fen)::bigint as "paid_fen!"
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
            revenue: Money::from_fen(row.paid_fen),
        })
    });
    Ok(read.collect::<Result<_, BadRow>>()?)
}
