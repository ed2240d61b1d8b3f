//! `make bench`: what jifen costs, against the barest correct pipeline and the naive way, on servers of its own in
//! temporary homes, with traffic to 127.0.0.1 only.
//!
//! The figure to trust on a shared machine is CPU an invoice, from the operating system's accounting; throughput and
//! latency are what this machine gave at this time.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a program that prints measurements"
)]

mod event;
mod floor;
mod growth;
mod invoices;
mod latency;
mod load;
mod machine;
mod naive;
mod page;
mod process;
mod program;
mod report;
mod servers;
mod stage;
mod stages;
mod start;
mod targets;
mod verify;
mod worker;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Result, bail};
use clap::{Parser, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

use crate::{report::Report, stages::Size};

/// Invoices a second of the steady load whose latency has a target.
const STEADY_RATE: u32 = 200;

/// Measures jifen. Without names every stage runs, and the results are kept.
#[derive(Debug, Parser)]
struct Options {
    /// The stages to run.
    stages: Vec<Name>,
    /// More of everything, and the growth of the data.
    #[arg(long)]
    full: bool,
    /// Members; at least one for ten invoices.
    #[arg(long)]
    members: Option<usize>,
    /// Invoices that count, in each stage.
    #[arg(long)]
    invoices: Option<usize>,
    /// Seconds of each steady load.
    #[arg(long)]
    seconds: Option<u32>,
    /// Shows what Postgres did longest in each stage.
    #[arg(long)]
    statements: bool,
    /// Where the results of a whole run are kept.
    #[arg(long, default_value = "docs")]
    docs: PathBuf,
    #[command(flatten)]
    worker: worker::Options,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    /// The barest correct pipeline.
    Floor,
    /// One message, one transaction.
    Naive,
    /// The points service alone.
    Points,
    /// POS document to notification command.
    Path,
    /// The whole path with a broker that syncs every write.
    Sync,
    /// Times under steady load.
    Latency,
    /// Warm start and idling.
    Start,
    /// 1,000,000 members and 10 million entries; only by name or in the full form.
    Growth,
    /// `jifen verify` on a million entries; only by name or in the full form.
    Verify,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let options = Options::parse();
    if let Some(kind) = options.worker.worker {
        Box::pin(worker::run(kind, &options.worker)).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut terminate = signal(SignalKind::terminate())?;
    // Dropping what runs ends it and removes its home.
    tokio::select! {
        met = run(&options) => Ok(if met? { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        _ = terminate.recv() => bail!("terminated"),
    }
}

impl Options {
    fn size(&self) -> Size {
        let or = |given: Option<usize>, short, full| given.unwrap_or(if self.full { full } else { short });
        let invoices = or(self.invoices, 20_000, 60_000);
        // With many invoices a member climbs the tiers, and every step is one message more.
        let members = or(self.members, 2_000, 10_000).max(invoices / 10);
        Size { members, warm_up: or(None, 2_000, 5_000), invoices }
    }

    fn wants(&self, name: Name) -> bool {
        let all = self.stages.is_empty() && (self.full || !matches!(name, Name::Growth | Name::Verify));
        all || self.stages.contains(&name)
    }
}

async fn run(options: &Options) -> Result<bool> {
    let size = options.size();
    let mut report = Report {
        date: machine::today(),
        machine: machine::describe(),
        settings: format!(
            "{} invoices of {} members in each stage, after {} to warm up; Postgres and NATS as `jifen up` sets them",
            size.invoices, size.members, size.warm_up
        ),
        ..Report::default()
    };
    measure_stages(options, size, &mut report).await?;
    if options.wants(Name::Latency) {
        let half = report.stage("path, live").map(|live| (live.per_second() / 2.0).round() as u32);
        let rates: Vec<u32> = [Some(STEADY_RATE), half].into_iter().flatten().collect();
        let seconds = options.seconds.unwrap_or(if options.full { 60 } else { 15 });
        report.latencies = latency::measure(&rates, seconds, size.members).await?;
        report.latencies.iter().for_each(report::print_latency);
    }
    if options.wants(Name::Start) {
        let start = start::measure().await?;
        report::print_start(&start);
        report.start = Some(start);
    }
    if options.wants(Name::Growth) {
        report.growth = growth::measure(size).await?;
    }
    if options.wants(Name::Verify) {
        let verified = verify::measure().await?;
        println!("{verified}");
        report.verified = Some(verified);
    }
    report.targets = targets::judge(&report);
    let met = report::print_targets(&report.targets);
    if options.stages.is_empty() {
        report.save(&options.docs, if options.full { "full" } else { "short" })?;
    }
    Ok(met)
}

async fn measure_stages(options: &Options, size: Size, report: &mut Report) -> Result<()> {
    let mut keep = |figures: stage::Figures| {
        report::print(&figures);
        if options.statements {
            report::print_slowest(&figures);
        }
        report.stages.push(figures);
    };
    if options.wants(Name::Floor) {
        keep(stages::floor(size, &[]).await?);
    }
    if options.wants(Name::Points) {
        keep(stages::points(size, &[]).await?);
    }
    if options.wants(Name::Path) {
        stages::path(size).await?.into_iter().for_each(&mut keep);
    }
    if options.wants(Name::Naive) {
        keep(stages::naive(size).await?);
    }
    if options.wants(Name::Sync) {
        keep(stages::path_synced(size).await?);
    }
    report.versions = machine::versions();
    Ok(())
}
