//! Accruals that are settled where they are posted: their claims, limits and budgets.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use jifen_contracts::event::{AccrualSource, Bonus};
use jifen_kernel::{MemberId, Money, Points, StoreCode};
use jifen_runtime::{BadRow, Failure};
use sqlx::{PgConnection, PgPool, types::Json};

use super::accruals::DocumentKey;
use crate::domain::{
    direct::{Decision, DirectAccrual, Outcome},
    interaction::Counting,
};

/// Which of these documents are posted. The accounts are locked: nobody else posts one of their members now.
pub async fn load_claimed(tx: &mut PgConnection, source: AccrualSource, keys: &[DocumentKey]) -> Result<BTreeSet<DocumentKey>, Failure> {
    let rows = sqlx::query!(
        "select store, document, source from direct_accrual
         where (store, document) in (select * from unnest($1::text[], $2::text[]))",
        &keys.iter().map(|key| key.0.clone()).collect::<Vec<_>>(),
        &keys.iter().map(|key| key.1.clone()).collect::<Vec<_>>(),
    )
    .fetch_all(tx)
    .await?;
    let posted = rows.into_iter().filter(|row| row.source == source.as_str());
    Ok(posted.map(|row| (row.store, row.document)).collect())
}

/// Writes claims with what was decided.
pub async fn save(tx: &mut PgConnection, decided: &[(&DirectAccrual, Decision)], at: DateTime<Utc>) -> Result<(), Failure> {
    let each = || decided.iter().map(|(accrual, _)| *accrual);
    let decisions = || decided.iter().map(|(_, decision)| decision);
    sqlx::query!(
        "insert into direct_accrual (store, document, source, member_id, member_no, occurred_at, business_date, program_version, subject,
                                     about, amount_fen, awaiting, counted, budget_left, outcome, points, bonuses, posted_at)
         select u.*, $18 from unnest($1::text[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::timestamptz[], $7::date[], $8::int[],
                                     $9::text[], $10::text[], $11::bigint[], $12::bool[], $13::bigint[], $14::bigint[], $15::text[],
                                     $16::bigint[], $17::jsonb[]) u",
        &each().map(|a| a.store.to_string()).collect::<Vec<_>>(),
        &each().map(|a| a.document.clone()).collect::<Vec<_>>(),
        &each().map(|a| a.source.as_str().to_owned()).collect::<Vec<_>>(),
        &each().map(|a| a.member_id.0).collect::<Vec<_>>(),
        &each().map(|a| a.member_no.clone()).collect::<Vec<_>>(),
        &each().map(|a| a.occurred_at).collect::<Vec<_>>(),
        &each().map(|a| a.business_date).collect::<Vec<_>>(),
        &each().map(|a| i32::try_from(a.program_version).unwrap_or(i32::MAX)).collect::<Vec<_>>(),
        &each().map(|a| a.subject.clone()).collect::<Vec<_>>(),
        &each().map(|a| a.about.clone()).collect::<Vec<_>>() as &[Option<String>],
        &each().map(|a| a.amount.map(Money::fen)).collect::<Vec<_>>() as &[Option<i64>],
        &each().map(|a| a.awaiting).collect::<Vec<_>>(),
        &decisions().map(|d| d.counted).collect::<Vec<_>>() as &[Option<i64>],
        &decisions().map(|d| d.budget_left.map(|left| left.0)).collect::<Vec<_>>() as &[Option<i64>],
        &decisions().map(|d| d.outcome.as_str().to_owned()).collect::<Vec<_>>(),
        &decisions().map(|d| d.points.0).collect::<Vec<_>>(),
        &each().map(|a| (!a.bonuses.is_empty()).then_some(Json(&a.bonuses))).collect::<Vec<_>>() as &[Option<Json<&Vec<Bonus>>>],
        at,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// How many were rewarded in each of these periods, of locked members.
pub async fn count_rewarded(tx: &mut PgConnection, periods: BTreeSet<Counting>) -> Result<Vec<(Counting, i64)>, Failure> {
    let periods: Vec<Counting> = periods.into_iter().collect();
    // A count of its own for each: it reads the index, whatever the plan of the rest.
    let counts = sqlx::query_scalar!(
        r#"select (select count(*) from direct_accrual d
                   where d.member_id = u.member_id and d.subject = u.kind and d.source = 'interaction' and d.points > 0
                     and d.business_date between u.first and u.last
                     and (u.about is null or d.about = u.about) and (u.store is null or d.store = u.store)) as "count!"
           from unnest($1::uuid[], $2::text[], $3::date[], $4::date[], $5::text[], $6::text[])
                with ordinality u(member_id, kind, first, last, about, store, place) order by place"#,
        &periods.iter().map(|c| c.member_id.0).collect::<Vec<_>>(),
        &periods.iter().map(|c| c.kind.clone()).collect::<Vec<_>>(),
        &periods.iter().map(|c| c.first).collect::<Vec<_>>(),
        &periods.iter().map(|c| c.last).collect::<Vec<_>>(),
        &periods.iter().map(|c| c.about.clone()).collect::<Vec<_>>() as &[Option<String>],
        &periods.iter().map(|c| c.store.clone()).collect::<Vec<_>>() as &[Option<String>],
    )
    .fetch_all(tx)
    .await?;
    Ok(periods.into_iter().zip(counts).collect())
}

/// Locks the budgets of `partners` in the order of their codes, opening those of the `limited` ones that aren't there: what each has
/// granted. A budget that was opened is there for good, also where a later version of the program has none.
pub async fn lock_budgets(
    tx: &mut PgConnection,
    partners: &BTreeSet<String>,
    limited: &BTreeSet<String>,
) -> Result<BTreeMap<String, Points>, Failure> {
    let all: Vec<String> = partners.iter().cloned().collect();
    let mut budgets = if all.is_empty() { BTreeMap::new() } else { lock(tx, &all).await? };
    let missing: Vec<String> = limited.iter().filter(|partner| !budgets.contains_key(*partner)).cloned().collect();
    if !missing.is_empty() {
        // Whoever locks a partner's budget first counts what it had granted without one.
        sqlx::query!(
            "insert into partner_budget (partner, granted)
             select u.partner, coalesce((select sum(points)::bigint from direct_accrual d
                                         where d.source = 'partner_purchase' and d.subject = u.partner), 0)
             from unnest($1::text[]) u(partner) on conflict do nothing",
            &missing
        )
        .execute(&mut *tx)
        .await?;
        budgets.extend(lock(tx, &missing).await?);
    }
    Ok(budgets)
}

async fn lock(tx: &mut PgConnection, partners: &[String]) -> Result<BTreeMap<String, Points>, Failure> {
    let rows = sqlx::query!("select partner, granted from partner_budget where partner = any($1) order by partner for update", partners);
    Ok(rows.fetch_all(tx).await?.into_iter().map(|row| (row.partner, Points(row.granted))).collect())
}

/// Saves locked budgets.
pub async fn save_budgets(tx: &mut PgConnection, budgets: &BTreeMap<String, Points>) -> Result<(), Failure> {
    sqlx::query!(
        "update partner_budget b set granted = u.granted from unnest($1::text[], $2::bigint[]) u(partner, granted)
         where b.partner = u.partner",
        &budgets.keys().cloned().collect::<Vec<_>>(),
        &budgets.values().map(|granted| granted.0).collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// A posted accrual with what its decision rested on.
pub struct Posted {
    /// What the document said.
    pub accrual: DirectAccrual,
    /// What was decided.
    pub decision: Decision,
}

/// The accrual of a member's document.
pub async fn find(
    pool: &PgPool,
    member_id: MemberId,
    source: AccrualSource,
    store: &str,
    document: &str,
) -> Result<Option<Posted>, Failure> {
    let row = sqlx::query!(
        "select member_no, occurred_at, business_date, program_version, subject, about, amount_fen, awaiting, counted, budget_left,
                outcome, points
         from direct_accrual where store = $1 and document = $2 and source = $3 and member_id = $4",
        store,
        document,
        source.as_str(),
        member_id.0
    )
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let bad = |what| BadRow { table: "direct_accrual", key: format!("{store}/{document}"), what };
    let accrual = DirectAccrual {
        source,
        store: StoreCode::try_new(store).map_err(|_| bad("store"))?,
        document: document.to_owned(),
        member_id,
        member_no: row.member_no,
        occurred_at: row.occurred_at,
        business_date: row.business_date,
        program_version: u32::try_from(row.program_version).map_err(|_| bad("program_version"))?,
        subject: row.subject,
        about: row.about,
        amount: row.amount_fen.map(Money::from_fen),
        // None of them is needed to decide again.
        bonuses: Vec::new(),
        qualifying: false,
        hold: None,
        expires_on: row.business_date,
        awaiting: row.awaiting,
    };
    let decision = Decision {
        points: Points(row.points),
        outcome: Outcome::find(&row.outcome).ok_or_else(|| bad("outcome"))?,
        counted: row.counted,
        budget_left: row.budget_left.map(Points),
    };
    Ok(Some(Posted { accrual, decision }))
}

/// How the grants that rest on these invoices were computed, by the grants' documents with their invoices.
pub async fn load_grants_on(
    tx: &mut PgConnection,
    invoices: &[DocumentKey],
) -> Result<BTreeMap<DocumentKey, (DocumentKey, Vec<Bonus>)>, Failure> {
    let rows = sqlx::query!(
        r#"select store, document, about as "about!", bonuses as "bonuses: Json<Vec<Bonus>>" from direct_accrual
           where source = 'grant' and (store, about) in (select * from unnest($1::text[], $2::text[]))"#,
        &invoices.iter().map(|key| key.0.clone()).collect::<Vec<_>>(),
        &invoices.iter().map(|key| key.1.clone()).collect::<Vec<_>>(),
    )
    .fetch_all(tx)
    .await?;
    let read = rows.into_iter().map(|row| {
        let bonuses = row.bonuses.map(|bonuses| bonuses.0).unwrap_or_default();
        ((row.store.clone(), row.document), ((row.store, row.about), bonuses))
    });
    Ok(read.collect())
}
