//! Documents: their claim, their fate, their content while they wait.

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::code::{DOCUMENT_LAPSED, DOCUMENT_PARKED_REVIEW};
use jifen_kernel::MemberId;
use jifen_runtime::{BadRow, Failure};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::domain::{
    customer::Key,
    fate::{Arrival, ContentHash, DocumentKey, Holder, Identity},
    stamp::Stamp,
    standing::Standing,
};

/// What is kept of a document while it waits.
pub struct Kept {
    /// Its canonical content, sealed.
    pub content: Vec<u8>,
    /// SHA-256 of the bytes received.
    pub sha256: [u8; 32],
    /// The id of the store's event.
    pub event_id: Option<String>,
    /// Its trace.
    pub traceparent: Option<String>,
}

/// A document that claims its key.
pub struct Claim<'a> {
    /// What it is and says.
    pub identity: &'a Identity,
    /// What it comes to if the key is free.
    pub standing: &'a Standing,
    /// The message that brought it.
    pub arrival: Arrival,
    /// Settlement.
    pub issued_at: DateTime<Utc>,
    /// The rules it was checked with.
    pub stamp: &'a Stamp,
    /// There if it waits.
    pub kept: Option<Kept>,
}

fn status(standing: &Standing) -> &'static str {
    match standing {
        Standing::Accepted(_) => "accepted",
        Standing::Parked(_) => "parked",
        Standing::Lapsed => "lapsed",
    }
}

fn code(standing: &Standing) -> Option<&'static str> {
    match standing {
        Standing::Accepted(_) => None,
        Standing::Parked(code) => Some(code.code),
        Standing::Lapsed => Some(DOCUMENT_LAPSED.code),
    }
}

fn member(standing: &Standing) -> Option<Uuid> {
    match standing {
        Standing::Accepted(owner) => Some(owner.member_id.0),
        Standing::Parked(_) | Standing::Lapsed => None,
    }
}

fn version(stamp: &Stamp) -> i32 {
    i32::try_from(stamp.version).unwrap_or(i32::MAX)
}

/// The columns of a set of keys.
struct KeyColumns {
    stores: Vec<String>,
    kinds: Vec<String>,
    numbers: Vec<String>,
}

fn columns<'a>(keys: impl Iterator<Item = &'a DocumentKey> + Clone) -> KeyColumns {
    KeyColumns {
        stores: keys.clone().map(|key| key.store.clone()).collect(),
        kinds: keys.clone().map(|key| key.kind.clone()).collect(),
        numbers: keys.map(|key| key.number.clone()).collect(),
    }
}

/// Claims keys; gives back those that were free. The claims must be in the order of their keys, each key once.
pub async fn claim(tx: &mut PgConnection, claims: &[Claim<'_>], now: DateTime<Utc>) -> Result<HashSet<DocumentKey>, Failure> {
    let keys = columns(claims.iter().map(|claim| &claim.identity.key));
    let kept = || claims.iter().map(|claim| claim.kept.as_ref());
    let rows = sqlx::query!(
        "insert into document (store, kind, number, content_hash, status, code, stream_sequence, received_at, issued_at, business_date,
                               program_version, member_id, accepted_at, content, sha256, event_id, traceparent)
         select u.store, u.kind, u.number, u.content_hash, u.status, u.code, u.sequence, u.received_at, u.issued_at, u.business_date,
                u.version, u.member_id, case when u.status = 'accepted' then $17::timestamptz end, u.content, u.sha256, u.event_id, u.trace
         from unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::text[], $7::bigint[], $8::timestamptz[],
                     $9::timestamptz[], $10::date[], $11::int[], $12::uuid[], $13::bytea[], $14::bytea[], $15::text[], $16::text[])
              u(store, kind, number, content_hash, status, code, sequence, received_at, issued_at, business_date, version, member_id,
                content, sha256, event_id, trace)
         on conflict do nothing returning store, kind, number",
        &keys.stores,
        &keys.kinds,
        &keys.numbers,
        &claims.iter().map(|claim| claim.identity.content_hash.to_vec()).collect::<Vec<_>>(),
        &claims.iter().map(|claim| status(claim.standing).to_owned()).collect::<Vec<_>>(),
        &claims.iter().map(|claim| code(claim.standing)).collect::<Vec<_>>() as &[Option<&str>],
        &claims.iter().map(|claim| claim.arrival.sequence).collect::<Vec<_>>(),
        &claims.iter().map(|claim| claim.arrival.stored_at).collect::<Vec<_>>(),
        &claims.iter().map(|claim| claim.issued_at).collect::<Vec<_>>(),
        &claims.iter().map(|claim| claim.stamp.business_date).collect::<Vec<_>>(),
        &claims.iter().map(|claim| version(claim.stamp)).collect::<Vec<_>>(),
        &claims.iter().map(|claim| member(claim.standing)).collect::<Vec<_>>() as &[Option<Uuid>],
        &kept().map(|kept| kept.map(|kept| kept.content.as_slice())).collect::<Vec<_>>() as &[Option<&[u8]>],
        &kept().map(|kept| kept.map(|kept| kept.sha256.as_slice())).collect::<Vec<_>>() as &[Option<&[u8]>],
        &kept().map(|kept| kept.and_then(|kept| kept.event_id.as_deref())).collect::<Vec<_>>() as &[Option<&str>],
        &kept().map(|kept| kept.and_then(|kept| kept.traceparent.as_deref())).collect::<Vec<_>>() as &[Option<&str>],
        now,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| DocumentKey { store: row.store, kind: row.kind, number: row.number }).collect())
}

