//! Claims: one row an accrual, inserted at its posting, closed at its settlement.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::event::{CategoryBase, InvoiceAccepted, KeyedHash};
use jifen_kernel::{MemberId, Points, StoreCode};
use jifen_runtime::{BadRow, Failure};
use sqlx::{PgConnection, PgPool, types::Json};

use super::corrections::Left;
use crate::domain::{offset::offset_of, post_invoice::Valued, settle_accrual::OpenAccrual};

/// A document's key: store and number.
pub type DocumentKey = (String, String);

/// Claims invoices, in the order of their keys; gives back the keys that were not claimed before. The rows must be
/// sorted by key and hold each once.
pub async fn claim_posted(
    tx: &mut PgConnection,
    rows: &[(&InvoiceAccepted, &Valued)],
    posted_at: DateTime<Utc>,
) -> Result<HashSet<DocumentKey>, Failure> {
    let each = || rows.iter().map(|(invoice, _)| *invoice);
    let valued = || rows.iter().map(|(_, valued)| *valued);
    let new = sqlx::query!(
        "insert into accrual (store, document, member_id, member_no, issued_at, business_date, received_at, program_version,
                              vehicle, visit, paid_visit, categories, expires_on, awaiting, offset_fen, posted_at)
         select u.*, $16 from unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::timestamptz[], $6::date[], $7::timestamptz[],
                                     $8::int[], $9::text[], $10::bool[], $11::bool[], $12::jsonb[], $13::date[],
                                     $14::bool[], $15::bigint[]) u
         on conflict do nothing returning store, document",
        &each().map(|i| i.store.to_string()).collect::<Vec<_>>(),
        &each().map(|i| i.invoice_no.clone()).collect::<Vec<_>>(),
        &each().map(|i| i.member_id.0).collect::<Vec<_>>(),
        &each().map(|i| i.member_no.clone()).collect::<Vec<_>>(),
        &each().map(|i| i.issued_at).collect::<Vec<_>>(),
        &each().map(|i| i.business_date).collect::<Vec<_>>(),
        &each().map(|i| i.received_at).collect::<Vec<_>>(),
        &each().map(|i| i32::try_from(i.program_version).unwrap_or(i32::MAX)).collect::<Vec<_>>(),
        &each().map(|i| i.vehicle.as_ref().map(|hash| hash.0.clone())).collect::<Vec<_>>() as &[Option<String>],
        &valued().map(|v| v.base.visit).collect::<Vec<_>>(),
        &valued().map(|v| v.base.paid_visit).collect::<Vec<_>>(),
        &valued().map(|v| Json(&v.base.categories)).collect::<Vec<_>>() as &[Json<&Vec<CategoryBase>>],
        &valued().map(|v| v.expires_on).collect::<Vec<_>>(),
        &each().map(|i| i.awaiting_activation.then_some(true)).collect::<Vec<_>>() as &[Option<bool>],
        &each().map(|i| Some(offset_of(i).fen()).filter(|fen| *fen > 0)).collect::<Vec<_>>() as &[Option<i64>],
        posted_at,
    )
    .fetch_all(tx)
    .await?;
    Ok(new.into_iter().map(|row| (row.store, row.document)).collect())
}

/// An accrual that this batch closes.
pub struct Settling {
    /// What the decision needs.
    pub open: OpenAccrual,
    /// Who earned.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// Settlement of the invoice.
    pub issued_at: DateTime<Utc>,
    /// The rules applied.
    pub program_version: u32,
    /// The vehicle, hashed.
    pub vehicle: Option<KeyedHash>,
    /// A visit to the workshop.
    pub visit: bool,
    /// A visit for which the customer paid.
    pub paid_visit: bool,
    /// Closed before: nothing is left to do.
    pub settled: bool,
    /// What corrections left of it that came before the answer.
    pub left: Option<Left>,
}

/// Locks the accruals of `keys` in the order of their keys, and loads them.
pub async fn load_locked(tx: &mut PgConnection, keys: &[DocumentKey]) -> Result<Vec<Settling>, Failure> {
    let rows = sqlx::query!(
        r#"select store, document, member_id, member_no, issued_at, business_date, program_version, vehicle, visit, paid_visit,
                  categories as "categories: Json<Vec<CategoryBase>>", expires_on, coalesce(awaiting, false) as "awaiting!",
                  settled_at is not null as "settled!", net as "net: Json<Left>"
           from accrual where (store, document) in (select * from unnest($1::text[], $2::text[]))
           order by store, document for update"#,
        &keys.iter().map(|key| key.0.clone()).collect::<Vec<_>>(),
        &keys.iter().map(|key| key.1.clone()).collect::<Vec<_>>(),
    )
    .fetch_all(tx)
    .await?;
    let read = rows.into_iter().map(|row| {
        let bad = |what| BadRow { table: "accrual", key: format!("{}/{}", row.store, row.document), what };
        Ok(Settling {
            open: OpenAccrual {
                store: StoreCode::try_new(row.store.as_str()).map_err(|_| bad("store"))?,
                document: row.document.clone(),
                categories: row.categories.0,
                expires_on: row.expires_on,
                business_date: row.business_date,
                awaiting: row.awaiting,
            },
            member_id: MemberId(row.member_id),
            member_no: row.member_no,
            issued_at: row.issued_at,
            program_version: u32::try_from(row.program_version).map_err(|_| bad("program_version"))?,
            vehicle: row.vehicle.map(KeyedHash),
            visit: row.visit,
            paid_visit: row.paid_visit,
            settled: row.settled,
            left: row.net.map(|net| net.0),
        })
    });
    read.collect::<Result<_, BadRow>>().map_err(Failure::from)
}

