//! What points pay of bills by their own words, and what was captured for them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use jifen_kernel::{MemberId, Money, Points, StoreCode};
use jifen_runtime::{BadRow, Failure};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{accruals::DocumentKey, spent::HOPS};

/// The next bills, in the order of their keys, that say that points pay of them or for which points were captured, in this time of `day`.
/// Nothing of the days up to the first one of `job`: before it nobody kept what a bill says.
pub async fn list(
    tx: &mut PgConnection,
    (job, day): (&str, NaiveDate),
    (from, until): (DateTime<Utc>, DateTime<Utc>),
    behind: &DocumentKey,
    most: i64,
) -> Result<Vec<DocumentKey>, Failure> {
    let rows = sqlx::query!(
        r#"select store as "store!", document as "document!" from (
               select store, document from accrual where offset_fen is not null and posted_at >= $1 and posted_at < $2
               union
               select store, document from hold
               where state = 'captured' and document is not null and returned_at is null and resolved_at >= $1 and resolved_at < $2
           ) k
           where (store, document) > ($3, $4) and (select min(day) from job_day where job = $6) < $7
           order by store, document limit $5"#,
        from,
        until,
        behind.0,
        behind.1,
        most,
        job,
        day
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.store, row.document)).collect())
}

/// A bill that counts, with what its words say and what was captured for it and for those in whose place it stands.
pub struct Paid {
    /// Its store.
    pub store: StoreCode,
    /// Its number.
    pub document: String,
    /// Whose it is; or whose points were captured, if it never came.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// What points pay by its own words.
    pub said: Money,
    /// What was captured: by hold, how many points, under which version of the rules.
    pub captured: BTreeMap<Uuid, (Points, u32)>,
}

/// Those of these bills that count, and the ones that took the places of the others.
pub async fn load(tx: &mut PgConnection, keys: &[DocumentKey]) -> Result<Vec<Paid>, Failure> {
    let rows = sqlx::query!(
        r#"with recursive forth as (
               select k.store, k.document, 1 as hop from unnest($1::text[], $2::text[]) k(store, document)
               union
               select f.store, d.replaced_by, f.hop + 1
               from forth f join spent_document d on d.store = f.store and d.document = f.document
               where d.replaced_by is not null and f.hop < $3
           ), standing as (
               select distinct f.store, f.document from forth f
               where not exists (select 1 from spent_document d where d.store = f.store and d.document = f.document and d.voided_at is not null)
           ), back as (
               select s.store, s.document as last, s.document, 1 as hop from standing s
               union
               select b.store, b.last, d.document, b.hop + 1
               from back b join spent_document d on d.store = b.store and d.replaced_by = b.document
               where b.hop < $3
           ), spent as (
               select distinct b.store, b.last, h.hold_id, h.member_id, h.captured, h.program_version
               from back b join hold h on h.store = b.store and h.document = b.document
               where h.state = 'captured' and h.returned_at is null
           )
           select s.store as "store!", s.document as "document!", coalesce(a.offset_fen, 0) as "said!", m.member_id as "member_id!",
                  m.member_no as "member_no!", p.hold_id as "hold_id?", p.captured as "captured?", p.program_version as "program_version?"
           from standing s
                left join accrual a on a.store = s.store and a.document = s.document
                left join spent p on p.store = s.store and p.last = s.document
                join account m on m.member_id = coalesce(a.member_id, p.member_id)
           order by s.store, s.document, p.hold_id"#,
        &keys.iter().map(|key| key.0.clone()).collect::<Vec<_>>(),
        &keys.iter().map(|key| key.1.clone()).collect::<Vec<_>>(),
        HOPS
    )
    .fetch_all(tx)
    .await?;
    let mut paid: BTreeMap<DocumentKey, Paid> = BTreeMap::new();
    for row in rows {
        let bad = |what| BadRow { table: "hold", key: format!("{}/{}", row.store, row.document), what };
        let store = StoreCode::try_new(row.store.as_str()).map_err(|_| bad("store"))?;
        let found = paid.entry((row.store.clone(), row.document.clone())).or_insert_with(|| Paid {
            store,
            document: row.document.clone(),
            member_id: MemberId(row.member_id),
            member_no: row.member_no.clone(),
            said: Money::from_fen(row.said),
            captured: BTreeMap::new(),
        });
        if let (Some(hold_id), Some(captured), Some(version)) = (row.hold_id, row.captured, row.program_version) {
            let version = u32::try_from(version).map_err(|_| bad("program_version"))?;
            found.captured.insert(hold_id, (Points(captured), version));
        }
    }
    Ok(paid.into_values().collect())
}

/// A difference: of which bill, what it says, how many points were captured, and what they pay.
pub type Difference = (DocumentKey, Money, Points, Money);

/// Keeps differences, once each; gives those that were not known before.
pub async fn claim(tx: &mut PgConnection, found: &[Difference], at: DateTime<Utc>) -> Result<BTreeSet<DocumentKey>, Failure> {
    if found.is_empty() {
        return Ok(BTreeSet::new());
    }
    let each = || found.iter();
    let rows = sqlx::query!(
        "insert into offset_difference (store, document, said_fen, captured, captured_fen, found_at)
         select u.*, $6 from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[]) u
         on conflict do nothing returning store, document",
        &each().map(|(key, ..)| key.0.clone()).collect::<Vec<_>>(),
        &each().map(|(key, ..)| key.1.clone()).collect::<Vec<_>>(),
        &each().map(|(_, said, ..)| said.fen()).collect::<Vec<_>>(),
        &each().map(|(_, _, captured, _)| captured.0).collect::<Vec<_>>(),
        &each().map(|(.., worth)| worth.fen()).collect::<Vec<_>>(),
        at,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.store, row.document)).collect())
}
