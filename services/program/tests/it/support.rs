//! Running copies of the service, and somebody who asks them.

use std::time::Duration;

use async_nats::Client;
use chrono::NaiveDate;
use futures_util::StreamExt;
use jifen_contracts::{
    Envelope, EventType, Problem,
    endpoint::{Endpoint, ProgramApply, ProgramApplyReply, ProgramApplyRequest},
    event::ProgramApplied,
};
use jifen_program::Files;
use jifen_runtime::{Running, ask};
use jifen_testkit::{Schema, TestEnv, eventually, service_config};

pub const DEADLINE: Duration = Duration::from_mins(1);

pub struct Bench {
    pub env: TestEnv,
    pub operator: Client,
}

pub fn day(text: &str) -> NaiveDate {
    text.parse().expect("date")
}

pub fn preset(name: &str) -> Files {
    jifen_program::preset(name).expect(name)
}

/// The default program under another name: other rules, as far as hashes go.
pub fn named(name: &str) -> Files {
    let mut files = preset("points");
    files.insert("program.toml".to_owned(), format!("name = \"{name}\"\ntime_zone = \"Asia/Shanghai\"\n"));
    files
}

impl Bench {
    pub async fn start() -> Self {
        let env = TestEnv::start(&[Schema { service: "program", migrator: &jifen_program::MIGRATIONS }]).await;
        let operator = env.nats("operator").await;
        Self { env, operator }
    }

    pub async fn copy(&self) -> Running {
        jifen_program::service().start(service_config(&self.env, "program")).await.expect("program starts")
    }

    pub async fn ask<E: Endpoint>(&self, request: E::Request) -> Result<E::Reply, Problem> {
        ask::<E>(&self.operator, &request).await
    }

    pub async fn apply(&self, operation_id: &str, from: &str, files: Files) -> Result<ProgramApplyReply, Problem> {
        self.apply_after(None, operation_id, from, files).await
    }

    /// As one who says from which version he began.
    pub async fn apply_after(
        &self,
        after: Option<u32>,
        operation_id: &str,
        from: &str,
        files: Files,
    ) -> Result<ProgramApplyReply, Problem> {
        let request = ProgramApplyRequest { operation_id: operation_id.to_owned(), effective_from: day(from), after, files };
        self.ask::<ProgramApply>(request).await
    }

    /// Waits until nothing is left to publish, then gives every announcement in the stream.
    pub async fn announced(&self) -> Vec<Envelope<ProgramApplied>> {
        eventually(DEADLINE, || async {
            let waiting: i64 = sqlx::query_scalar("select count(*) from program.outbox_commit where published_at is null")
                .fetch_one(self.env.admin_pool())
                .await
                .ok()?;
            (waiting == 0).then_some(())
        })
        .await;
        let stream = self.env.js("local").await.get_stream("EVENTS").await.expect("stream");
        let count = stream.cached_info().state.messages;
        let config =
            async_nats::jetstream::consumer::pull::OrderedConfig { filter_subject: ProgramApplied::filter(), ..Default::default() };
        let consumer = stream.create_consumer(config).await.expect("consumer");
        let messages = consumer.messages().await.expect("messages");
        let count = usize::try_from(count).expect("count");
        let all = messages.take(count).map(|message| serde_json::from_slice(&message.expect("message").payload).expect("event"));
        tokio::time::timeout(DEADLINE, all.collect()).await.expect("in time")
    }

    pub async fn numbers(&self) -> Vec<i32> {
        sqlx::query_scalar("select version from program.version order by version").fetch_all(self.env.admin_pool()).await.expect("versions")
    }
}
