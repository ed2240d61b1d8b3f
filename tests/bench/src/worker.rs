//! The processes that the program is compared with: this executable again, started with `--worker`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use async_nats::jetstream::{
    self,
    consumer::{AckPolicy, PullConsumer, pull},
};
use clap::{Args, ValueEnum};
use jifen_infra::{Home, Keys, rights};

use crate::{floor, naive};

/// The durable that a worker reads the accepted invoices with.
pub const DURABLE: &str = "bench_worker";

/// Which one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// The barest correct pipeline.
    Floor,
    /// One message, one transaction.
    Naive,
}

/// What a worker is told.
#[derive(Debug, Args)]
pub struct Options {
    /// Is a worker of a stage, not the benchmark.
    #[arg(long, hide = true)]
    pub worker: Option<Kind>,
    #[arg(long, hide = true, env = "BENCH_HOME")]
    home: Option<PathBuf>,
    #[arg(long, hide = true, env = "BENCH_NATS_URL", hide_env_values = true)]
    nats_url: Option<String>,
    #[arg(long, hide = true, env = "BENCH_DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
}

/// Works until it is killed.
pub async fn run(kind: Kind, options: &Options) -> Result<()> {
    let told = "a worker is started by the benchmark";
    let home = Home::locate(options.home.as_deref().context(told)?)?;
    let credentials = rights::credentials(&Keys::load(&home)?, rights::PROVISIONER);
    let client = jifen_infra::nats::connect(options.nats_url.as_deref().context(told)?, &credentials).await?;
    let js = jetstream::new(client);
    let database_url = options.database_url.as_deref().context(told)?;
    let consumer = consumer(&js).await?;
    match kind {
        Kind::Floor => Box::pin(floor::work(js, consumer, database_url)).await,
        Kind::Naive => Box::pin(naive::work(js, consumer, database_url)).await,
    }
}

/// As the product's own consumers are.
async fn consumer(js: &jetstream::Context) -> Result<PullConsumer> {
    let config = pull::Config {
        durable_name: Some(DURABLE.to_owned()),
        filter_subject: "evt.ingest.invoice_accepted.v1.*".to_owned(),
        ack_policy: AckPolicy::Explicit,
        max_ack_pending: 10_000,
        ..pull::Config::default()
    };
    Ok(js.create_consumer_on_stream(config, "EVENTS").await?)
}
