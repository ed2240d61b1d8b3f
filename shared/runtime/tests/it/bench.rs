//! Surroundings for the service under test, and what others ask it.

use std::sync::LazyLock;

use async_nats::Client;
use jifen_contracts::{
    Problem, code,
    subject::{STREAM_EVENTS, stream_of},
};
use jifen_runtime::{
    Running, ServiceConfig,
    service::{DeadLetterReply, DeadLetterRequest},
    with_runtime_tables,
};
use jifen_testkit::{DEADLINE, Schema, TestEnv, bus, eventually, service_config};
use serde_json::Value;
use sqlx::{PgPool, migrate::Migrator};

use crate::{
    probe::{self, Told, durables},
    trouble::Troubles,
};

static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| with_runtime_tables(&sqlx::migrate!("tests/it/migrations")));

pub struct Bench {
    pub env: TestEnv,
    pub name: &'static str,
    pub troubles: Troubles,
    /// Connections of the service's role.
    pub pool: PgPool,
    pub operator: Client,
}

impl Bench {
    pub async fn start(name: &'static str) -> Self {
        let env = TestEnv::start(&[Schema { service: name, migrator: &MIGRATIONS }]).await;
        let (pool, operator) = (env.pool(name), env.nats("operator").await);
        Self { env, name, troubles: Troubles::default(), pool, operator }
    }

    pub fn config(&self) -> ServiceConfig {
        service_config(&self.env, self.name)
    }

    pub async fn copy(&self) -> Running {
        self.copy_of(self.config()).await
    }

    pub async fn copy_of(&self, config: ServiceConfig) -> Running {
        probe::service(self.name, &self.troubles).start(config).await.expect("the service starts")
    }

    /// Publishes one [`Told`] a key, as `ingest`.
    pub async fn tell(&self, keys: impl IntoIterator<Item = impl Into<String>>) {
        let events: Vec<Told> = keys.into_iter().map(|key| Told { key: key.into() }).collect();
        bus::publish(&self.env, &events).await;
    }

    /// Waits until nothing is left to read and nothing to publish.
    pub async fn quiet(&self) {
        let durables = durables(self.name).map(|durable| (STREAM_EVENTS, durable));
        bus::idle(&self.env, &durables).await;
        bus::all_published(&self.env, self.name).await;
    }

    pub async fn number(&self, sql: &str) -> i64 {
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&self.pool).await.expect("number")
    }

    /// Waits until `sql` gives `expected`.
    pub async fn until(&self, sql: &str, expected: i64) {
        eventually(DEADLINE, || async { (self.number(sql).await == expected).then_some(()) }).await;
    }

    /// The keys that the service said it is done with, sorted.
    pub async fn done(&self) -> Vec<String> {
        let subject = if self.name == probe::POINTS { "evt.points.done.v1._" } else { probe::COMMANDS };
        let stream = stream_of(subject).expect("stream");
        let count = bus::count(&self.env, stream, subject).await;
        let messages = bus::read::<probe::Done>(&self.env, stream, subject, count).await;
        let mut keys: Vec<String> = messages.into_iter().map(|(_, message)| message.data.key).collect();
        keys.sort();
        keys
    }

    pub async fn dead_letters(&self, verb: &str, request: DeadLetterRequest) -> Result<DeadLetterReply, Problem> {
        let subject = format!("api.{}.dead_letter.{verb}", self.name);
        let answer = ask_raw(&self.operator, &subject, serde_json::to_vec(&request).expect("json")).await?;
        Ok(serde_json::from_value(answer).expect("dead letters"))
    }
}

/// Keys `<prefix>00` and so on.
pub fn keys(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{prefix}{number:02}")).collect()
}

/// Asks with these very bytes.
pub async fn ask_raw(nats: &Client, subject: &str, body: Vec<u8>) -> Result<Value, Problem> {
    let answer = nats.request(subject.to_owned(), body.into()).await;
    let answer = answer.map_err(|error| Problem::new(code::SERVICE_UNAVAILABLE).detail(error.to_string()))?;
    let refused = answer.headers.is_some_and(|headers| headers.get(async_nats::service::NATS_SERVICE_ERROR_CODE).is_some());
    if refused {
        Err(serde_json::from_slice(&answer.payload).expect("problem"))
    } else {
        Ok(serde_json::from_slice(&answer.payload).expect("json"))
    }
}
