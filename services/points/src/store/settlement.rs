//! Sums of what entries moved between stores' books, and closed months.

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::program::AppliedProgram;
use jifen_kernel::{Points, Rate};
use jifen_runtime::{BadRow, Failure};
use sqlx::{PgConnection, types::Json};

use crate::domain::settlement::{Flow, LateFact, Side};

/// How far the summing is, and the newest seal. Locks the place: who sums and who closes wait for each other, so that nothing comes to a
/// month while it is closed.
pub async fn load_place(tx: &mut PgConnection) -> Result<(i64, i64), Failure> {
    let place = sqlx::query_scalar!("select seal from settlement_place for update").fetch_one(&mut *tx).await?;
    // In a later statement: it sees what the lock waited for.
    let newest = sqlx::query_scalar!(r#"select coalesce(max(seal), 0) as "newest!" from seal"#).fetch_one(tx).await?;
    Ok((place, newest))
}

/// Adds the entries under the seals behind `after` up to `to`: to the month in which they were posted, or to the first open one.
pub async fn add(tx: &mut PgConnection, after: i64, to: i64, zone: &str) -> Result<(), Failure> {
    sqlx::query!(
        r"with moved as (
              select greatest(date_trunc('month', e.posted_at at time zone $3)::date,
                              coalesce((select (max(month) + interval '1 month')::date from settlement_month), '0001-01-01')) as month,
                     split_part(e.debit, ':', 1) as debit, split_part(e.credit, ':', 1) as credit, e.kind, e.points,
                     split_part(e.debit, ':', 2) as debit_of, split_part(e.credit, ':', 2) as credit_of,
                     coalesce(l.store, p.store, e.store) as funder
              from sealed_head h
                   cross join lateral (select * from entry e where e.member_id = h.member_id and e.sequence > h.behind
                                       and e.sequence <= h.sequence offset 0) e
                   left join lot l on l.member_id = e.member_id and l.lot_id = e.lot_id
                   left join pending_lot p on p.member_id = e.member_id and p.lot_id = e.lot_id
              where h.seal > $1 and h.seal <= $2
          ), sides as (
              select month, debit, credit, kind, points,
                     case when debit in ('issued', 'redeemed') then debit_of when debit = 'debt' then '*' else funder end as debit_store,
                     case when credit in ('issued', 'redeemed') then credit_of when credit = 'debt' then '*' else funder end as credit_store
              from moved
          )
          insert into settlement_flow as f (month, debit_store, debit, credit_store, credit, kind, points, entries)
          select month, debit_store, debit, credit_store, credit, kind, sum(points)::bigint, count(*) from sides
          group by month, debit_store, debit, credit_store, credit, kind
          order by month, debit_store, debit, credit_store, credit, kind
          on conflict (month, debit_store, debit, credit_store, credit, kind)
              do update set points = f.points + excluded.points, entries = f.entries + excluded.entries",
        after,
        to,
        zone
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        r"with moved as (
              select greatest(date_trunc('month', e.posted_at at time zone $3)::date,
                              coalesce((select (max(month) + interval '1 month')::date from settlement_month), '0001-01-01')) as month,
                     e.store, e.document, coalesce(e.source, '') as source, e.kind, e.points,
                     date_trunc('month', coalesce(a.business_date, d.business_date)::timestamp)::date as business_month
              from sealed_head h
                   cross join lateral (select * from entry e where e.member_id = h.member_id and e.sequence > h.behind
                                       and e.sequence <= h.sequence offset 0) e
                   left join accrual a on a.store = e.store and a.document = e.document and e.source is null
                   left join direct_accrual d on d.store = e.store and d.document = e.document and d.source = e.source
              where h.seal > $1 and h.seal <= $2
                and e.kind in ('accrual', 'first_spending', 'bonus', 'grant', 'interaction', 'partner', 'reversal', 'return')
          )
          insert into settlement_late as f (month, store, document, source, kind, business_month, points, entries)
          select month, store, document, source, kind, min(business_month), sum(points)::bigint, count(*) from moved
          where business_month < month group by month, store, document, source, kind
          on conflict (month, store, document, source, kind)
              do update set points = f.points + excluded.points, entries = f.entries + excluded.entries",
        after,
        to,
        zone
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!("update settlement_place set seal = $1", to).execute(tx).await?;
    Ok(())
}

