//! An account of NATS for one test, held by a lock in Postgres: it is free again when the connection ends, however the
//! test ends.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use jifen_infra::database;
use sqlx::{Connection, PgConnection};
use tokio::sync::OnceCell;

use crate::accounts::ACCOUNTS;
use crate::servers::Servers;

/// Locks are a database's own: all tests meet in this one.
const DATABASE: &str = "jifen_test_leases";
/// Chosen once; the second number is the account's.
const LOCK_CLASS: i32 = 0x6a69_6601;
/// Longer than a test lasts.
const PATIENCE: Duration = Duration::from_mins(2);
/// Between two rounds when every account is taken.
const PAUSE: Duration = Duration::from_millis(50);

/// An account that is this test's until it is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) account: u16,
    /// Also the test's connection for making its database.
    pub(crate) connection: PgConnection,
}

impl Lease {
    pub(crate) async fn take(servers: &Servers) -> anyhow::Result<Self> {
        let mut connection = connect(servers).await?;
        let since = Instant::now();
        loop {
            // From a place of chance on, so that tests that start together rarely ask for the same.
            let first: i32 =
                sqlx::query_scalar("select floor(random() * $1)::int").bind(i32::from(ACCOUNTS)).fetch_one(&mut connection).await?;
            let first = u16::try_from(first).unwrap_or(0);
            for account in (first..ACCOUNTS).chain(0..first) {
                let lock = sqlx::query_scalar("select pg_try_advisory_lock($1, $2)");
                if lock.bind(LOCK_CLASS).bind(i32::from(account)).fetch_one(&mut connection).await? {
                    return Ok(Self { account, connection });
                }
            }
            if since.elapsed() > PATIENCE {
                bail!("all {ACCOUNTS} accounts of the test servers are taken for {} s", PATIENCE.as_secs());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn connect(servers: &Servers) -> anyhow::Result<PgConnection> {
    static THERE: OnceCell<()> = OnceCell::const_new();
    let url = url_of(servers, DATABASE)?;
    THERE.get_or_try_init(|| async { database::ensure_database(&url).await.map(|_| ()) }).await?;
    PgConnection::connect(&url).await.context("connecting to the database of leases")
}

/// The administrator's URL for another database of the server.
pub(crate) fn url_of(servers: &Servers, database: &str) -> anyhow::Result<String> {
    use sqlx::ConnectOptions;
    let options: sqlx::postgres::PgConnectOptions = servers.database_url.parse()?;
    Ok(options.database(database).to_url_lossy().to_string())
}