/// The documents that hold these keys.
pub async fn load_holders(tx: &mut PgConnection, keys: &BTreeSet<&DocumentKey>) -> Result<HashMap<DocumentKey, Holder>, Failure> {
    let columns = columns(keys.iter().copied());
    let rows = sqlx::query!(
        "select store, kind, number, content_hash, stream_sequence, received_at from document
         where (store, kind, number) in (select * from unnest($1::text[], $2::text[], $3::text[]))",
        &columns.stores,
        &columns.kinds,
        &columns.numbers,
    )
    .fetch_all(tx)
    .await?;
    let read = rows.into_iter().map(|row| {
        let key = DocumentKey { store: row.store, kind: row.kind, number: row.number };
        let content_hash: ContentHash = row.content_hash.try_into().map_err(|_| bad(&key, "content_hash"))?;
        let arrival = Arrival { sequence: row.stream_sequence, stored_at: row.received_at };
        Ok((key, Holder { content_hash, arrival }))
    });
    read.collect::<Result<_, BadRow>>().map_err(Failure::from)
}

fn bad(key: &DocumentKey, what: &'static str) -> BadRow {
    BadRow { table: "document", key: format!("{}/{}/{}", key.store, key.kind, key.number), what }
}

/// A waiting document, as locked for its release.
pub struct ParkedRow {
    /// What it is known by.
    pub key: DocumentKey,
    /// When it first arrived.
    pub received_at: DateTime<Utc>,
    /// Its local day, as decided on arrival.
    pub business_date: NaiveDate,
    /// The rules it was checked with on arrival.
    pub program_version: u32,
    /// What is kept of it.
    pub kept: Kept,
}

/// As the table has it.
struct StoredRow {
    store: String,
    kind: String,
    number: String,
    received_at: DateTime<Utc>,
    business_date: NaiveDate,
    program_version: i32,
    content: Vec<u8>,
    sha256: Vec<u8>,
    event_id: Option<String>,
    traceparent: Option<String>,
}

impl TryFrom<StoredRow> for ParkedRow {
    type Error = BadRow;

    fn try_from(row: StoredRow) -> Result<Self, BadRow> {
        let key = DocumentKey { store: row.store, kind: row.kind, number: row.number };
        let program_version = u32::try_from(row.program_version).map_err(|_| bad(&key, "program_version"))?;
        let sha256 = row.sha256.try_into().map_err(|_| bad(&key, "sha256"))?;
        let kept = Kept { content: row.content, sha256, event_id: row.event_id, traceparent: row.traceparent };
        Ok(Self { key, received_at: row.received_at, business_date: row.business_date, program_version, kept })
    }
}

