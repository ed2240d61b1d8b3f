//! Entries as they are asked for.

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::event::{AccrualSource, PostedEntry};
use jifen_kernel::{MemberId, Points};
use jifen_runtime::{BadRow, Failure};
use sqlx::PgPool;
use uuid::Uuid;

use super::entries::{category_of, kind_of, source_of};

/// An entry as listed.
pub struct ListedEntry {
    /// The entry as posted.
    pub posted: PostedEntry,
    /// Its place in the chain.
    pub sequence: i64,
    /// What kind of document it rests on.
    pub source: AccrualSource,
    /// The entry that it moves or takes back.
    pub of_entry: Option<Uuid>,
    /// Where the document came from.
    pub store: String,
    /// The document.
    pub document: String,
    /// The lot that it moves points of.
    pub lot_id: Uuid,
    /// The lot's last day.
    pub expires_on: NaiveDate,
    /// What was paid, in fen.
    pub paid_fen: Option<i64>,
    /// The rate or factor applied.
    pub rate: Option<String>,
    /// The base that a factor worked on.
    pub base: Option<i64>,
    /// When.
    pub posted_at: DateTime<Utc>,
    /// Its hash, hex.
    pub hash: String,
    /// The account debited.
    pub debit: String,
    /// The account credited.
    pub credit: String,
}

/// A row of the ledger, without its place in the books.
struct Row {
    sequence: i64,
    entry_id: Uuid,
    kind: String,
    points: i64,
    source: Option<String>,
    of_entry: Option<Uuid>,
    store: String,
    document: String,
    category: String,
    rule: String,
    qualifying: bool,
    pending: bool,
    lot_id: Uuid,
    expires_on: NaiveDate,
    paid_fen: Option<i64>,
    rate: Option<String>,
    base: Option<i64>,
    posted_at: DateTime<Utc>,
    hash: Vec<u8>,
    debit: String,
    credit: String,
}

impl TryFrom<Row> for ListedEntry {
    type Error = BadRow;

    fn try_from(row: Row) -> Result<Self, BadRow> {
        let bad = |what| BadRow { table: "entry", key: row.entry_id.to_string(), what };
        Ok(Self {
            posted: PostedEntry {
                entry_id: row.entry_id,
                kind: kind_of(&row.kind).ok_or_else(|| bad("kind"))?,
                category: category_of(&row.category).map_err(|()| bad("category"))?,
                rule: row.rule,
                points: Points(row.points),
                qualifying: row.qualifying,
                pending: row.pending,
            },
            sequence: row.sequence,
            source: source_of(row.source.as_deref()).ok_or_else(|| bad("source"))?,
            of_entry: row.of_entry,
            store: row.store,
            document: row.document,
            lot_id: row.lot_id,
            expires_on: row.expires_on,
            paid_fen: row.paid_fen,
            rate: row.rate,
            base: row.base,
            posted_at: row.posted_at,
            hash: hex::encode(row.hash),
            debit: row.debit,
            credit: row.credit,
        })
    }
}

/// A member's entries below `before`, newest first.
pub async fn list(pool: &PgPool, member_id: MemberId, before: i64, limit: i64) -> Result<Vec<ListedEntry>, Failure> {
    let rows = sqlx::query_as!(
        Row,
        "select sequence, entry_id, kind, points, source, of_entry, store, document, category, rule, qualifying, pending, lot_id, expires_on,
                paid_fen, rate, base, posted_at, hash, debit, credit
         from entry where member_id = $1 and sequence < $2 order by sequence desc limit $3",
        member_id.0,
        before,
        limit
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(ListedEntry::try_from).collect::<Result<_, BadRow>>().map_err(Failure::from)
}

/// An entry of a member.
pub async fn find(pool: &PgPool, member_id: MemberId, entry_id: Uuid) -> Result<Option<ListedEntry>, Failure> {
    let row = sqlx::query_as!(
        Row,
        "select sequence, entry_id, kind, points, source, of_entry, store, document, category, rule, qualifying, pending, lot_id, expires_on,
                paid_fen, rate, base, posted_at, hash, debit, credit
         from entry where member_id = $1 and entry_id = $2",
        member_id.0,
        entry_id
    )
    .fetch_optional(pool)
    .await?;
    row.map(ListedEntry::try_from).transpose().map_err(Failure::from)
}

/// What corrections took of an entry before this place in the chain.
pub async fn taken_before(pool: &PgPool, member_id: MemberId, of_entry: Uuid, sequence: i64) -> Result<Points, Failure> {
    let taken = sqlx::query_scalar!(
        r#"select coalesce(sum(points), 0)::bigint as "taken!" from entry
           where member_id = $1 and of_entry = $2 and kind = 'reversal' and sequence < $3"#,
        member_id.0,
        of_entry,
        sequence
    )
    .fetch_one(pool)
    .await?;
    Ok(Points(taken))
}

/// What of a lot was spendable before an entry of its member, by the entries.
pub struct LeftBefore {
    /// All of it.
    pub all: Points,
    /// What came back from a hold or a capture right before it in the chain and repaid no debt.
    pub came_back: Points,
}

/// What of an entry's lot was spendable before it.
pub async fn left_before(pool: &PgPool, member_id: MemberId, entry: &ListedEntry) -> Result<LeftBefore, Failure> {
    let left = sqlx::query!(
        r#"select coalesce(sum(moved), 0)::bigint as "all!", coalesce(sum(moved) filter (where sequence > coalesce(other, 0)), 0)::bigint as "back!"
           from (select case when credit = 'active' then points when debit = 'active' then -points else 0 end as moved, sequence
                 from entry where member_id = $1 and sequence < $2 and lot_id = $3) e
                cross join (select max(sequence) as other from entry
                            where member_id = $1 and sequence < $2 and kind not in ('release', 'return', 'repayment', 'expiry')) o"#,
        member_id.0,
        entry.sequence,
        entry.lot_id
    )
    .fetch_one(pool)
    .await?;
    Ok(LeftBefore { all: Points(left.all), came_back: Points(left.back) })
}
