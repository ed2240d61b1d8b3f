//! Bonuses that are promised now and granted some working days after a campaign's end.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use jifen_contracts::event::Bonus;
use jifen_kernel::{MemberId, Points, StoreCode, Token};
use jifen_runtime::{BadRow, Failure};
use sqlx::{PgConnection, PgPool, types::Json};
use uuid::Uuid;

use super::corrected::DocumentKey;
use crate::{
    domain::{accrual::Accrual, assess::Assessment},
    outbound::bonus,
};

/// A promise that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    /// The campaign.
    pub campaign: Token,
    /// The version that promised.
    pub version: u32,
    /// The store of the invoice.
    pub store: StoreCode,
    /// The invoice.
    pub document: String,
    /// Who.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// How many.
    pub points: Points,
    /// How they were computed.
    pub bonuses: Vec<Bonus>,
}

struct Row {
    campaign: String,
    version: i64,
    store: String,
    document: String,
    member_id: Uuid,
    member_no: String,
    points: i64,
    bonuses: Option<Json<Vec<Bonus>>>,
}

impl TryFrom<Row> for Promise {
    type Error = BadRow;

    fn try_from(row: Row) -> Result<Self, BadRow> {
        let key = format!("{}/{}/{}", row.campaign, row.store, row.document);
        let bad = |what| BadRow { table: "deferred", key: key.clone(), what };
        Ok(Self {
            campaign: Token::try_new(row.campaign).map_err(|_| bad("campaign"))?,
            version: u32::try_from(row.version).map_err(|_| bad("version"))?,
            store: StoreCode::try_new(row.store).map_err(|_| bad("store"))?,
            document: row.document,
            member_id: MemberId(row.member_id),
            member_no: row.member_no,
            points: Points(row.points),
            bonuses: row.bonuses.map(|bonuses| bonuses.0).unwrap_or_default(),
        })
    }
}

/// A promise that is made.
struct Made<'a> {
    accrual: &'a Accrual,
    version: u32,
    points: Points,
    bonuses: Vec<Bonus>,
}

/// Saves the promises of a batch: one for each campaign and document.
pub async fn save<'a>(
    tx: &mut PgConnection,
    answers: impl Iterator<Item = (&'a Accrual, &'a Assessment)>,
    at: DateTime<Utc>,
) -> Result<(), Failure> {
    let mut promises: BTreeMap<(&Token, &str, &str), Made<'_>> = BTreeMap::new();
    for (accrual, answer) in answers {
        for grant in answer.grants.iter().filter(|grant| grant.deferred) {
            let key = (&grant.campaign, accrual.store.as_str(), accrual.document.as_str());
            let promise =
                promises.entry(key).or_insert(Made { accrual, version: grant.version, points: Points::ZERO, bonuses: Vec::new() });
            promise.points += grant.points;
            promise.bonuses.push(bonus(grant));
        }
    }
    if promises.is_empty() {
        return Ok(());
    }
    let each = || promises.values();
    sqlx::query!(
        "insert into deferred (campaign, store, document, member_id, member_no, version, points, bonuses, promised_at)
         select u.*, $9 from unnest($1::text[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::bigint[], $7::bigint[], $8::jsonb[]) u",
        &promises.keys().map(|key| key.0.to_string()).collect::<Vec<_>>(),
        &promises.keys().map(|key| key.1.to_owned()).collect::<Vec<_>>(),
        &promises.keys().map(|key| key.2.to_owned()).collect::<Vec<_>>(),
        &each().map(|promise| promise.accrual.member_id.0).collect::<Vec<_>>(),
        &each().map(|promise| promise.accrual.member_no.clone()).collect::<Vec<_>>(),
        &each().map(|promise| i64::from(promise.version)).collect::<Vec<_>>(),
        &each().map(|promise| promise.points.0).collect::<Vec<_>>(),
        &each().map(|promise| Json(&promise.bonuses)).collect::<Vec<_>>() as &[Json<&Vec<Bonus>>],
        at,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Takes promises of these campaigns that nobody has granted, at most `limit`, and marks them as granted now.
pub async fn grant(tx: &mut PgConnection, campaigns: &[String], limit: i64, at: DateTime<Utc>) -> Result<Vec<Promise>, Failure> {
    if campaigns.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query_as!(
        Row,
        r#"with due as (
             select campaign, store, document from deferred where granted_at is null and points > 0 and campaign = any($1)
             order by campaign, store, document limit $2 for update
         )
         update deferred d set granted_at = $3 from due
         where d.campaign = due.campaign and d.store = due.store and d.document = due.document
         returning d.campaign, d.version, d.store, d.document, d.member_id, d.member_no, d.points,
                   d.bonuses as "bonuses: Json<Vec<Bonus>>""#,
        campaigns,
        limit,
        at,
    )
    .fetch_all(tx)
    .await?;
    let mut promises = rows.into_iter().map(Promise::try_from).collect::<Result<Vec<_>, BadRow>>()?;
    promises
        .sort_unstable_by(|one, other| (&one.campaign, &one.store, &one.document).cmp(&(&other.campaign, &other.store, &other.document)));
    Ok(promises)
}

/// Locks what is promised for these invoices and neither granted nor gone, in the order of its keys.
pub async fn load_open_locked(tx: &mut PgConnection, invoices: &[DocumentKey]) -> Result<Vec<Promise>, Failure> {
    let rows = sqlx::query_as!(
        Row,
        r#"select campaign, version, store, document, member_id, member_no, points, bonuses as "bonuses: Json<Vec<Bonus>>" from deferred
           where (store, document) in (select * from unnest($1::text[], $2::text[])) and granted_at is null and points > 0
           order by campaign, store, document for update"#,
        &invoices.iter().map(|key| key.0.clone()).collect::<Vec<_>>(),
        &invoices.iter().map(|key| key.1.clone()).collect::<Vec<_>>(),
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(Promise::try_from).collect::<Result<_, BadRow>>()?)
}

/// Saves what is left of locked promises.
pub async fn save_cut(tx: &mut PgConnection, promises: &[Promise]) -> Result<(), Failure> {
    sqlx::query!(
        "update deferred d set points = u.points, bonuses = u.bonuses
         from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::jsonb[]) u (campaign, store, document, points, bonuses)
         where d.campaign = u.campaign and d.store = u.store and d.document = u.document",
        &promises.iter().map(|promise| promise.campaign.to_string()).collect::<Vec<_>>(),
        &promises.iter().map(|promise| promise.store.to_string()).collect::<Vec<_>>(),
        &promises.iter().map(|promise| promise.document.clone()).collect::<Vec<_>>(),
        &promises.iter().map(|promise| promise.points.0).collect::<Vec<_>>(),
        &promises.iter().map(|promise| Json(&promise.bonuses)).collect::<Vec<_>>() as &[Json<&Vec<Bonus>>],
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What is promised and not granted yet, by code and version.
pub async fn list_open(pool: &PgPool) -> Result<BTreeMap<(String, i64), Points>, Failure> {
    let rows = sqlx::query!(
        r#"select campaign, version, sum(points)::bigint as "points!" from deferred where granted_at is null group by campaign, version"#
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| ((row.campaign, row.version), Points(row.points))).collect())
}
