//! Refused documents, kept sealed.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use jifen_contracts::{document::Fault, endpoint::Reject};
use jifen_runtime::{BadRow, Ctx, Failure};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::domain::{fate::Arrival, received::Received};

/// What a refused document is known by: the same bytes on the same subject are the same one. Ordered as rows are locked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RejectKey {
    /// The subject's store, as kept.
    pub store: String,
    /// The subject's kind, as kept.
    pub kind: String,
    /// SHA-256 of the bytes.
    pub sha256: [u8; 32],
}

/// A refused document of a batch.
pub struct Refused<'a> {
    /// What could be read.
    pub received: &'a Received,
    /// The bytes.
    pub bytes: &'a [u8],
    /// The first message of this batch that brought it.
    pub arrival: Arrival,
    /// Why; the last reason of this batch.
    pub fault: Fault,
    /// How often this batch brought it.
    pub times: i32,
}

/// Keeps refused documents, in the order of their keys; gives back the id of each. Bytes that were refused before are kept
/// once, counted again, and listed with the latest reason.
pub async fn save(
    cx: &Ctx,
    tx: &mut PgConnection,
    refused: &BTreeMap<RejectKey, Refused<'_>>,
    now: DateTime<Utc>,
) -> Result<HashMap<RejectKey, Uuid>, Failure> {
    let ids: Vec<Uuid> = refused.iter().map(|_| cx.ids.next(now)).collect();
    let sealed: Vec<Vec<u8>> = ids.iter().zip(refused.values()).map(|(id, row)| cx.seal.seal(&cx.ids, row.bytes, id.as_bytes())).collect();
    let rows = sqlx::query!(
        "insert into reject (reject_id, store, kind, sha256, document, code, pointer, detail, bytes, times, payload, stream_sequence,
                             received_at, at)
         select u.*, $14 from unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::text[], $7::text[], $8::text[],
                                     $9::int[], $10::int[], $11::bytea[], $12::bigint[], $13::timestamptz[]) u
         on conflict on constraint reject_bytes do update
             set document = excluded.document, code = excluded.code, pointer = excluded.pointer, detail = excluded.detail,
                 times = reject.times + excluded.times
         returning reject_id, store, kind, sha256",
        &ids,
        &refused.keys().map(|key| key.store.clone()).collect::<Vec<_>>(),
        &refused.keys().map(|key| key.kind.clone()).collect::<Vec<_>>(),
        &refused.keys().map(|key| key.sha256.to_vec()).collect::<Vec<_>>(),
        &refused.values().map(|row| row.received.number.as_deref()).collect::<Vec<_>>() as &[Option<&str>],
        &refused.values().map(|row| row.fault.code.code.to_owned()).collect::<Vec<_>>(),
        &refused.values().map(|row| row.fault.pointer.as_deref()).collect::<Vec<_>>() as &[Option<&str>],
        &refused.values().map(|row| row.fault.detail.clone()).collect::<Vec<_>>(),
        &refused.values().map(|row| i32::try_from(row.bytes.len()).unwrap_or(i32::MAX)).collect::<Vec<_>>(),
        &refused.values().map(|row| row.times).collect::<Vec<_>>(),
        &sealed,
        &refused.values().map(|row| row.arrival.sequence).collect::<Vec<_>>(),
        &refused.values().map(|row| row.arrival.stored_at).collect::<Vec<_>>(),
        now,
    )
    .fetch_all(tx)
    .await?;
    let read = rows.into_iter().map(|row| {
        let sha256 = row.sha256.try_into().map_err(|_| bad(row.reject_id, "sha256"))?;
        Ok((RejectKey { store: row.store, kind: row.kind, sha256 }, row.reject_id))
    });
    read.collect::<Result<_, BadRow>>().map_err(Failure::from)
}

fn bad(id: Uuid, what: &'static str) -> BadRow {
    BadRow { table: "reject", key: id.to_string(), what }
}

