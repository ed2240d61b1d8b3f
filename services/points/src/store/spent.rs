//! Where captures and voids of an invoice meet. Both write and lock its row, in key order, and read in a later statement: so
//! whichever comes second sees what the first has done.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use jifen_runtime::Failure;
use sqlx::PgConnection;

use super::{
    accruals::DocumentKey,
    holds::{self, Holds},
};

/// An invoice that counts no longer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ended {
    /// Since when.
    pub at: DateTime<Utc>,
    /// The invoice that took its place.
    pub replaced_by: Option<String>,
}

/// Replacements are followed so far; more of them are nobody's practice.
pub(super) const HOPS: i32 = 16;

/// Locks the rows of these invoices, making those that aren't there, and notes which of them have ended; what was noted before stays.
pub async fn lock(tx: &mut PgConnection, invoices: &BTreeMap<DocumentKey, Option<Ended>>) -> Result<(), Failure> {
    sqlx::query!(
        "insert into spent_document (store, document, voided_at, replaced_by)
         select * from unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[])
         on conflict (store, document) do update set
             voided_at = coalesce(spent_document.voided_at, excluded.voided_at),
             replaced_by = case when spent_document.voided_at is null then excluded.replaced_by else spent_document.replaced_by end",
        &invoices.keys().map(|key| key.0.clone()).collect::<Vec<_>>(),
        &invoices.keys().map(|key| key.1.clone()).collect::<Vec<_>>(),
        &invoices.values().map(|ended| ended.as_ref().map(|ended| ended.at)).collect::<Vec<_>>() as &[Option<DateTime<Utc>>],
        &invoices.values().map(|ended| ended.as_ref().and_then(|ended| ended.replaced_by.clone())).collect::<Vec<_>>()
            as &[Option<String>],
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Locks these invoices and whatever took their place: so the void of any of them meets whoever captures for the first. Another
/// replacement may come between the look and the locks; then it looks again.
pub async fn lock_forth(tx: &mut PgConnection, keys: &BTreeSet<DocumentKey>) -> Result<(), Failure> {
    let mut locked = BTreeSet::new();
    for _ in 0..HOPS {
        let chain: BTreeSet<DocumentKey> = list_forth(tx, keys).await?.into_iter().chain(keys.iter().cloned()).collect();
        if chain.is_subset(&locked) {
            break;
        }
        lock(tx, &chain.difference(&locked).map(|key| (key.clone(), None)).collect()).await?;
        locked.extend(chain);
    }
    Ok(())
}

/// What took the place of these invoices, and of those.
async fn list_forth(tx: &mut PgConnection, keys: &BTreeSet<DocumentKey>) -> Result<Vec<DocumentKey>, Failure> {
    let (stores, documents): (Vec<String>, Vec<String>) = keys.iter().cloned().unzip();
    let rows = sqlx::query!(
        r#"with recursive forth as (
               select d.store, d.replaced_by, 1 as hop from spent_document d
               where (d.store, d.document) in (select * from unnest($1::text[], $2::text[])) and d.replaced_by is not null
               union all
               select f.store, d.replaced_by, f.hop + 1
               from forth f join spent_document d on d.store = f.store and d.document = f.replaced_by
               where d.replaced_by is not null and f.hop < $3
           )
           select distinct store as "store!", replaced_by as "document!" from forth"#,
        &stores,
        &documents,
        HOPS
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.store, row.document)).collect())
}

/// Those of these invoices that have ended, and so has whatever took their place.
pub async fn load_ended(tx: &mut PgConnection, keys: &BTreeSet<DocumentKey>) -> Result<BTreeSet<DocumentKey>, Failure> {
    let (stores, documents): (Vec<String>, Vec<String>) = keys.iter().cloned().unzip();
    let rows = sqlx::query!(
        r#"with recursive forth as (
               select d.store, d.document as first, d.replaced_by, 1 as hop from spent_document d
               where (d.store, d.document) in (select * from unnest($1::text[], $2::text[])) and d.voided_at is not null
               union all
               select f.store, f.first, d.replaced_by, f.hop + 1
               from forth f join spent_document d on d.store = f.store and d.document = f.replaced_by
               where d.voided_at is not null and f.hop < $3
           )
           select store as "store!", first as "first!" from forth where replaced_by is null"#,
        &stores,
        &documents,
        HOPS
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.store, row.first)).collect())
}

/// What was captured for those of these invoices that have ended, and for those in whose place they stood, and hasn't come back.
pub async fn load_captured(tx: &mut PgConnection, keys: &BTreeSet<DocumentKey>) -> Result<Holds, Failure> {
    let (stores, documents): (Vec<String>, Vec<String>) = keys.iter().cloned().unzip();
    let rows = sqlx::query_as!(
        holds::Row,
        r#"with recursive forth as (
               select d.store, d.document as first, d.replaced_by, 1 as hop from spent_document d
               where (d.store, d.document) in (select * from unnest($1::text[], $2::text[])) and d.voided_at is not null
               union all
               select f.store, f.first, d.replaced_by, f.hop + 1
               from forth f join spent_document d on d.store = f.store and d.document = f.replaced_by
               where d.voided_at is not null and f.hop < $3
           ), back as (
               select store, first as document, 1 as hop from forth where replaced_by is null
               union all
               select d.store, d.document, b.hop + 1
               from back b join spent_document d on d.store = b.store and d.replaced_by = b.document
               where b.hop < $3
           )
           select h.hold_id, h.member_id, h.store, h.points, h.captured, h.state, h.program_version, h.created_at, h.expires_at,
                  h.document, h.returned_at
           from (select distinct store, document from back) b join hold h on h.store = b.store and h.document = b.document
           where h.returned_at is null"#,
        &stores,
        &documents,
        HOPS
    )
    .fetch_all(tx)
    .await?;
    holds::read(rows)
}
