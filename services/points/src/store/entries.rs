//! Entries and lots: written once, together.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::event::{AccrualSource, EntryKind, PostedEntry};
use jifen_kernel::{MemberId, Points, StoreCode, Token};
use jifen_runtime::{BadRow, Failure};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::accruals::DocumentKey;
use crate::domain::{
    account::{Entry, Movement},
    activation::PendingEntry,
    pending::Hold,
    post_invoice::{Lot, Posting},
};

pub(super) fn kind_of(text: &str) -> Option<EntryKind> {
    if text == GRANT {
        return Some(EntryKind::Bonus);
    }
    EntryKind::ALL.into_iter().find(|kind| kind.as_str() == text)
}

/// A bonus that a campaign granted has a word of its own in the ledger: so its key can't be that of an invoice's bonus.
const GRANT: &str = "grant";

fn word_of_kind(kind: EntryKind, source: AccrualSource) -> &'static str {
    if source == AccrualSource::Grant && kind == EntryKind::Bonus { GRANT } else { kind.as_str() }
}

/// Whether these are the words that a posting writes for this kind and source.
pub(super) fn is_written(kind: EntryKind, kind_word: &str, source: AccrualSource, source_word: Option<&str>) -> bool {
    word_of_kind(kind, source) == kind_word && word_of(source).as_deref() == source_word
}

/// The word of a source in the ledger; an invoice has none.
pub(super) fn word_of(source: AccrualSource) -> Option<String> {
    (source != AccrualSource::Invoice).then(|| source.as_str().to_owned())
}

pub(super) fn source_of(text: Option<&str>) -> Option<AccrualSource> {
    use AccrualSource::{Grant, Import, Interaction, Invoice, PartnerPurchase};
    let Some(text) = text else { return Some(Invoice) };
    [Interaction, PartnerPurchase, Grant, Import].into_iter().find(|source| source.as_str() == text)
}

/// Writes the entries and lots of a batch's postings.
pub async fn save(tx: &mut PgConnection, postings: &[Posting], at: DateTime<Utc>) -> Result<(), Failure> {
    let entries: Vec<&Entry> = postings.iter().flat_map(|posting| posting.entries.iter().chain(&posting.repayments)).collect();
    if entries.is_empty() {
        return Ok(());
    }
    save_entries(tx, &entries).await?;
    // A posting's entries share member, document and expiry with its lots.
    let lots = postings.iter().flat_map(|p| p.lots.iter().filter_map(|lot| Some((lot, p.entries.first()?))));
    let (pending, live): (Vec<_>, Vec<_>) = lots.partition(|(lot, _)| lot.waits.is_some());
    if !live.is_empty() {
        save_lots(tx, &live, at).await?;
    }
    if !pending.is_empty() {
        save_pending_lots(tx, &pending, at).await?;
    }
    Ok(())
}

async fn save_lots(tx: &mut PgConnection, lots: &[(&Lot, &Entry)], at: DateTime<Utc>) -> Result<(), Failure> {
    sqlx::query!(
        "insert into lot (member_id, lot_id, store, document, points, remaining, expires_on, created_at)
         select u.*, $8 from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::date[]) u",
        &lots.iter().map(|(_, entry)| entry.member_id.0).collect::<Vec<_>>(),
        &lots.iter().map(|(lot, _)| lot.lot_id).collect::<Vec<_>>(),
        &lots.iter().map(|(_, entry)| entry.movement.store.to_string()).collect::<Vec<_>>(),
        &lots.iter().map(|(_, entry)| entry.movement.document.clone()).collect::<Vec<_>>(),
        &lots.iter().map(|(lot, _)| lot.points.0).collect::<Vec<_>>(),
        &lots.iter().map(|(lot, _)| lot.remaining.0).collect::<Vec<_>>(),
        &lots.iter().map(|(_, entry)| entry.movement.expires_on).collect::<Vec<_>>(),
        at,
    )
    .execute(tx)
    .await?;
    Ok(())
}

async fn save_pending_lots(tx: &mut PgConnection, lots: &[(&Lot, &Entry)], at: DateTime<Utc>) -> Result<(), Failure> {
    let waits = || lots.iter().map(|(lot, _)| lot.waits);
    let holds = || waits().map(|waits| waits.and_then(|waits| waits.hold));
    sqlx::query!(
        "insert into pending_lot (member_id, lot_id, store, document, points, expires_on, business_date, awaits_activation, until,
                                  awaits_review, source, created_at)
         select u.*, $12 from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::date[], $7::date[], $8::bool[],
                                     $9::date[], $10::bool[], $11::text[]) u",
        &lots.iter().map(|(_, entry)| entry.member_id.0).collect::<Vec<_>>(),
        &lots.iter().map(|(lot, _)| lot.lot_id).collect::<Vec<_>>(),
        &lots.iter().map(|(_, entry)| entry.movement.store.to_string()).collect::<Vec<_>>(),
        &lots.iter().map(|(_, entry)| entry.movement.document.clone()).collect::<Vec<_>>(),
        &lots.iter().map(|(lot, _)| lot.points.0).collect::<Vec<_>>(),
        &lots.iter().map(|(_, entry)| entry.movement.expires_on).collect::<Vec<_>>(),
        &waits().map(|waits| waits.map(|waits| waits.since)).collect::<Vec<_>>() as &[Option<NaiveDate>],
        &waits().map(|waits| waits.is_some_and(|waits| waits.activation)).collect::<Vec<_>>(),
        &holds().map(|hold| if let Some(Hold::Until(day)) = hold { Some(day) } else { None }).collect::<Vec<_>>() as &[Option<NaiveDate>],
        &holds().map(|hold| hold == Some(Hold::Review)).collect::<Vec<_>>(),
        &lots.iter().map(|(_, entry)| word_of(entry.movement.source)).collect::<Vec<_>>() as &[Option<String>],
        at,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Writes entries.
