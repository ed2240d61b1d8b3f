//! What a round has come to: read from the tables of every service, as the database's administrator.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use chrono::{DateTime, NaiveDate, Utc};
use jifen_e2e::system::SERVICES;
use serde_json::Value;
use sqlx::{AssertSqlSafe, FromRow, PgConnection};
use uuid::Uuid;

/// A row of `points.entry`.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the table's own columns")]
pub struct EntryRow {
    pub member_id: Uuid,
    pub sequence: i64,
    pub entry_id: Uuid,
    pub debit: String,
    pub credit: String,
    pub points: i64,
    pub kind: String,
    pub store: String,
    pub document: String,
    pub category: String,
    pub rule: String,
    pub ordinal: i32,
    pub qualifying: bool,
    pub pending: bool,
    pub lot_id: Uuid,
    pub expires_on: NaiveDate,
    pub paid_fen: Option<i64>,
    pub rate: Option<String>,
    pub base: Option<i64>,
    pub posted_at: DateTime<Utc>,
    pub hash: Vec<u8>,
    pub source: Option<String>,
    pub of_entry: Option<Uuid>,
}

/// A row of `points.account`, as it stands.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the table's own columns")]
pub struct AccountRow {
    pub member_id: Uuid,
    pub member_no: String,
    pub active: i64,
    pub pending: i64,
    pub reserved: i64,
    pub debt: i64,
    pub lifetime: i64,
    pub sequence: i64,
    pub head: Vec<u8>,
}

/// A row of `points.lot`, or of `points.pending_lot`.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the tables' own columns")]
pub struct LotRow {
    pub member_id: Uuid,
    pub lot_id: Uuid,
    pub store: String,
    pub remaining: i64,
    pub expires_on: NaiveDate,
    pub pending: bool,
    pub until: Option<NaiveDate>,
}

/// A row of `points.hold`.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the table's own columns")]
pub struct HoldRow {
    pub hold_id: Uuid,
    pub member_id: Uuid,
    pub store: String,
    pub points: i64,
    pub captured: i64,
    pub state: String,
    pub document: Option<String>,
    pub returned: bool,
}

/// A row of `tier.deduction`.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the table's own columns")]
pub struct DeductionRow {
    pub member_id: Uuid,
    pub store: String,
    pub document: String,
    pub qualifying: i64,
    pub paid_fen: Value,
    pub visit_lost: bool,
    pub paid_visit_lost: bool,
}

/// A row of `points.accrual`.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the table's own columns")]
pub struct AccrualRow {
    pub store: String,
    pub document: String,
    pub member_no: String,
    pub business_date: NaiveDate,
    pub visit: bool,
    pub paid_visit: bool,
    pub categories: Value,
    pub expires_on: NaiveDate,
    pub settled: bool,
    pub net: Option<Value>,
}

/// A row of `notification.send`.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the table's own columns")]
pub struct SendRow {
    pub member_id: Uuid,
    pub kind: String,
    pub business_key: String,
    pub notification_id: Uuid,
    pub state: String,
}

/// A row of `tier.standing`.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the table's own columns")]
pub struct StandingRow {
    pub member_no: String,
    pub qualifying: i64,
    pub tier: Option<String>,
    pub changes: i64,
    pub waiting: i32,
}

/// Everything of a round.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "the tables' own names")]
pub struct Found {
    pub members: BTreeMap<String, Uuid>,
    pub entries: Vec<EntryRow>,
    pub accounts: Vec<AccountRow>,
    pub lots: Vec<LotRow>,
    pub holds: Vec<HoldRow>,
    pub accruals: Vec<AccrualRow>,
    pub deductions: Vec<DeductionRow>,
    /// Bonuses that came back to their campaigns: the entry that took them, campaign, points.
    pub returned: BTreeSet<(Uuid, String, i64)>,
    pub sends: Vec<SendRow>,
    pub standings: Vec<StandingRow>,
    /// Members and what countable benefits they were granted.
    pub entitlements: Vec<(Uuid, Uuid)>,
    /// Status of each document.
    pub documents: BTreeMap<(String, String), String>,
    pub assessed: BTreeSet<(String, String)>,
    /// Campaign, store, document, category: points.
    pub participations: BTreeMap<(String, String, String, String), i64>,
    /// What campaigns with a budget have granted.
    pub budgets: BTreeMap<String, i64>,
    /// Qualifying points by document.
    pub contributions: BTreeMap<(String, String), i64>,
    /// Stream and id of everything that was to be published and is to stay in its stream.
    pub announced: BTreeSet<(String, String)>,
    /// Consumer and place in the stream of each dead letter.
    pub dead_letters: BTreeSet<(String, i64, String)>,
}

