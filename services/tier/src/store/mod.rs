//! All SQL of the service. Locks are taken in this order: `contribution` by (store, document), `standing` by `member_id`.

pub mod contribution;
pub mod standing;

/// A row that can't be read as what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{table} {key}: {what} can't be read")]
pub struct BadRow {
    /// The table.
    pub table: &'static str,
    /// The row.
    pub key: String,
    /// The column.
    pub what: &'static str,
}

impl From<BadRow> for jifen_runtime::Failure {
    fn from(bad: BadRow) -> Self {
        // The row's fault, not a message's: it waits until somebody has mended the row.
        Self::transient(bad)
    }
}
