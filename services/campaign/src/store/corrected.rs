//! What corrections leave of invoices. A row is what holds assessment and correction of one invoice apart: whichever is second sees
//! the first.

use std::collections::BTreeMap;

use jifen_contracts::event::CategoryBase;
use jifen_kernel::{MemberId, Money, Points, Token};
use jifen_runtime::Failure;
use sqlx::{PgConnection, PgPool, types::Json};

use crate::domain::net::{Corrected, paid_in};

/// An invoice: store and number.
pub type DocumentKey = (String, String);

/// Locks the rows of these invoices in the order of their keys, opening those that aren't there. Asks nothing for none.
pub async fn load_locked(
    tx: &mut PgConnection,
    invoices: &BTreeMap<DocumentKey, MemberId>,
) -> Result<BTreeMap<DocumentKey, Corrected>, Failure> {
    if invoices.is_empty() {
        return Ok(BTreeMap::new());
    }
    let stores: Vec<String> = invoices.keys().map(|key| key.0.clone()).collect();
    let documents: Vec<String> = invoices.keys().map(|key| key.1.clone()).collect();
    sqlx::query!(
        "insert into corrected (store, document, member_id)
         select u.store, u.document, u.member_id from unnest($1::text[], $2::text[], $3::uuid[]) u (store, document, member_id)
         order by u.store, u.document
         on conflict (store, document) do nothing",
        &stores,
        &documents,
        &invoices.values().map(|member| member.0).collect::<Vec<_>>(),
    )
    .execute(&mut *tx)
    .await?;
    let rows = sqlx::query!(
        r#"select store, document, member_id, categories as "categories: Json<Vec<CategoryBase>>",
                  ahead as "ahead: Json<BTreeMap<Token, Points>>" from corrected
           where (store, document) in (select * from unnest($1::text[], $2::text[])) order by store, document for update"#,
        &stores,
        &documents,
    )
    .fetch_all(tx)
    .await?;
    if rows.len() != invoices.len() {
        return Err(Failure::transient("an invoice's row that was just opened is not there"));
    }
    let read = rows.into_iter().map(|row| {
        let (left, ahead) = (row.categories.map(|left| left.0), row.ahead.0);
        ((row.store, row.document), Corrected { member_id: MemberId(row.member_id), left, ahead })
    });
    Ok(read.collect())
}

/// Saves locked rows.
pub async fn save(tx: &mut PgConnection, known: &BTreeMap<DocumentKey, Corrected>) -> Result<(), Failure> {
    if known.is_empty() {
        return Ok(());
    }
    let each = || known.values();
    sqlx::query!(
        "update corrected c set member_id = u.member_id, categories = u.categories, paid_fen = u.paid_fen, ahead = u.ahead
         from unnest($1::text[], $2::text[], $3::uuid[], $4::jsonb[], $5::bigint[], $6::jsonb[])
              u (store, document, member_id, categories, paid_fen, ahead)
         where c.store = u.store and c.document = u.document",
        &known.keys().map(|key| key.0.clone()).collect::<Vec<_>>(),
        &known.keys().map(|key| key.1.clone()).collect::<Vec<_>>(),
        &each().map(|known| known.member_id.0).collect::<Vec<_>>(),
        &each().map(|known| known.left.as_ref().map(Json)).collect::<Vec<_>>() as &[Option<Json<&Vec<CategoryBase>>>],
        &each().map(|known| known.left.as_ref().map(|left| paid_in(left, &[]).fen())).collect::<Vec<_>>() as &[Option<i64>],
        &each().map(|known| Json(&known.ahead)).collect::<Vec<_>>() as &[Json<&BTreeMap<Token, Points>>],
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// By how much less was paid in the end on the invoices of each version of a campaign.
pub async fn list_paid_less(pool: &PgPool) -> Result<BTreeMap<(String, i64), Money>, Failure> {
    let rows = sqlx::query!(
        r#"select p.campaign, p.version, sum(greatest(p.paid_fen - c.paid_fen, 0))::bigint as "less!"
           from corrected c
                join participation p on p.member_id = c.member_id and p.store = c.store and p.document = c.document
           where c.paid_fen is not null group by p.campaign, p.version"#
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| ((row.campaign, row.version), Money::from_fen(row.less))).collect())
}
