//! Claims: one row an accrual, inserted at its posting, closed at its settlement.

use std::collections::HashSet;

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::event::{CategoryBase, InvoiceAccepted, KeyedHash};
use jifen_kernel::{MemberId, StoreCode};
use jifen_runtime::{BadRow, Failure};
use sqlx::{PgConnection, types::Json};

use crate::domain::{post_invoice::Valued, settle_accrual::OpenAccrual};

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
                              vehicle, visit, paid_visit, categories, expires_on, posted_at)
         select u.*, $14 from unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::timestamptz[], $6::date[], $7::timestamptz[],
                                     $8::int[], $9::text[], $10::bool[], $11::bool[], $12::jsonb[], $13::date[]) u
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
    /// Its local day.
    pub business_date: NaiveDate,
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
}

/// Locks the accruals of `keys` in the order of their keys, and loads them.
pub async fn load_locked(tx: &mut PgConnection, keys: &[DocumentKey]) -> Result<Vec<Settling>, Failure> {
    let rows = sqlx::query!(
        r#"select store, document, member_id, member_no, issued_at, business_date, program_version, vehicle, visit, paid_visit,
                  categories as "categories: Json<Vec<CategoryBase>>", expires_on, settled_at is not null as "settled!"
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
            },
            member_id: MemberId(row.member_id),
            member_no: row.member_no,
            issued_at: row.issued_at,
            business_date: row.business_date,
            program_version: u32::try_from(row.program_version).map_err(|_| bad("program_version"))?,
            vehicle: row.vehicle.map(KeyedHash),
            visit: row.visit,
            paid_visit: row.paid_visit,
            settled: row.settled,
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