impl Found {
    /// Reads what belongs to these stores; dead letters from `since` on.
    pub async fn read(database: &mut PgConnection, stores: &[String], since: DateTime<Utc>) -> Result<Self> {
        let members: Vec<(String, Uuid)> =
            rows(database, "select member_no, member_id from member.member where store = any($1)", stores).await?;
        let ids: Vec<Uuid> = members.iter().map(|(_, id)| *id).collect();
        let accounts = sqlx::query_as(
            "select a.member_id, a.member_no, a.active, a.pending, a.reserved, a.debt, a.lifetime, a.sequence, a.head
             from points.account a where a.member_id = any($1)",
        );
        let accounts = accounts.bind(&ids).fetch_all(&mut *database).await?;
        let lots = sqlx::query_as(
            "select member_id, lot_id, store, remaining, expires_on, false as pending, null::date as until
             from points.lot where member_id = any($1) and remaining > 0
             union all
             select member_id, lot_id, store, points, expires_on, true, until from points.pending_lot where member_id = any($1)",
        );
        let lots = lots.bind(&ids).fetch_all(&mut *database).await?;
        let returned: Vec<(Uuid, String, i64)> =
            rows(database, "select entry_id, campaign, points from campaign.returned where store = any($1)", stores).await?;
        let entitlements = sqlx::query_as("select member_id, entitlement_id from tier.entitlement where member_id = any($1)");
        let entitlements = entitlements.bind(&ids).fetch_all(&mut *database).await?;
        let standings = sqlx::query_as("select member_no, qualifying, tier, changes, waiting from tier.standing where member_id = any($1)");
        let standings = standings.bind(&ids).fetch_all(&mut *database).await?;
        let documents: Vec<(String, String, String)> =
            rows(database, "select store, number, status from ingest.document where store = any($1)", stores).await?;
        let assessed: Vec<(String, String)> =
            rows(database, "select store, document from campaign.assessment where store = any($1)", stores).await?;
        let participations: Vec<(String, String, String, String, i64)> =
            rows(database, "select campaign, store, document, category, points from campaign.participation where store = any($1)", stores)
                .await?;
        let contributions: Vec<(String, String, i64)> =
            rows(database, "select store, document, qualifying from tier.contribution where store = any($1)", stores).await?;
        let budgets: Vec<(String, i64)> = sqlx::query_as("select campaign, granted from campaign.budget").fetch_all(&mut *database).await?;
        let (mut dead_letters, mut announced) = (BTreeSet::new(), BTreeSet::new());
        for service in SERVICES {
            let sql = format!(
                "select o.stream, o.id::text from {service}.outbox o
                 join {service}.outbox_commit c on (c.slot, c.commit_id, c.stream) = (o.slot, o.commit_id, o.stream)
                 where c.created_at >= $1 and o.stream in ('EVENTS', 'RECEIPTS')"
            );
            let rows: Vec<(String, String)> = sqlx::query_as(AssertSqlSafe(sql)).bind(since).fetch_all(&mut *database).await?;
            announced.extend(rows);
            let sql = format!("select consumer, stream_sequence, subject from {service}.dead_letter where at >= $1");
            let letters: Vec<(String, i64, String)> = sqlx::query_as(AssertSqlSafe(sql)).bind(since).fetch_all(&mut *database).await?;
            dead_letters.extend(letters);
        }
        Ok(Self {
            members: members.into_iter().collect(),
            entries: rows(database, "select * from points.entry where store = any($1) order by member_id, sequence", stores).await?,
            accounts,
            lots,
            holds: rows(
                database,
                "select hold_id, member_id, store, points, captured, state, document, returned_at is not null as returned
                 from points.hold where store = any($1)",
                stores,
            )
            .await?,
            returned: returned.into_iter().collect(),
            deductions: rows(
                database,
                "select member_id, store, document, qualifying, paid_fen, visit_lost, paid_visit_lost
                 from tier.deduction where store = any($1)",
                stores,
            )
            .await?,
            accruals: rows(
                database,
                "select store, document, member_no, business_date, visit, paid_visit, categories, expires_on, settled_at is not null as settled, net
                 from points.accrual where store = any($1)",
                stores,
            )
            .await?,
            sends: rows(
                database,
                "select member_id, kind, business_key, notification_id, state from notification.send where store = any($1)",
                stores,
            )
            .await?,
            standings,
            entitlements,
            documents: documents.into_iter().map(|(store, number, status)| ((store, number), status)).collect(),
            assessed: assessed.into_iter().collect(),
            participations: participations
                .into_iter()
                .map(|(campaign, store, document, category, points)| ((campaign, store, document, category), points))
                .collect(),
            budgets: budgets.into_iter().collect(),
            contributions: contributions.into_iter().map(|(store, document, points)| ((store, document), points)).collect(),
            announced,
            dead_letters,
        })
    }
}

async fn rows<T>(database: &mut PgConnection, sql: &'static str, stores: &[String]) -> Result<Vec<T>>
where
    T: for<'r> FromRow<'r, sqlx::postgres::PgRow> + Send + Unpin,
{
    Ok(sqlx::query_as(sql).bind(stores).fetch_all(database).await?)
}
