//! What can go wrong in a batch, chosen by type: try again, or set aside.

use std::{any::Any, panic::AssertUnwindSafe};

use futures_util::FutureExt;
use jifen_contracts::code::{self, Code};

/// One message can never be processed as it is.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}: {reason}", code.code)]
pub struct Poison {
    /// The stable code.
    pub code: Code,
    /// What exactly. Never holds personal data.
    pub reason: String,
}

impl Poison {
    /// An event that can't be decoded.
    pub fn undecodable(reason: impl Into<String>) -> Self {
        Self { code: code::EVENT_UNDECODABLE, reason: reason.into() }
    }

    /// An event that contradicts what is known.
    pub fn invariant(reason: impl Into<String>) -> Self {
        Self { code: code::EVENT_INVARIANT, reason: reason.into() }
    }
}

/// A batch failed as a whole; nothing of it was committed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Time may cure it: a lost connection, a deadlock, another service that is down. The batch comes again.
    #[error("try again: {0}")]
    Transient(String),
    /// A message of the batch is at fault: the batch is halved until it stands alone.
    #[error("defect: {0}")]
    Defect(String),
    /// A stored row can't be read back, whoever wrote it: no message is at fault, but only those that need the row wait for it.
    /// The batch is halved until one stands alone; that comes again until the row is mended, or too old to stand in the way
    /// of the stream any longer.
    #[error("try again: {0}")]
    Unreadable(String),
}

impl Failure {
    /// Something that time may cure.
    pub fn transient(why: impl std::fmt::Display) -> Self {
        Self::Transient(why.to_string())
    }

    /// A broken invariant.
    pub fn defect(why: impl std::fmt::Display) -> Self {
        Self::Defect(why.to_string())
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panic: {}", said.unwrap_or("?"))
}

/// A panic in the work of a service is a defect of that work, not the end of the service.
pub(crate) async fn guarded<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|panic| Err(Failure::Defect(panic_text(panic.as_ref()))))
}

/// A stored row that the program can't read back: somebody else wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("table {table}, {key}: {what} can't be read")]
pub struct BadRow {
    /// The table.
    pub table: &'static str,
    /// The row.
    pub key: String,
    /// The column.
    pub what: &'static str,
}

impl From<BadRow> for Failure {
    fn from(row: BadRow) -> Self {
        Self::Unreadable(row.to_string())
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        // Only what the data itself caused counts against a message: wrong values (22), broken constraints (23),
        // what can't be encoded. A row that can't be read back concerns who needs it. Everything else (connections, deadlocks,
        // a missing right or table, a full disk) is the world's fault, and a message must not be set aside for it.
        let data = match &error {
            sqlx::Error::Database(db) => db.code().is_some_and(|code| code.starts_with("22") || code.starts_with("23")),
            sqlx::Error::Encode(_) => true,
            _ => false,
        };
        // A database's message may quote a value; its constraint and code don't.
        let text = match &error {
            sqlx::Error::Database(db) => format!(
                "database error {} {}",
                db.code().unwrap_or_default(),
                db.constraint().map_or_else(|| db.message().chars().take(200).collect::<String>(), str::to_owned)
            ),
            sqlx::Error::ColumnDecode { index, .. } => format!("column {index} of a stored row can't be read"),
            sqlx::Error::Decode(_) => "a stored row can't be read".to_owned(),
            other => other.to_string(),
        };
        match error {
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Self::Unreadable(text),
            _ if data => Self::Defect(text),
            _ => Self::Transient(text),
        }
    }
}
