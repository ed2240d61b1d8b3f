//! All SQL of ingest, one file a table family.

pub mod arrivals;
pub mod customer_keys;
pub mod documents;
pub mod figures;
pub mod parked_keys;
pub mod rejects;

/// A stored row that the program can't read back: somebody else wrote it.
#[derive(Debug, thiserror::Error)]
#[error("table {table}, {key}: {what} can't be read")]
pub struct BadRow {
    table: &'static str,
    key: String,
    what: &'static str,
}

impl From<BadRow> for jifen_runtime::Failure {
    fn from(row: BadRow) -> Self {
        // Not a message's fault: it waits until an operator has looked at the row.
        Self::transient(row)
    }
}
