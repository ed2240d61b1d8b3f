//! What one test gets: a database of its own and an account of its own, with the rights of production.

use anyhow::Context;
use async_nats::Client;
use async_nats::jetstream::{self, context::PublishErrorKind, publish::PublishAck};
use jifen_infra::rights::{Credentials, PROVISIONER};
use jifen_infra::{Keys, Schema, database, nats, rights, streams};
use jifen_kernel::Ids;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};

use crate::accounts::{test_keys, user_prefix};
use crate::lease::{Lease, url_of};
use crate::servers::Servers;
use crate::template;
use crate::wait::{DEADLINE, eventually};

/// JetStream's code for a stream whose folder could not be made.
const STORE_NOT_MADE: &str = "10049";

/// A test has few connections: hundreds of tests share the server.
const POOL_SIZE: u32 = 4;

/// A test's own surroundings. They go when it is dropped.
#[derive(Debug)]
pub struct TestEnv {
    servers: &'static Servers,
    keys: Keys,
    database: String,
    admin_url: String,
    admin_pool: PgPool,
    lease: Lease,
}

impl TestEnv {
    /// A migrated database and an account with empty streams. Panics with the reason if there can be none.
    pub async fn start(schemas: &[Schema]) -> Self {
        crate::statements::install();
        match Self::try_start(schemas).await {
            Ok(env) => env,
            Err(error) => panic!("no surroundings for this test: {error:#}"),
        }
    }

    async fn try_start(schemas: &[Schema]) -> anyhow::Result<Self> {
        let servers = Servers::shared();
        let mut lease = Lease::take(servers).await?;
        let template = template::ensure(servers, &mut lease.connection, schemas).await?;
        let mut random = [0; 8];
        Ids::system().fill(&mut random);
        let database = format!("jifen_t_{}", hex::encode(random));
        template::copy(&mut lease.connection, &template, &database, schemas).await?;
        let admin_url = url_of(servers, &database)?;
        let admin_pool = PgPoolOptions::new().max_connections(POOL_SIZE).connect_lazy(&admin_url)?;
        let env = Self { servers, keys: test_keys(), database, admin_url, admin_pool, lease };
        env.clear_account().await.context("preparing the NATS account")?;
        Ok(env)
    }

    /// The last test may have left anything behind.
    async fn clear_account(&self) -> anyhow::Result<()> {
        let client = nats::connect(&self.servers.nats_url, &self.nats_credentials(PROVISIONER)).await?;
        let context = jetstream::new(client.clone());
        for spec in streams::SPECS {
            // Most of the time there is none to delete, and that is fine.
            let _ = context.delete_stream(spec.name).await;
        }
        // The broker says that a stream is gone while it still removes its folder, and then can't make a new one there for a moment.
        let made = eventually(DEADLINE, || async {
            let made = streams::ensure_streams(&client, 1).await;
            let again = made.as_ref().is_err_and(|error| error.to_string().contains(STORE_NOT_MADE));
            (!again).then_some(made)
        });
        Ok(made.await?)
    }

    /// The URL of a service's runtime role.
    pub fn database_url(&self, service: &str) -> String {
        match database::database_url(&self.admin_url, &self.keys, service) {
            Ok(url) => url,
            Err(error) => panic!("{error}"),
        }
    }

    /// The administrator's URL of this test's database.
    pub fn admin_url(&self) -> &str {
        &self.admin_url
    }

    /// The administrator's connections: for looking at, and for breaking, what the roles may not.
    pub fn admin_pool(&self) -> &PgPool {
        &self.admin_pool
    }

    /// Connections of a service's runtime role.
    pub fn pool(&self, service: &str) -> PgPool {
        match PgPoolOptions::new().max_connections(POOL_SIZE).connect_lazy(&self.database_url(service)) {
            Ok(pool) => pool,
            Err(error) => panic!("{error}"),
        }
    }

    /// The URL of NATS, without a user.
    pub fn nats_url(&self) -> &str {
        &self.servers.nats_url
    }

    /// Credentials of a user as [`rights`] names it (`points`, `provisioner`, `local`, `SH01`, `gateway_sms`) in this test's
    /// account. The user's name at the server is another one: take it, and the inbox prefix, from here.
    pub fn nats_credentials(&self, user: &str) -> Credentials {
        rights::credentials(&self.keys, &format!("{}{user}", user_prefix(self.lease.account)))
    }

    /// A connection of that user.
    pub async fn nats(&self, user: &str) -> Client {
        match nats::connect(&self.servers.nats_url, &self.nats_credentials(user)).await {
            Ok(client) => client,
            Err(error) => panic!("{error}"),
        }
    }

    /// JetStream as that user sees it.
    pub async fn js(&self, user: &str) -> jetstream::Context {
        jetstream::new(self.nats(user).await)
    }

    /// The keys, the same in every test.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }
}

impl Drop for TestEnv {
    fn drop(&mut self) {
        let (url, database) = (url_of(self.servers, "postgres"), self.database.clone());
        let drop_database = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut connection = PgConnection::connect(&url?).await?;
                // By force: tasks of the test may still hold connections.
                let sql = format!("drop database if exists {database} with (force)");
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
                anyhow::Ok(connection.close().await?)
            })
        };
        // On a thread of its own, since this one may drive the test's runtime. What fails here costs disk space only, until
        // the servers go.
        let _ = std::thread::spawn(drop_database).join();
    }
}

/// Publishes a document as a POS does and waits until the stream has it.
pub async fn publish_pos(
    js: &jetstream::Context,
    subject: &str,
    document: impl Into<Vec<u8>>,
) -> Result<PublishAck, async_nats::error::Error<PublishErrorKind>> {
    js.publish(subject.to_owned(), document.into().into()).await?.await
}
