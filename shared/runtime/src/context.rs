//! What a running service has at hand.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use async_nats::jetstream;
use jifen_kernel::{Clock, Ids, SystemClock};
use sqlx::{
    Connection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{
    Failure, Limits, Outbox,
    crypto::{LookupKey, SealKey},
    failpoint,
    programs::Programs,
    relay::Relay,
    telemetry::Telemetry,
};

/// How to log in to the broker.
#[derive(Clone)]
pub struct NatsLogin {
    /// `nats://host:port`.
    pub url: String,
    /// The user; none for a server that asks for none.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<String>,
    /// The prefix of the inboxes that this user may read; the client's default if not given.
    pub inbox_prefix: Option<String>,
}

impl std::fmt::Debug for NatsLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NatsLogin({:?} at {})", self.user, self.url)
    }
}

impl NatsLogin {
    /// Connects. Goes on trying for as long as the process lives once the first connection stood.
    pub async fn connect(&self, name: &str) -> Result<async_nats::Client, async_nats::ConnectError> {
        let service = name.to_owned();
        let mut options = async_nats::ConnectOptions::new()
            .name(format!("jifen-{name}"))
            .request_timeout(Some(crate::limits::ASK_WAIT))
            .event_callback(move |event| {
                let service = service.clone();
                async move {
                    match event {
                        // A publish without the right to it is no error at the caller: it only shows here.
                        async_nats::Event::ServerError(error) => tracing::error!(service, %error, "the broker refused something"),
                        async_nats::Event::ClientError(error) => tracing::warn!(service, %error, "broker client"),
                        event @ (async_nats::Event::Connected | async_nats::Event::Draining | async_nats::Event::Closed) => {
                            tracing::debug!(service, %event, "broker connection");
                        }
                        other => tracing::info!(service, event = %other, "broker connection"),
                    }
                }
            });
        if let (Some(user), Some(password)) = (&self.user, &self.password) {
            options = options.user_and_password(user.clone(), password.clone());
        }
        if let Some(prefix) = &self.inbox_prefix {
            options = options.custom_inbox_prefix(prefix.clone());
        }
        options.connect(&self.url).await
    }
}

/// What a service needs to start.
#[derive(Debug, Clone)]
pub struct ServiceConfig {
    /// Its own role's URL.
    pub database_url: String,
    /// Its own user.
    pub nats: NatsLogin,
    /// Seals payloads at rest; derived again for each service.
    pub seal: SealKey,
    /// Look-up of personal values.
    pub lookup: LookupKey,
    /// Seals the vault: only for `member`.
    pub vault: Option<SealKey>,
    /// A folder outside of database and broker, for what shall outlive both.
    pub folder: Option<PathBuf>,
    /// What an operator set.
    pub limits: Limits,
    /// The time.
    pub clock: ClockHandle,
    /// Identifiers.
    pub ids: Ids,
    /// Metrics and traces.
    pub telemetry: Telemetry,
}

/// A shared clock.
#[derive(Clone)]
pub struct ClockHandle(pub Arc<dyn Clock>);

impl std::fmt::Debug for ClockHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clock({})", self.0.now())
    }
}

impl Default for ClockHandle {
    fn default() -> Self {
        Self(Arc::new(SystemClock))
    }
}

/// What handlers, endpoints and jobs of a running service work with.
pub struct Ctx {
    /// The service's name: also its schema and its place in subjects.
    pub service: &'static str,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Identifiers.
    pub ids: Ids,
    /// Connections of the service's role: for reads outside a batch.
    pub pool: PgPool,
    /// The broker, as the service's user: for requests to other services.
    pub nats: async_nats::Client,
    /// Seals payloads at rest, this service's own.
    pub seal: SealKey,
    /// Look-up of personal values.
    pub lookup: LookupKey,
    /// Seals the vault: only there for `member`.
    pub vault: Option<SealKey>,
    /// A folder outside of database and broker.
    pub folder: Option<PathBuf>,
    /// The rules, every version known.
    pub programs: Programs,
    /// What an operator set.
    pub limits: Limits,
    sealing: SealKey,
    pub(crate) js: jetstream::Context,
    pub(crate) relay: Relay,
    pub(crate) telemetry: Telemetry,
    pub(crate) unpublished: Arc<AtomicI64>,
    /// Something was committed since the outbox was last looked at.
    pub(crate) committed: AtomicBool,
}