/// A refused document with its bytes.
pub struct KeptReject {
    /// Its key.
    pub reject_id: Uuid,
    /// The subject's store, as kept.
    pub store: String,
    /// The subject's kind, as kept.
    pub kind: String,
    /// What was received.
    pub bytes: Vec<u8>,
    /// The message that brought it first.
    pub arrival: Arrival,
    /// It was handed in again with success.
    pub resubmitted: bool,
}

/// Refused documents by id, with their bytes.
pub async fn load(cx: &Ctx, tx: &mut PgConnection, ids: &[Uuid]) -> Result<HashMap<Uuid, KeptReject>, Failure> {
    let rows = sqlx::query!(
        r#"select reject_id, store, kind, payload, stream_sequence, received_at, resubmitted_at is not null as "resubmitted!"
           from reject where reject_id = any($1)"#,
        ids,
    )
    .fetch_all(tx)
    .await?;
    let read = rows.into_iter().map(|row| {
        let id = row.reject_id;
        let bytes = cx.seal.open(&row.payload, id.as_bytes()).map_err(|_| bad(id, "payload"))?;
        let arrival = Arrival { sequence: row.stream_sequence, stored_at: row.received_at };
        Ok((id, KeptReject { reject_id: id, store: row.store, kind: row.kind, bytes, arrival, resubmitted: row.resubmitted }))
    });
    read.collect::<Result<_, BadRow>>().map_err(Failure::from)
}

/// Marks refused documents as handed in again with success; gives back those that were not marked before.
pub async fn mark_resubmitted(tx: &mut PgConnection, ids: &[Uuid], now: DateTime<Utc>) -> Result<Vec<Uuid>, Failure> {
    let marked = sqlx::query_scalar!(
        "update reject r set resubmitted_at = $2
         from (select reject_id from reject where reject_id = any($1) and resubmitted_at is null order by reject_id for update) found
         where r.reject_id = found.reject_id returning r.reject_id",
        ids,
        now,
    )
    .fetch_all(tx)
    .await?;
    Ok(marked)
}

/// Which refused documents are asked for.
pub struct Page<'a> {
    /// Only this store's.
    pub store: Option<&'a str>,
    /// Only with this code.
    pub code: Option<&'a str>,
    /// Only of this kind.
    pub kind: Option<&'a str>,
    /// Only of this number.
    pub document: Option<&'a str>,
    /// Only older than this one.
    pub before: Option<Uuid>,
    /// At most so many.
    pub limit: i64,
}

/// Refused documents, newest first, without their content.
pub async fn list(pool: &PgPool, page: &Page<'_>) -> Result<Vec<Reject>, Failure> {
    let rows = sqlx::query!(
        "select reject_id, store, kind, document, code, pointer, detail, sha256, bytes, times, at, resubmitted_at from reject
         where ($1::text is null or store = $1) and ($2::text is null or code = $2) and ($3::uuid is null or reject_id < $3)
           and ($5::text is null or kind = $5) and ($6::text is null or document = $6)
         order by reject_id desc limit $4",
        page.store,
        page.code,
        page.before,
        page.limit,
        page.kind,
        page.document,
    )
    .fetch_all(pool)
    .await?;
    let reject = rows.into_iter().map(|row| Reject {
        reject_id: row.reject_id,
        store: row.store,
        kind: row.kind,
        document: row.document,
        code: row.code,
        pointer: row.pointer,
        detail: row.detail,
        sha256: hex::encode(row.sha256),
        bytes: u32::try_from(row.bytes).unwrap_or(0),
        times: u32::try_from(row.times).unwrap_or(0),
        at: row.at,
        resubmitted_at: row.resubmitted_at,
    });
    Ok(reject.collect())
}

/// How many there are on all pages.
pub async fn count(pool: &PgPool, page: &Page<'_>) -> Result<u64, Failure> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from reject where ($1::text is null or store = $1) and ($2::text is null or code = $2)
             and ($3::text is null or kind = $3) and ($4::text is null or document = $4)"#,
        page.store,
        page.code,
        page.kind,
        page.document,
    )
    .fetch_one(pool)
    .await?;
    Ok(u64::try_from(count).unwrap_or(0))
}
