//! Documents: their claim, their fate, their content while they wait.

use std::collections::{BTreeMap, BTreeSet, HashMap};

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
    /// There if it is accepted and may be corrected or compared: its lines.
    pub bill: Option<String>,
}

/// Of a row under whose number nothing has come.
const ABSENT: &str = "absent";
/// Likewise.
pub(super) const ABSENT_CODE: &str = "document.absent";

fn status(standing: &Standing) -> &'static str {
    match standing {
        Standing::Accepted(_) | Standing::Corrects { .. } | Standing::Recorded => "accepted",
        Standing::Parked(_) => "parked",
        Standing::Lapsed => "lapsed",
    }
}

fn code(standing: &Standing) -> Option<&'static str> {
    match standing {
        Standing::Accepted(_) | Standing::Corrects { .. } | Standing::Recorded => None,
        Standing::Parked(code) => Some(code.code),
        Standing::Lapsed => Some(DOCUMENT_LAPSED.code),
    }
}

fn member(standing: &Standing) -> Option<Uuid> {
    match standing {
        Standing::Accepted(owner) => Some(owner.member_id.0),
        Standing::Corrects { member_id, .. } => Some(member_id.0),
        Standing::Recorded | Standing::Parked(_) | Standing::Lapsed => None,
    }
}

/// A correction bears the stamp of its invoice.
fn version(standing: &Standing, stamped: Option<u32>) -> Option<i32> {
    let version = if let Standing::Corrects { program_version, .. } = standing { Some(*program_version) } else { stamped };
    version.map(|version| i32::try_from(version).unwrap_or(i32::MAX))
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

/// A row to be claimed; without a claim, one to be locked for whoever waits for it.
struct Wanted<'a> {
    key: &'a DocumentKey,
    claim: Option<&'a Claim<'a>>,
}