/// The first month that isn't closed and has something in it, or lies before one that has.
pub async fn first_open(tx: &mut PgConnection) -> Result<Option<NaiveDate>, Failure> {
    let month = sqlx::query_scalar!(
        r#"select coalesce((select (max(month) + interval '1 month')::date from settlement_month), (select min(month) from settlement_flow))
           as "month?""#
    );
    Ok(month.fetch_one(tx).await?)
}

/// Closes a month: what is in it now is kept, and nothing comes to it any more.
pub async fn close(tx: &mut PgConnection, month: NaiveDate, at: DateTime<Utc>, applied: &AppliedProgram) -> Result<(), Failure> {
    sqlx::query!(
        "insert into settlement_month (month, closed_at, point_value, program_version, seal)
         select $1, $2, $3, $4, seal from settlement_place",
        month,
        at,
        applied.program.settlement.point_value.to_string(),
        i32::try_from(applied.version).unwrap_or(i32::MAX),
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "insert into settlement_closed (month, debit_store, debit, credit_store, credit, kind, points, entries)
         select month, debit_store, debit, credit_store, credit, kind, points, entries from settlement_flow where month = $1",
        month
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// A closed month.
#[derive(Debug, Clone)]
pub struct Closed {
    /// When.
    pub at: DateTime<Utc>,
    /// What a point was worth.
    pub point_value: Rate,
}

/// Whether and how a month is closed.
pub async fn find_closed(tx: &mut PgConnection, month: NaiveDate) -> Result<Option<Closed>, Failure> {
    let row = sqlx::query!("select closed_at, point_value from settlement_month where month = $1", month).fetch_optional(tx).await?;
    let bad = |_| BadRow { table: "settlement_month", key: month.to_string(), what: "point_value" };
    Ok(row
        .map(|row| Ok::<_, BadRow>(Closed { at: row.closed_at, point_value: Rate::try_new(&row.point_value).map_err(bad)? }))
        .transpose()?)
}

/// The flows of this month, and of all months up to it: closed ones as they were closed.
pub async fn list_flows(tx: &mut PgConnection, month: NaiveDate) -> Result<Vec<(NaiveDate, Flow)>, Failure> {
    let rows = sqlx::query!(
        r#"select month as "month!", debit_store as "debit_store!", debit as "debit!", credit_store as "credit_store!", credit as "credit!",
                  kind as "kind!", points as "points!", entries as "entries!"
           from settlement_closed where month <= $1
           union all
           select month, debit_store, debit, credit_store, credit, kind, points, entries from settlement_flow
           where month <= $1 and month > coalesce((select max(month) from settlement_month), '0001-01-01')
           order by 1, 2, 3, 4, 5, 6"#,
        month
    )
    .fetch_all(tx)
    .await?;
    let flow = |row_points, entries, debit, credit, kind| Flow { debit, credit, kind, points: Points(row_points), entries };
    let side = |store, account| Side { store, account };
    let rows = rows.into_iter();
    Ok(rows
        .map(|row| {
            (row.month, flow(row.points, row.entries, side(row.debit_store, row.debit), side(row.credit_store, row.credit), row.kind))
        })
        .collect())
}

/// What came to this month and belongs to documents of earlier ones.
pub async fn list_late(tx: &mut PgConnection, month: NaiveDate) -> Result<Vec<LateFact>, Failure> {
    let rows = sqlx::query!(
        "select store, document, source, kind, business_month, points, entries from settlement_late where month = $1
         order by store, document, source, kind",
        month
    )
    .fetch_all(tx)
    .await?;
    let late = rows.into_iter().map(|row| LateFact {
        store: row.store,
        document: row.document,
        source: if row.source.is_empty() { "invoice".to_owned() } else { row.source },
        kind: row.kind,
        business_month: row.business_month,
        points: Points(row.points),
        entries: row.entries,
    });
    Ok(late.collect())
}

/// Every version of the rules.
pub async fn list_programs(tx: &mut PgConnection) -> Result<Vec<AppliedProgram>, Failure> {
    let rows = sqlx::query_scalar!(r#"select applied as "applied: Json<AppliedProgram>" from program_version"#).fetch_all(tx).await?;
    Ok(rows.into_iter().map(|applied| applied.0).collect())
}