pub async fn save_entries(tx: &mut PgConnection, entries: &[&Entry]) -> Result<(), Failure> {
    let each = || entries.iter();
    sqlx::query!(
        "insert into entry (member_id, sequence, entry_id, debit, credit, points, kind, store, document, category, rule, ordinal,
                            qualifying, pending, lot_id, expires_on, paid_fen, rate, base, posted_at, hash, source, of_entry)
         select * from unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::text[],
                              $9::text[], $10::text[], $11::text[], $12::int[], $13::bool[], $14::bool[], $15::uuid[], $16::date[],
                              $17::bigint[], $18::text[], $19::bigint[], $20::timestamptz[], $21::bytea[],
                              $22::text[], $23::uuid[])",
        &each().map(|e| e.member_id.0).collect::<Vec<_>>(),
        &each().map(|e| e.sequence).collect::<Vec<_>>(),
        &each().map(|e| e.movement.entry_id).collect::<Vec<_>>(),
        &each().map(|e| e.debit.clone()).collect::<Vec<_>>(),
        &each().map(|e| e.credit.to_string()).collect::<Vec<_>>(),
        &each().map(|e| e.movement.points.0).collect::<Vec<_>>(),
        &each().map(|e| word_of_kind(e.movement.kind, e.movement.source).to_owned()).collect::<Vec<_>>(),
        &each().map(|e| e.movement.store.to_string()).collect::<Vec<_>>(),
        &each().map(|e| e.movement.document.clone()).collect::<Vec<_>>(),
        &each().map(|e| e.movement.category.as_ref().map_or("", Token::as_str).to_owned()).collect::<Vec<_>>(),
        &each().map(|e| e.movement.rule.clone()).collect::<Vec<_>>(),
        &each().map(|e| e.movement.ordinal).collect::<Vec<_>>(),
        &each().map(|e| e.movement.qualifying).collect::<Vec<_>>(),
        &each().map(|e| e.pending).collect::<Vec<_>>(),
        &each().map(|e| e.movement.lot_id).collect::<Vec<_>>(),
        &each().map(|e| e.movement.expires_on).collect::<Vec<_>>(),
        &each().map(|e| e.movement.paid.map(jifen_kernel::Money::fen)).collect::<Vec<_>>() as &[Option<i64>],
        &each().map(|e| e.movement.rate.clone()).collect::<Vec<_>>() as &[Option<String>],
        &each().map(|e| e.movement.base.map(|base| base.0)).collect::<Vec<_>>() as &[Option<i64>],
        &each().map(|e| e.movement.posted_at).collect::<Vec<_>>(),
        &each().map(|e| e.hash.to_vec()).collect::<Vec<_>>(),
        &each().map(|e| word_of(e.movement.source)).collect::<Vec<_>>() as &[Option<String>],
        &each().map(|e| e.movement.of_entry).collect::<Vec<_>>() as &[Option<Uuid>],
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What invoices earned, by document, in the order of their chains.
pub async fn load_posted(tx: &mut PgConnection, keys: &[DocumentKey]) -> Result<HashMap<DocumentKey, Vec<PostedEntry>>, Failure> {
    let rows = sqlx::query!(
        r#"select store, document, entry_id, kind, rule, category, points, qualifying, pending,
                  source is null and of_entry is null and kind in ('accrual', 'first_spending', 'bonus') as "earned!"
           from entry where (store, document) in (select * from unnest($1::text[], $2::text[])) order by member_id, sequence"#,
        &keys.iter().map(|key| key.0.clone()).collect::<Vec<_>>(),
        &keys.iter().map(|key| key.1.clone()).collect::<Vec<_>>(),
    )
    .fetch_all(tx)
    .await?;
    let mut posted: HashMap<DocumentKey, Vec<PostedEntry>> = HashMap::new();
    // What a document of the same number and another source earned is not the invoice's, nor what became of it later. Not a
    // condition of the statement: it must be planned by the key alone.
    for row in rows.into_iter().filter(|row| row.earned) {
        let bad = |what| BadRow { table: "entry", key: row.entry_id.to_string(), what };
        let entry = PostedEntry {
            entry_id: row.entry_id,
            kind: kind_of(&row.kind).ok_or_else(|| bad("kind"))?,
            rule: row.rule,
            category: category_of(&row.category).map_err(|()| bad("category"))?,
            points: Points(row.points),
            qualifying: row.qualifying,
            pending: row.pending,
        };
        posted.entry((row.store, row.document)).or_default().push(entry);
    }
    Ok(posted)
}

