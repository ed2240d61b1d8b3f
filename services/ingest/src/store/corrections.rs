//! Corrections of invoices: the rows on which both sides of a wait meet, and which corrections wait for which invoice.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::document::{Invoice, StoreDocument};
use jifen_kernel::MemberId;
use jifen_runtime::{BadRow, Failure};
use sqlx::PgConnection;

use super::documents::{ABSENT_CODE, Kept, bad};
use crate::domain::{
    bill::Bill,
    correction::{Accepted, Target, Voiding},
    fate::{Arrival, DocumentKey},
};

/// Stores and numbers of invoices.
struct Columns {
    stores: Vec<String>,
    numbers: Vec<String>,
}

fn columns<'a>(keys: impl IntoIterator<Item = &'a DocumentKey>) -> Columns {
    let (stores, numbers) = keys.into_iter().map(|key| (key.store.clone(), key.number.clone())).unzip();
    Columns { stores, numbers }
}

/// An invoice that corrections are about.
pub struct Found {
    /// What it is.
    pub target: Target,
    /// Corrections wait for it.
    pub is_awaited: bool,
}

/// These (locked) invoices, each of them: those that have not come are absent.
pub async fn load_targets(tx: &mut PgConnection, invoices: &BTreeSet<DocumentKey>) -> Result<HashMap<DocumentKey, Found>, Failure> {
    let columns = columns(invoices);
    let rows = sqlx::query!(
        r#"select d.store, d.number, d.status, d.member_id, m.member_no as "member_no?", d.program_version, d.bill, d.voided_by, d.awaited
           from document d left join member m on m.member_id = d.member_id
           where d.kind = 'invoice' and (d.store, d.number) in (select * from unnest($1::text[], $2::text[]))"#,
        &columns.stores,
        &columns.numbers,
    )
    .fetch_all(tx)
    .await?;
    let mut found: HashMap<DocumentKey, Found> =
        invoices.iter().map(|key| (key.clone(), Found { target: Target::Absent, is_awaited: false })).collect();
    for row in rows {
        let key = DocumentKey { store: row.store, kind: Invoice::KIND.to_owned(), number: row.number };
        let target = match (row.status.as_str(), row.member_id) {
            ("accepted", Some(member_id)) => Target::Accepted(Accepted {
                member_id: MemberId(member_id),
                member_no: row.member_no.ok_or_else(|| bad(&key, "member_id"))?,
                program_version: u32::try_from(row.program_version).map_err(|_| bad(&key, "program_version"))?,
                bill: row.bill.map(|text| Bill::read(&text).ok_or_else(|| bad(&key, "bill"))).transpose()?,
                is_voided: row.voided_by.is_some(),
            }),
            ("parked", _) => Target::Parked,
            ("lapsed", _) => Target::Lapsed,
            ("absent", _) => Target::Absent,
            _ => return Err(bad(&key, "status").into()),
        };
        found.insert(key, Found { target, is_awaited: row.awaited == Some(true) });
    }
    Ok(found)
}