/// Locks and loads documents that wait for one of `keys` and can wait no longer, since a member has it; at most `limit`.
pub async fn load_released(tx: &mut PgConnection, keys: &BTreeSet<Key>, limit: i64) -> Result<Vec<ParkedRow>, Failure> {
    let rows = sqlx::query_as!(
        StoredRow,
        r#"select store, kind, number, received_at, business_date, program_version, content as "content!", sha256 as "sha256!", event_id,
                  traceparent
           from document
           where status = 'parked' and (store, kind, number) in (
               select p.store, p.kind, p.number from parked_key p join customer_key c on c.key = p.key
               where p.key = any($1) and c.member_id is not null and (c.owned_since is null or c.owned_since <= p.business_date))
           order by store, kind, number limit $2 for update"#,
        &keys.iter().map(|key| key.0.clone()).collect::<Vec<_>>(),
        limit,
    )
    .fetch_all(tx)
    .await?;
    rows.into_iter().map(ParkedRow::try_from).collect::<Result<_, BadRow>>().map_err(Failure::from)
}

/// Locks and loads those of these documents that wait for a review, in the order of their keys.
pub async fn load_in_review(tx: &mut PgConnection, keys: &BTreeSet<&DocumentKey>) -> Result<Vec<ParkedRow>, Failure> {
    let columns = columns(keys.iter().copied());
    let rows = sqlx::query_as!(
        StoredRow,
        r#"select store, kind, number, received_at, business_date, program_version, content as "content!", sha256 as "sha256!", event_id,
                  traceparent
           from document
           where status = 'parked' and code = $4 and (store, kind, number) in (select * from unnest($1::text[], $2::text[], $3::text[]))
           order by store, kind, number for update"#,
        &columns.stores,
        &columns.kinds,
        &columns.numbers,
        DOCUMENT_PARKED_REVIEW.code,
    )
    .fetch_all(tx)
    .await?;
    rows.into_iter().map(ParkedRow::try_from).collect::<Result<_, BadRow>>().map_err(Failure::from)
}

/// Saves what waiting (locked) documents came to. One that waits on, for a review, keeps its content.
pub async fn save_released(
    tx: &mut PgConnection,
    released: &[(&DocumentKey, &Standing, Stamp)],
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let keys = columns(released.iter().map(|(key, ..)| *key));
    let standings = || released.iter().map(|(_, standing, _)| *standing);
    sqlx::query!(
        "update document d set status = u.status, code = u.code, business_date = u.business_date, program_version = u.version,
                member_id = u.member_id, accepted_at = case when u.status = 'accepted' then $9::timestamptz end,
                content = case when u.status = 'parked' then d.content end, sha256 = case when u.status = 'parked' then d.sha256 end,
                event_id = case when u.status = 'parked' then d.event_id end,
                traceparent = case when u.status = 'parked' then d.traceparent end
         from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::date[], $7::int[], $8::uuid[])
              u(store, kind, number, status, code, business_date, version, member_id)
         where d.store = u.store and d.kind = u.kind and d.number = u.number and d.status = 'parked'",
        &keys.stores,
        &keys.kinds,
        &keys.numbers,
        &standings().map(|standing| status(standing).to_owned()).collect::<Vec<_>>(),
        &standings().map(code).collect::<Vec<_>>() as &[Option<&str>],
        &released.iter().map(|(.., stamp)| stamp.business_date).collect::<Vec<_>>(),
        &released.iter().map(|(.., stamp)| version(stamp)).collect::<Vec<_>>(),
        &standings().map(member).collect::<Vec<_>>() as &[Option<Uuid>],
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// A document as asked for.
pub struct Found {
    /// `accepted`, `parked`, `lapsed`.
    pub status: String,
    /// Why it waits or lapsed.
    pub code: Option<String>,
    /// When it first arrived.
    pub received_at: DateTime<Utc>,
    /// When it was accepted.
    pub accepted_at: Option<DateTime<Utc>>,
    /// Who earned.
    pub member_id: Option<MemberId>,
    /// The rules of its stamp.
    pub program_version: i32,
}

/// The document of a key.
pub async fn find(pool: &PgPool, key: &DocumentKey) -> Result<Option<Found>, Failure> {
    let row = sqlx::query!(
        "select status, code, received_at, accepted_at, member_id, program_version from document
         where store = $1 and kind = $2 and number = $3",
        key.store,
        key.kind,
        key.number,
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| Found {
        status: row.status,
        code: row.code,
        received_at: row.received_at,
        accepted_at: row.accepted_at,
        member_id: row.member_id.map(MemberId),
        program_version: row.program_version,
    }))
}
