//! Versions: append-only, read in order.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::program::AppliedProgram;
use jifen_kernel::StoreCode;
use sqlx::{PgConnection, PgPool, types::Json};

use jifen_runtime::Failure;

use crate::domain::version::Newest;

/// A page of the list: small enough to be one reply after its cut by size, see `endpoints`.
const PAGE: i64 = 100;

struct Row {
    version: i32,
    effective_from: NaiveDate,
    hash: String,
    applied_at: DateTime<Utc>,
    document: Json<jifen_contracts::program::Program>,
}

/// A stored version that no program of this release can be.
#[derive(Debug, thiserror::Error)]
#[error("table version, column version, row {0}: not a version number")]
pub struct BadRow(i32);

impl TryFrom<Row> for AppliedProgram {
    type Error = BadRow;
    fn try_from(row: Row) -> Result<Self, BadRow> {
        Ok(Self {
            version: u32::try_from(row.version).map_err(|_| BadRow(row.version))?,
            hash: row.hash,
            effective_from: row.effective_from,
            applied_at: row.applied_at,
            program: row.document.0,
        })
    }
}

/// What can go wrong in a read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The database.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// A row.
    #[error(transparent)]
    Row(#[from] BadRow),
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Database(error) => error.into(),
            ReadError::Row(error) => Self::defect(error),
        }
    }
}

/// Lets one transaction at a time append, whatever copy it is in: versions then have no gaps. Read in a later statement.
pub async fn lock(tx: &mut PgConnection) -> Result<(), Failure> {
    sqlx::query_scalar!("select pg_advisory_xact_lock(hashtextextended('program/version', 0))::text").fetch_one(tx).await?;
    Ok(())
}

/// What the next version follows; `None` before the first.
pub async fn load_newest(tx: &mut PgConnection) -> Result<Option<Newest>, Failure> {
    let row = sqlx::query!("select version, effective_from, hash from version order by version desc limit 1").fetch_optional(tx).await?;
    let newest = row.map(|row| {
        let version = u32::try_from(row.version).map_err(|_| BadRow(row.version))?;
        Ok::<_, BadRow>(Newest { version, effective_from: row.effective_from, hash: row.hash })
    });
    newest.transpose().map_err(Failure::defect)
}

/// Appends versions.
pub async fn save(tx: &mut PgConnection, versions: &[AppliedProgram]) -> Result<(), Failure> {
    if versions.is_empty() {
        return Ok(());
    }
    let numbers: Vec<i32> = versions.iter().map(|applied| i32::try_from(applied.version).unwrap_or(i32::MAX)).collect();
    let from: Vec<NaiveDate> = versions.iter().map(|applied| applied.effective_from).collect();
    let starts: Vec<DateTime<Utc>> = versions.iter().map(AppliedProgram::starts_at).collect();
    let hashes: Vec<String> = versions.iter().map(|applied| applied.hash.clone()).collect();
    let applied: Vec<DateTime<Utc>> = versions.iter().map(|applied| applied.applied_at).collect();
    let documents: Vec<serde_json::Value> =
        versions.iter().map(|applied| serde_json::to_value(&applied.program)).collect::<Result<_, _>>().map_err(Failure::defect)?;
    sqlx::query!(
        "insert into version (version, effective_from, starts_at, hash, applied_at, document)
         select * from unnest($1::int[], $2::date[], $3::timestamptz[], $4::text[], $5::timestamptz[], $6::jsonb[])",
        &numbers,
        &from,
        &starts,
        &hashes,
        &applied,
        &documents
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// A page of the versions above `after`, oldest first, and whether there are more.
pub async fn list(pool: &PgPool, after: u32) -> Result<(Vec<AppliedProgram>, bool), ReadError> {
    let mut rows = sqlx::query_as!(
        Row,
        r#"select version, effective_from, hash, applied_at, document as "document: Json<jifen_contracts::program::Program>"
           from version where version > $1 order by version limit $2"#,
        i32::try_from(after).unwrap_or(i32::MAX),
        PAGE + 1
    )
    .fetch_all(pool)
    .await?;
    let page = usize::try_from(PAGE).unwrap_or(usize::MAX);
    let more = rows.len() > page;
    rows.truncate(page);
    let versions = rows.into_iter().map(AppliedProgram::try_from).collect::<Result<_, _>>()?;
    Ok((versions, more))
}

/// One version.
pub async fn get(pool: &PgPool, version: u32) -> Result<Option<AppliedProgram>, ReadError> {
    let row = sqlx::query_as!(
        Row,
        r#"select version, effective_from, hash, applied_at, document as "document: Json<jifen_contracts::program::Program>"
           from version where version = $1"#,
        i32::try_from(version).unwrap_or(i32::MAX)
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(AppliedProgram::try_from).transpose()?)
}

/// The version in force at `at`: the one that began last, the higher number where two begin on one day.
pub async fn get_in_force(pool: &PgPool, at: DateTime<Utc>) -> Result<Option<AppliedProgram>, ReadError> {
    let row = sqlx::query_as!(
        Row,
        r#"select version, effective_from, hash, applied_at, document as "document: Json<jifen_contracts::program::Program>"
           from version where starts_at <= $1 order by effective_from desc, version desc limit 1"#,
        at
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(AppliedProgram::try_from).transpose()?)
}

/// The stores of the version in force at `at` and of every later one, in the order of their codes; none before the first version.
pub async fn list_stores(pool: &PgPool, at: DateTime<Utc>) -> Result<BTreeSet<StoreCode>, ReadError> {
    let mut stores = BTreeSet::new();
    let Some(in_force) = get_in_force(pool, at).await? else { return Ok(stores) };
    let mut newest = in_force.version;
    let mut versions = vec![in_force];
    loop {
        stores.extend(versions.iter().flat_map(|applied| applied.program.stores.iter().map(|store| store.code.clone())));
        let (later, _) = list(pool, newest).await?;
        match later.last() {
            Some(last) => newest = last.version,
            None => return Ok(stores),
        }
        versions = later;
    }
}