impl Ctx {
    pub(crate) async fn start(service: &'static str, config: ServiceConfig) -> Result<Arc<Self>, StartError> {
        let connect: PgConnectOptions = config.database_url.parse().map_err(|source| StartError::Database { service, source })?;
        let connect = connect.application_name(&format!("jifen-{service}")).options(crate::limits::SESSION);
        let pool = PgPoolOptions::new()
            .max_connections(config.limits.connections)
            .acquire_timeout(std::time::Duration::from_secs(10))
            // One that worked a moment ago is not asked first whether it still does: that would be a round trip a transaction.
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    if meta.idle_for > crate::limits::TRUSTED_FOR {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_with(connect.clone())
            .await
            .map_err(|source| StartError::Database { service, source })?;
        let nats = config.nats.connect(service).await.map_err(|source| StartError::Broker { service, source })?;
        let mut js = jetstream::new(nats.clone());
        js.set_timeout(crate::limits::ASK_WAIT);
        let seal = config.seal.derive(service);
        let relay = Relay::start(
            service,
            js.clone(),
            connect,
            seal.clone(),
            config.clock.0.clone(),
            config.telemetry.clone(),
            config.limits.publish_atomic,
        );
        let programs = Programs::load(&pool).await.map_err(|source| StartError::Database { service, source })?;
        Ok(Arc::new(Self {
            service,
            clock: config.clock.0,
            ids: config.ids,
            pool,
            nats,
            seal,
            sealing: config.seal,
            lookup: config.lookup,
            vault: config.vault,
            folder: config.folder,
            programs,
            limits: config.limits,
            js,
            relay,
            telemetry: config.telemetry,
            unpublished: Arc::new(AtomicI64::new(0)),
            committed: AtomicBool::new(false),
        }))
    }

    /// Seals what one service writes into an event for another's eyes, named `reader`; the reader opens it with the same key.
    pub fn seal_to(&self, reader: &str) -> SealKey {
        self.sealing.derive(&format!("to.{reader}"))
    }

    /// The installation's secret for `purpose`, the same in all services.
    pub fn secret_for(&self, purpose: &str) -> [u8; 32] {
        self.sealing.secret_for(purpose)
    }

    pub(crate) fn outbox(&self) -> Outbox {
        Outbox::new(self.service, self.clock.now(), self.ids.clone(), self.telemetry.traces())
    }

    pub(crate) fn busy(&self) -> bool {
        self.unpublished.load(Ordering::Relaxed) > self.limits.unpublished_rows
    }

    /// The runtime's end of every transaction: outbox rows, then COMMIT. What was committed is returned for publishing.
    pub(crate) async fn commit(
        &self,
        mut tx: sqlx::Transaction<'static, sqlx::Postgres>,
        out: Outbox,
    ) -> Result<crate::outbox::Commit, Failure> {
        out.save(&mut tx, self.relay.copy(), &self.seal).await?;
        failpoint::pass(self.service, "commit.saved");
        if !out.is_empty() {
            self.committed.store(true, Ordering::Relaxed);
        }
        tx.commit().await?;
        failpoint::pass(self.service, "commit.done");
        Ok(out.into_commit())
    }
}

/// Why a service can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Postgres.
    #[error("{service}: can't use its database: {source}. Is Postgres running, and was `jifen migrate` run?")]
    Database {
        /// Which service.
        service: &'static str,
        /// Why.
        source: sqlx::Error,
    },
    /// NATS.
    #[error("{service}: can't connect to NATS: {source}. Is the server running, and are the credentials current?")]
    Broker {
        /// Which service.
        service: &'static str,
        /// Why.
        source: async_nats::ConnectError,
    },
    /// A consumer or endpoint.
    #[error("{service}: can't set up {what}: {why}")]
    Setup {
        /// Which service.
        service: &'static str,
        /// What.
        what: String,
        /// Why.
        why: String,
    },
}
