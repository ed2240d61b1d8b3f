//! Deductions: one row for every correction that was heard of, one for each entry that it takes back.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use jifen_kernel::{MemberId, Money, Points, Token};
use jifen_runtime::{BadRow, Failure};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use crate::domain::deduction::{Cut, Deduction, Of};

/// Claims entries of these deductions, in the order of their ids; gives back those that nobody had taken back.
pub async fn claim_entries(tx: &mut PgConnection, deductions: &BTreeMap<Uuid, Deduction>) -> Result<BTreeSet<Uuid>, Failure> {
    let entries: BTreeMap<Uuid, Uuid> =
        deductions.values().flat_map(|deduction| deduction.entries.keys().map(|entry| (*entry, deduction.event_id))).collect();
    if entries.is_empty() {
        return Ok(BTreeSet::new());
    }
    let new = sqlx::query_scalar!(
        "insert into deducted_entry (entry_id, event_id) select * from unnest($1::uuid[], $2::uuid[]) on conflict do nothing
         returning entry_id",
        &entries.keys().copied().collect::<Vec<_>>(),
        &entries.values().copied().collect::<Vec<_>>(),
    )
    .fetch_all(tx)
    .await?;
    Ok(new.into_iter().collect())
}

/// Claims deductions, in the order of their events; gives back those that were not heard of before.
pub async fn claim(tx: &mut PgConnection, deductions: &BTreeMap<Uuid, Deduction>, now: DateTime<Utc>) -> Result<BTreeSet<Uuid>, Failure> {
    let each = || deductions.values();
    let paid = each().map(|one| Json(one.paid.iter().map(|(category, paid)| (category.as_str(), paid.fen())).collect()));
    let new = sqlx::query_scalar!(
        "insert into deduction (event_id, store, document, source, member_id, qualifying, paid_fen, visit_lost, paid_visit_lost, heard_at)
         select u.*, $10 from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::bigint[], $7::jsonb[], $8::bool[],
                                     $9::bool[]) u
         on conflict do nothing returning event_id",
        &deductions.keys().copied().collect::<Vec<_>>(),
        &each().map(|one| one.store.to_string()).collect::<Vec<_>>(),
        &each().map(|one| one.document.clone()).collect::<Vec<_>>(),
        &each().map(|one| one.source.as_str().to_owned()).collect::<Vec<_>>(),
        &each().map(|one| one.member_id.0).collect::<Vec<_>>(),
        &each().map(|one| one.cut().qualifying.0).collect::<Vec<_>>(),
        &paid.collect::<Vec<_>>() as &[Json<BTreeMap<&str, i64>>],
        &each().map(|one| one.visit_lost).collect::<Vec<_>>(),
        &each().map(|one| one.paid_visit_lost).collect::<Vec<_>>(),
        now,
    )
    .fetch_all(tx)
    .await?;
    Ok(new.into_iter().collect())
}

/// Which of these accruals were counted. Asked behind the lock of their members' standings.
pub async fn list_counted(tx: &mut PgConnection, accruals: &BTreeSet<Of>) -> Result<BTreeSet<Of>, Failure> {
    let rows = sqlx::query!(
        "select store, document, source from contribution
         where (store, document, source) in (select * from unnest($1::text[], $2::text[], $3::text[]))",
        &accruals.iter().map(|(store, ..)| store.clone()).collect::<Vec<_>>(),
        &accruals.iter().map(|(_, document, _)| document.clone()).collect::<Vec<_>>(),
        &accruals.iter().map(|(.., source)| source.clone()).collect::<Vec<_>>(),
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.store, row.document, row.source)).collect())
}

/// What corrections of these members take, by accrual.
pub async fn load(tx: &mut PgConnection, members: &[MemberId]) -> Result<HashMap<Of, Vec<Cut>>, Failure> {
    let rows = sqlx::query!(
        r#"select event_id, store, document, source, qualifying, paid_fen as "paid: Json<BTreeMap<String, i64>>", visit_lost, paid_visit_lost
           from deduction where member_id = any($1)"#,
        &members.iter().map(|member| member.0).collect::<Vec<_>>(),
    )
    .fetch_all(tx)
    .await?;
    let mut cuts: HashMap<Of, Vec<Cut>> = HashMap::new();
    for row in rows {
        let paid = read_paid(&row.paid.0).ok_or_else(|| BadRow { table: "deduction", key: row.event_id.to_string(), what: "paid_fen" })?;
        let (visit_lost, paid_visit_lost) = (row.visit_lost, row.paid_visit_lost);
        let cut = Cut { qualifying: Points(row.qualifying), paid, visit_lost, paid_visit_lost };
        cuts.entry((row.store, row.document, row.source)).or_default().push(cut);
    }
    Ok(cuts)
}

/// Amounts by category, as the table has them.
pub fn read_paid(paid: &BTreeMap<String, i64>) -> Option<BTreeMap<Token, Money>> {
    paid.iter().map(|(category, fen)| Some((Token::try_new(category).ok()?, Money::from_fen(*fen)))).collect()
}