/// Claims keys, and locks the rows of the `awaited` invoices until COMMIT, making those that aren't there: whoever claims one of
/// them meanwhile waits, and then sees that it is awaited. All in the order of the keys. Gives back the claims whose key was free,
/// and whether corrections wait for it. A row under whose number nothing has come is taken over.
pub async fn claim(
    tx: &mut PgConnection,
    claims: &[Claim<'_>],
    awaited: &BTreeSet<DocumentKey>,
    now: DateTime<Utc>,
) -> Result<HashMap<DocumentKey, bool>, Failure> {
    let mut wanted: BTreeMap<&DocumentKey, Option<&Claim<'_>>> = awaited.iter().map(|key| (key, None)).collect();
    wanted.extend(claims.iter().map(|claim| (&claim.identity.key, Some(claim))));
    let wanted: Vec<Wanted<'_>> = wanted.into_iter().map(|(key, claim)| Wanted { key, claim }).collect();
    let keys = columns(wanted.iter().map(|one| one.key));
    let each = || wanted.iter().map(|one| one.claim);
    let kept = || each().map(|claim| claim.and_then(|claim| claim.kept.as_ref()));
    // An update that changes nothing locks the row that is there, whatever it says.
    let rows = sqlx::query!(
        r#"insert into document as d (store, kind, number, content_hash, status, code, stream_sequence, received_at, issued_at, business_date,
                                   program_version, member_id, accepted_at, content, sha256, event_id, traceparent, bill, awaited)
         select u.store, u.kind, u.number, u.content_hash, u.status, u.code, u.sequence, u.received_at, u.issued_at, u.business_date,
                u.version, u.member_id, case when u.status = 'accepted' then $17::timestamptz end, u.content, u.sha256, u.event_id, u.trace,
                u.bill, case when u.status = 'absent' then true end
         from unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::text[], $7::bigint[], $8::timestamptz[],
                     $9::timestamptz[], $10::date[], $11::int[], $12::uuid[], $13::bytea[], $14::bytea[], $15::text[], $16::text[],
                     $18::text[])
              u(store, kind, number, content_hash, status, code, sequence, received_at, issued_at, business_date, version, member_id,
                content, sha256, event_id, trace, bill)
         on conflict (store, kind, number) do update
             set content_hash = excluded.content_hash, status = excluded.status, code = excluded.code,
                 stream_sequence = excluded.stream_sequence, received_at = excluded.received_at, issued_at = excluded.issued_at,
                 business_date = excluded.business_date, program_version = excluded.program_version, member_id = excluded.member_id,
                 accepted_at = excluded.accepted_at, content = excluded.content, sha256 = excluded.sha256, event_id = excluded.event_id,
                 traceparent = excluded.traceparent, bill = excluded.bill
             where d.status = 'absent' and excluded.status <> 'absent'
         returning d.store, d.kind, d.number, d.status, coalesce(d.awaited, false) as "awaited!""#,
        &keys.stores,
        &keys.kinds,
        &keys.numbers,
        &each().map(|claim| claim.map_or_else(|| vec![0; 32], |claim| claim.identity.content_hash.to_vec())).collect::<Vec<_>>(),
        &each().map(|claim| claim.map_or(ABSENT, |claim| status(claim.standing)).to_owned()).collect::<Vec<_>>(),
        &each().map(|claim| claim.map_or(Some(ABSENT_CODE), |claim| code(claim.standing))).collect::<Vec<_>>() as &[Option<&str>],
        &each().map(|claim| claim.map_or(0, |claim| claim.arrival.sequence)).collect::<Vec<_>>(),
        &each().map(|claim| claim.map_or(now, |claim| claim.arrival.stored_at)).collect::<Vec<_>>(),
        &each().map(|claim| claim.map_or(now, |claim| claim.issued_at)).collect::<Vec<_>>(),
        &each().map(|claim| claim.map_or(now.date_naive(), |claim| claim.stamp.business_date)).collect::<Vec<_>>(),
        &each().map(|claim| claim.and_then(|claim| version(claim.standing, Some(claim.stamp.version))).unwrap_or(1)).collect::<Vec<_>>(),
        &each().map(|claim| member(claim?.standing)).collect::<Vec<_>>() as &[Option<Uuid>],
        &kept().map(|kept| kept.map(|kept| kept.content.as_slice())).collect::<Vec<_>>() as &[Option<&[u8]>],
        &kept().map(|kept| kept.map(|kept| kept.sha256.as_slice())).collect::<Vec<_>>() as &[Option<&[u8]>],
        &kept().map(|kept| kept.and_then(|kept| kept.event_id.as_deref())).collect::<Vec<_>>() as &[Option<&str>],
        &kept().map(|kept| kept.and_then(|kept| kept.traceparent.as_deref())).collect::<Vec<_>>() as &[Option<&str>],
        now,
        &each().map(|claim| claim?.bill.as_deref()).collect::<Vec<_>>() as &[Option<&str>],
    )
    .fetch_all(tx)
    .await?;
    let claimed = rows.into_iter().filter(|row| row.status != ABSENT);
    Ok(claimed.map(|row| (DocumentKey { store: row.store, kind: row.kind, number: row.number }, row.awaited)).collect())
}