/// Says of these (locked) invoices that corrections wait for them.
pub async fn mark_awaited(tx: &mut PgConnection, invoices: &BTreeSet<DocumentKey>) -> Result<(), Failure> {
    if invoices.is_empty() {
        return Ok(());
    }
    let columns = columns(invoices);
    sqlx::query!(
        "update document set awaited = true
         where kind = 'invoice' and (store, number) in (select * from unnest($1::text[], $2::text[]))",
        &columns.stores,
        &columns.numbers,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Takes back these (locked) invoices, each with the number that does so. One that was taken back before stays as it is.
pub async fn save_voided(tx: &mut PgConnection, voided: &[(DocumentKey, String)]) -> Result<(), Failure> {
    if voided.is_empty() {
        return Ok(());
    }
    let columns = columns(voided.iter().map(|(key, _)| key));
    sqlx::query!(
        "update document d set voided_by = u.voided_by from unnest($1::text[], $2::text[], $3::text[]) u(store, number, voided_by)
         where d.kind = 'invoice' and d.store = u.store and d.number = u.number and d.voided_by is null",
        &columns.stores,
        &columns.numbers,
        &voided.iter().map(|(_, by)| by.clone()).collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Lets corrections wait: each with its invoice.
pub async fn save_waiting(tx: &mut PgConnection, waiting: &BTreeSet<(DocumentKey, DocumentKey)>) -> Result<(), Failure> {
    if waiting.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into waiting_correction (store, invoice_no, kind, number)
         select * from unnest($1::text[], $2::text[], $3::text[], $4::text[]) on conflict do nothing",
        &waiting.iter().map(|(invoice, _)| invoice.store.clone()).collect::<Vec<_>>(),
        &waiting.iter().map(|(invoice, _)| invoice.number.clone()).collect::<Vec<_>>(),
        &waiting.iter().map(|(_, by)| by.kind.clone()).collect::<Vec<_>>(),
        &waiting.iter().map(|(_, by)| by.number.clone()).collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Ends the waiting of these corrections, each with its invoice.
pub async fn delete_waiting(tx: &mut PgConnection, done: &BTreeSet<(DocumentKey, DocumentKey)>) -> Result<(), Failure> {
    if done.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "delete from waiting_correction
         where (store, invoice_no, kind, number) in (select * from unnest($1::text[], $2::text[], $3::text[], $4::text[]))",
        &done.iter().map(|(invoice, _)| invoice.store.clone()).collect::<Vec<_>>(),
        &done.iter().map(|(invoice, _)| invoice.number.clone()).collect::<Vec<_>>(),
        &done.iter().map(|(_, by)| by.kind.clone()).collect::<Vec<_>>(),
        &done.iter().map(|(_, by)| by.number.clone()).collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// A correction that waited.
pub struct Waited {
    /// Its invoice.
    pub invoice: DocumentKey,
    /// What it is known by.
    pub key: DocumentKey,
    /// When it was issued, and when it came.
    pub voiding: Voiding,
    /// The message that brought it.
    pub arrival: Arrival,
    /// Refunds and voids: what is kept of them.
    pub kept: Option<Kept>,
}

/// What waits for these (locked) invoices, those that came first first; at most `limit`.
pub async fn load_waiting(tx: &mut PgConnection, invoices: &BTreeSet<DocumentKey>, limit: i64) -> Result<Vec<Waited>, Failure> {
    let columns = columns(invoices);
    let rows = sqlx::query!(
        "select w.store, w.invoice_no, w.kind, w.number, d.issued_at, d.business_date, d.received_at, d.stream_sequence, d.content, d.sha256,
                d.event_id, d.traceparent
         from waiting_correction w join document d on d.store = w.store and d.kind = w.kind and d.number = w.number
         where (w.store, w.invoice_no) in (select * from unnest($1::text[], $2::text[]))
         order by d.received_at, d.stream_sequence limit $3",
        &columns.stores,
        &columns.numbers,
        limit,
    )
    .fetch_all(tx)
    .await?;
    let read = rows.into_iter().map(|row| {
        let key = DocumentKey { store: row.store, kind: row.kind, number: row.number };
        let is_replacement = key.kind == Invoice::KIND;
        let kept = match (row.content, row.sha256) {
            (Some(content), Some(sha256)) => {
                let sha256 = sha256.try_into().map_err(|_| bad(&key, "sha256"))?;
                Some(Kept { content, sha256, event_id: row.event_id, traceparent: row.traceparent })
            }
            _ => None,
        };
        let (at, business_date, received_at): (DateTime<Utc>, NaiveDate, DateTime<Utc>) =
            (row.issued_at, row.business_date, row.received_at);
        Ok(Waited {
            invoice: DocumentKey { store: key.store.clone(), kind: Invoice::KIND.to_owned(), number: row.invoice_no },
            voiding: Voiding { number: key.number.clone(), is_replacement, at, business_date, received_at },
            arrival: Arrival { sequence: row.stream_sequence, stored_at: received_at },
            kept,
            key,
        })
    });
    read.collect::<Result<_, BadRow>>().map_err(Failure::from)
}

/// Invoices that corrections wait for although they have been accepted or have lapsed since before `before`: there should be none.
pub async fn list_missed(tx: &mut PgConnection, before: DateTime<Utc>, limit: i64) -> Result<BTreeSet<DocumentKey>, Failure> {
    let rows = sqlx::query!(
        "select distinct w.store, w.invoice_no from waiting_correction w
         join document i on i.store = w.store and i.kind = 'invoice' and i.number = w.invoice_no
         join document c on c.store = w.store and c.kind = w.kind and c.number = w.number
         where i.status in ('accepted', 'lapsed') and greatest(coalesce(i.accepted_at, i.received_at), c.received_at) <= $1
         order by w.store, w.invoice_no limit $2",
        before,
        limit,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| DocumentKey { store: row.store, kind: Invoice::KIND.to_owned(), number: row.invoice_no }).collect())
}

/// What is refused after it had waited leaves its number free: the row says that nothing has come.
pub async fn free(tx: &mut PgConnection, refused: &BTreeSet<&DocumentKey>) -> Result<(), Failure> {
    sqlx::query!(
        "update document d set status = 'absent', code = $4, content_hash = decode(repeat('00', 32), 'hex'), stream_sequence = 0,
                content = null, sha256 = null, event_id = null, traceparent = null
         from unnest($1::text[], $2::text[], $3::text[]) u(store, kind, number)
         where d.store = u.store and d.kind = u.kind and d.number = u.number and d.status = 'parked'",
        &refused.iter().map(|key| key.store.clone()).collect::<Vec<_>>(),
        &refused.iter().map(|key| key.kind.clone()).collect::<Vec<_>>(),
        &refused.iter().map(|key| key.number.clone()).collect::<Vec<_>>(),
        ABSENT_CODE,
    )
    .execute(tx)
    .await?;
    Ok(())
}