/// Closes locked accruals.
pub async fn save_settled(tx: &mut PgConnection, keys: &[DocumentKey], settled_at: DateTime<Utc>) -> Result<(), Failure> {
    sqlx::query!(
        "update accrual set settled_at = $3 where (store, document) in (select * from unnest($1::text[], $2::text[]))",
        &keys.iter().map(|key| key.0.clone()).collect::<Vec<_>>(),
        &keys.iter().map(|key| key.1.clone()).collect::<Vec<_>>(),
        settled_at,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What members have of the base of invoices of these business dates, before bonuses, but for some invoices: of locked members. What corrections took back
/// is free again. Only a program with a daily cap asks. An invoice is posted on its business date or later, or hours before it where
/// a store's clock is ahead.
///
/// Entries are found by their member and nothing else: any further condition may let a plan made on an empty table read all of them.
pub async fn load_daily_base(
    tx: &mut PgConnection,
    days: &BTreeSet<(MemberId, NaiveDate)>,
    but: &BTreeSet<DocumentKey>,
) -> Result<BTreeMap<(MemberId, NaiveDate), Points>, Failure> {
    let rows = sqlx::query!(
        r#"select u.member_id as "member_id!", u.day as "day!",
                  (select coalesce(sum((
                              select least(d.posted, (a.net -> 'net' ->> 'base')::bigint)
                              from accrual a where a.store = d.store and a.document = d.document and a.business_date = u.day
                          )), 0)::bigint
                   from (select e.store, e.document,
                                sum(e.points) filter (
                                    where e.kind = 'accrual' and e.source is null and e.of_entry is null
                                      and e.posted_at >= u.day - interval '2 days'
                                )::bigint as posted
                         from entry e where e.member_id = u.member_id group by e.store, e.document) d
                   where d.posted is not null and not exists (
                       select 1 from unnest($3::text[], $4::text[]) but(store, document)
                       where but.store = d.store and but.document = d.document
                   )) as "base!"
           from unnest($1::uuid[], $2::date[]) u(member_id, day)"#,
        &days.iter().map(|(member, _)| member.0).collect::<Vec<_>>(),
        &days.iter().map(|(_, day)| *day).collect::<Vec<_>>(),
        &but.iter().map(|key| key.0.clone()).collect::<Vec<_>>(),
        &but.iter().map(|key| key.1.clone()).collect::<Vec<_>>(),
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| ((MemberId(row.member_id), row.day), Points(row.base))).collect())
}

/// What a daily cap left of just claimed invoices, and of what it left that much.
pub async fn save_cut(tx: &mut PgConnection, cut: &[(DocumentKey, Valued, Points)]) -> Result<(), Failure> {
    sqlx::query!(
        "update accrual a set categories = u.categories, daily_left = u.daily_left
         from unnest($1::text[], $2::text[], $3::jsonb[], $4::bigint[]) u(store, document, categories, daily_left)
         where (a.store, a.document) in (select * from unnest($1::text[], $2::text[])) and a.store = u.store and a.document = u.document",
        &cut.iter().map(|(key, ..)| key.0.clone()).collect::<Vec<_>>(),
        &cut.iter().map(|(key, ..)| key.1.clone()).collect::<Vec<_>>(),
        &cut.iter().map(|(_, valued, _)| Json(&valued.base.categories)).collect::<Vec<_>>() as &[Json<&Vec<CategoryBase>>],
        &cut.iter().map(|(.., left)| left.0).collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// An invoice's accrual as it was posted.
pub struct PostedAccrual {
    /// Its local day.
    pub business_date: NaiveDate,
    /// The rules applied.
    pub program_version: u32,
    /// Paid amounts and base, after caps.
    pub categories: Vec<CategoryBase>,
    /// What a daily cap that cut it left.
    pub daily_left: Option<Points>,
}

/// The accrual of a member's invoice.
pub async fn find(pool: &PgPool, member_id: MemberId, store: &str, document: &str) -> Result<Option<PostedAccrual>, Failure> {
    let row = sqlx::query!(
        r#"select business_date, program_version, categories as "categories: Json<Vec<CategoryBase>>", daily_left
           from accrual where store = $1 and document = $2 and member_id = $3"#,
        store,
        document,
        member_id.0
    )
    .fetch_optional(pool)
    .await?;
    let read = row.map(|row| {
        let bad = |_| BadRow { table: "accrual", key: format!("{store}/{document}"), what: "program_version" };
        Ok(PostedAccrual {
            business_date: row.business_date,
            program_version: u32::try_from(row.program_version).map_err(bad)?,
            categories: row.categories.0,
            daily_left: row.daily_left.map(Points),
        })
    });
    read.transpose().map_err(|bad: BadRow| Failure::from(bad))
}
