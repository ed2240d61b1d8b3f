//! A running copy of a service is known by a number that its session holds an advisory lock on: as long as the lock is
//! held, the copy lives, and what it committed is its own to publish.

use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};

/// First keys of the advisory locks: what is locked.
const COPY: i32 = 0x6a66_0001;
const SWEEPER: i32 = 0x6a66_0002;
/// The pseudo-copy of commits whose own copy gave them up.
pub(crate) const ORPHANED: i32 = 0;

/// A copy's session. One connection, never pooled: its locks are its life.
#[derive(Debug)]
pub(crate) struct CopySession {
    options: PgConnectOptions,
    service: &'static str,
    copy: i32,
    connection: Option<PgConnection>,
    sweeping: bool,
}

impl CopySession {
    pub(crate) fn new(options: PgConnectOptions, service: &'static str, copy: i32) -> Self {
        Self { options, service, copy, connection: None, sweeping: false }
    }

    /// The session, connected and locked again if it was lost.
    pub(crate) async fn connection(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        if self.connection.is_none() {
            let mut connection = PgConnection::connect_with(&self.options).await?;
            sqlx::query("select pg_advisory_lock($1, $2)").bind(COPY).bind(self.copy).execute(&mut connection).await?;
            self.sweeping = false;
            self.connection = Some(connection);
        }
        self.connection.as_mut().ok_or(sqlx::Error::PoolClosed)
    }

    /// True for the one copy of the service that sweeps.
    pub(crate) async fn is_sweeper(&mut self) -> Result<bool, sqlx::Error> {
        if !self.sweeping {
            let key = self.service.bytes().fold(7_i32, |key, byte| key.wrapping_mul(31).wrapping_add(i32::from(byte)));
            let connection = self.connection().await?;
            let held: bool =
                sqlx::query_scalar("select pg_try_advisory_lock($1, $2)").bind(SWEEPER).bind(key).fetch_one(connection).await?;
            self.sweeping = held;
        }
        Ok(self.sweeping)
    }

    /// Forgets a session that failed: its locks are gone with it.
    pub(crate) fn lost(&mut self) {
        self.connection = None;
        self.sweeping = false;
    }

    /// Ends the session.
    pub(crate) async fn close(&mut self) {
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::debug!(%error, "closing the copy's session");
        }
    }
}

/// SQL that is true for a commit whose copy lives. The locks are read once, whatever the number of commits.
pub(crate) const COPY_LIVES: &str = "(copy::bigint & 4294967295) in (
    select l.objid::bigint from pg_locks l where l.locktype = 'advisory' and l.classid::bigint = 1785069569 and l.objsubid = 2 and l.granted
       and l.database = (select oid from pg_database where datname = current_database()))";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_names_the_lock() {
        assert!(COPY_LIVES.contains(&COPY.to_string()));
    }
}