/// The documents that hold these keys.
pub async fn load_holders(tx: &mut PgConnection, keys: &BTreeSet<&DocumentKey>) -> Result<HashMap<DocumentKey, Holder>, Failure> {
    let columns = columns(keys.iter().copied());
    let rows = sqlx::query!(
        "select store, kind, number, content_hash, stream_sequence, received_at from document
         where status <> 'absent' and (store, kind, number) in (select * from unnest($1::text[], $2::text[], $3::text[]))",
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

pub(super) fn bad(key: &DocumentKey, what: &'static str) -> BadRow {
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
    /// Corrections wait for it.
    pub is_awaited: bool,
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
    awaited: Option<bool>,
}

impl TryFrom<StoredRow> for ParkedRow {
    type Error = BadRow;

    fn try_from(row: StoredRow) -> Result<Self, BadRow> {
        let key = DocumentKey { store: row.store, kind: row.kind, number: row.number };
        let program_version = u32::try_from(row.program_version).map_err(|_| bad(&key, "program_version"))?;
        let sha256 = row.sha256.try_into().map_err(|_| bad(&key, "sha256"))?;
        let kept = Kept { content: row.content, sha256, event_id: row.event_id, traceparent: row.traceparent };
        let is_awaited = row.awaited == Some(true);
        Ok(Self { key, received_at: row.received_at, business_date: row.business_date, program_version, kept, is_awaited })
    }
}

/// Locks and loads documents that wait for one of `keys` and can wait no longer, since a member has it, or had it (the day is compared
/// roughly here, since it is a program's); at most `limit`.
pub async fn load_released(tx: &mut PgConnection, keys: &BTreeSet<Key>, limit: i64) -> Result<Vec<ParkedRow>, Failure> {
    let rows = sqlx::query_as!(
        StoredRow,
        r#"select store, kind, number, received_at, business_date, program_version, content as "content!", sha256 as "sha256!", event_id,
                  traceparent, awaited
           from document
           where status = 'parked' and (store, kind, number) in (
               select p.store, p.kind, p.number from parked_key p
               where p.key = any($1) and (
                   exists (select from customer_key c where c.key = p.key and c.member_id is not null
                           and (c.owned_since is null or c.owned_since <= p.business_date))
                   or exists (select from former_owner f where f.key = p.key and f.owned_since <= p.business_date
                              and p.business_date <= (f.left_at at time zone 'UTC')::date + 1)))
           order by store, kind, number limit $2 for update"#,
        &keys.iter().map(|key| key.0.clone()).collect::<Vec<_>>(),
        limit,
    )
    .fetch_all(tx)
    .await?;
    rows.into_iter().map(ParkedRow::try_from).collect::<Result<_, BadRow>>().map_err(Failure::from)
}

/// Locks and loads documents behind a key that wait for a customer since a day before `first`: at most `limit`.
pub async fn load_parked(tx: &mut PgConnection, first: NaiveDate, after: &DocumentKey, limit: i64) -> Result<Vec<ParkedRow>, Failure> {
    let rows = sqlx::query_as!(
        StoredRow,
        r#"select store, kind, number, received_at, business_date, program_version, content as "content!", sha256 as "sha256!", event_id,
                  traceparent, awaited
           from document
           where status = 'parked' and code = 'document.parked' and business_date < $1
             and (store, kind, number) > ($2, $3, $4)
           order by store, kind, number limit $5 for update"#,
        first,
        after.store,
        after.kind,
        after.number,
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
                  traceparent, awaited
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

/// What a waiting document came to.
pub struct Released<'a> {
    /// Which.
    pub key: &'a DocumentKey,
    /// To what.
    pub standing: &'a Standing,
    /// Its local day.
    pub business_date: NaiveDate,
    /// Its rules, if these aren't those of its arrival or of its invoice.
    pub version: Option<u32>,
    /// What is kept of it if it is accepted.
    pub bill: Option<String>,
}

/// Saves what waiting (locked) documents came to. One that waits on, for a review, keeps its content.
pub async fn save_released(tx: &mut PgConnection, released: &[Released<'_>], now: DateTime<Utc>) -> Result<(), Failure> {
    let keys = columns(released.iter().map(|one| one.key));
    let standings = || released.iter().map(|one| one.standing);
    sqlx::query!(
        "update document d set status = u.status, code = u.code, business_date = u.business_date,
                program_version = coalesce(u.version, d.program_version),
                member_id = u.member_id, accepted_at = case when u.status = 'accepted' then $9::timestamptz end,
                content = case when u.status = 'parked' then d.content end, sha256 = case when u.status = 'parked' then d.sha256 end,
                event_id = case when u.status = 'parked' then d.event_id end,
                traceparent = case when u.status = 'parked' then d.traceparent end, bill = u.bill
         from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::date[], $7::int[], $8::uuid[], $10::text[])
              u(store, kind, number, status, code, business_date, version, member_id, bill)
         where d.store = u.store and d.kind = u.kind and d.number = u.number and d.status = 'parked'",
        &keys.stores,
        &keys.kinds,
        &keys.numbers,
        &standings().map(|standing| status(standing).to_owned()).collect::<Vec<_>>(),
        &standings().map(code).collect::<Vec<_>>() as &[Option<&str>],
        &released.iter().map(|one| one.business_date).collect::<Vec<_>>(),
        &released.iter().map(|one| version(one.standing, one.version)).collect::<Vec<_>>() as &[Option<i32>],
        &standings().map(member).collect::<Vec<_>>() as &[Option<Uuid>],
        now,
        &released.iter().map(|one| one.bill.as_deref()).collect::<Vec<_>>() as &[Option<&str>],
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
    /// Of an invoice: what took it back.
    pub voided_by: Option<String>,
}

/// The document of a key.
pub async fn find(pool: &PgPool, key: &DocumentKey) -> Result<Option<Found>, Failure> {
    let row = sqlx::query!(
        "select status, code, received_at, accepted_at, member_id, program_version, voided_by from document
         where store = $1 and kind = $2 and number = $3 and status <> 'absent'",
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
        voided_by: row.voided_by,
    }))
}