/// The entries of pending lots, by member, in the order of their chains. They name the document that brought the lot: so what is read
/// are those of the documents, however long the chains are.
pub async fn load_pending(tx: &mut PgConnection, lots: &[(DocumentKey, Uuid)]) -> Result<BTreeMap<MemberId, Vec<PendingEntry>>, Failure> {
    let documents: BTreeSet<DocumentKey> = lots.iter().map(|(document, _)| document.clone()).collect();
    let (stores, numbers): (Vec<String>, Vec<String>) = documents.into_iter().unzip();
    let rows = sqlx::query!(
        // Document by document, on the index of their entries, whatever is known of the table.
        r#"select e.member_id, e.entry_id, e.debit, e.points, e.kind, e.source, e.store, e.document, e.category, e.rule, e.ordinal,
                  e.qualifying, e.lot_id, e.expires_on, e.posted_at, e.of_entry
           from unnest($1::text[], $2::text[]) u(store, document)
                cross join lateral (select * from entry e where e.store = u.store and e.document = u.document offset 0) e
           where e.lot_id = any($3) and (e.of_entry is null or e.kind in ('reversal', 'lapse')) order by e.member_id, e.sequence"#,
        &stores,
        &numbers,
        &lots.iter().map(|(_, lot)| *lot).collect::<Vec<_>>(),
    )
    .fetch_all(tx)
    .await?;
    let mut pending: BTreeMap<MemberId, Vec<PendingEntry>> = BTreeMap::new();
    for row in rows {
        let member_id = MemberId(row.member_id);
        if let Some(of) = row.of_entry {
            // A correction took some of it, or all of it lapsed; that stands behind.
            let of = pending.get_mut(&member_id).and_then(|all| all.iter_mut().find(|entry| entry.movement.entry_id == of));
            if let Some(entry) = of {
                entry.movement.points = entry.movement.points - Points(row.points);
            }
            continue;
        }
        let bad = |what| BadRow { table: "entry", key: row.entry_id.to_string(), what };
        let movement = Movement {
            entry_id: row.entry_id,
            source: source_of(row.source.as_deref()).ok_or_else(|| bad("source"))?,
            kind: kind_of(&row.kind).ok_or_else(|| bad("kind"))?,
            store: StoreCode::try_new(row.store.as_str()).map_err(|_| bad("store"))?,
            document: row.document,
            category: category_of(&row.category).map_err(|()| bad("category"))?,
            rule: row.rule,
            ordinal: row.ordinal,
            points: Points(row.points),
            lot_id: row.lot_id,
            expires_on: row.expires_on,
            paid: None,
            rate: None,
            base: None,
            posted_at: row.posted_at,
            qualifying: row.qualifying,
            of_entry: None,
        };
        pending.entry(member_id).or_default().push(PendingEntry { funder: row.debit, movement });
    }
    for all in pending.values_mut() {
        all.retain(|entry| entry.movement.points.is_positive());
    }
    Ok(pending)
}

pub(super) fn category_of(text: &str) -> Result<Option<Token>, ()> {
    if text.is_empty() { Ok(None) } else { Token::try_new(text).map(Some).map_err(|_| ()) }
}

/// A member's live points by last day, soonest first.
pub async fn list_expiring(pool: &PgPool, member_id: MemberId) -> Result<Vec<(NaiveDate, Points)>, Failure> {
    let rows = sqlx::query!(
        r#"select expires_on, sum(remaining)::bigint as "points!" from lot where member_id = $1 and remaining > 0
           group by expires_on order by expires_on"#,
        member_id.0
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.expires_on, Points(row.points))).collect())
}

/// Sums for an operator: accounts, entries and points by kind, accruals open and closed.
pub async fn count(pool: &PgPool) -> Result<Vec<(String, i64)>, Failure> {
    let rows = sqlx::query!(
        r#"select 'points/' || kind as "name!", sum(points)::bigint as "count!" from entry group by kind
           union all select 'entries/' || kind, count(*) from entry group by kind
           union all select 'accounts', count(*) from account
           union all select 'unsettled', count(*) from accrual where settled_at is null
           union all select 'settled', count(*) from accrual where settled_at is not null
           union all select 'breakage/' || l.store, sum(case when e.credit = 'expired' then e.points else -e.points end)::bigint
                     from entry e join lot l on l.member_id = e.member_id and l.lot_id = e.lot_id
                     where 'expired' in (e.credit, e.debit) group by l.store"#
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.name, row.count)).collect())
}
