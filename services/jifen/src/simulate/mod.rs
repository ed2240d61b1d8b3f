//! `jifen simulate`: what a program would have cost. Recorded invoices are replayed through the rules of points and campaigns, as the
//! services apply them, under a draft and under the program that it is compared with. Nothing is written and nothing is sent.
//!
//! ```text
//! file | events | made up -> reader thread -> draft's replay  ─┐
//!                                          └> other's replay ──┴─> points by kind, per campaign, per store; cost; difference
//! ```
//!
//! A replay sees the invoices in the order of the file and keeps what the rules look back at (first spending, daily caps, budgets),
//! so that its result is exact and the same every time.
//!
//! Campaigns that ask for cars find them in a list (`--vehicles`), or in what the running system says of its members.
//!
//! What it can't know: birthdays, refunds, and what the customers had before the first recorded invoice. Everybody begins in the
//! lowest tier, and rises where points alone decide it.

mod garage;
mod replay;
mod report;
mod source;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, thread};

use anyhow::{Context, Result, bail};
use chrono::{DateTime, NaiveDate};
use clap::Args;
use jifen_contracts::{
    endpoint::{ProgramGet, ProgramGetRequest},
    program::AppliedProgram,
};

use self::{
    garage::Garage,
    replay::{Outcome, Replay},
    source::Source,
};
use crate::{client::Client, output::Printer, settings::Settings, verbs::program};

/// Invoices handed over at once, and such parcels under way to a replay: what is in memory.
const PARCEL: usize = 1_000;
const PARCELS: usize = 8;

#[derive(Debug, Args)]
pub struct Options {
    /// The draft: a folder of TOML files.
    folder: PathBuf,
    /// Recorded invoices: a CSV file (with --mapping and --store), or documents as JSON lines.
    #[arg(long, conflicts_with_all = ["recorded", "generate"])]
    invoices: Option<PathBuf>,
    /// Which column is what, for a CSV file.
    #[arg(long, requires = "store")]
    mapping: Option<PathBuf>,
    /// Whose bills the CSV file holds.
    #[arg(long)]
    store: Option<String>,
    /// What cars there are, for campaigns that ask: a CSV file with the columns vin, series, new_on. With --recorded the system's own
    /// members are asked instead.
    #[arg(long, conflicts_with_all = ["recorded", "generate"])]
    vehicles: Option<PathBuf>,
    /// The invoices that the running system has accepted, as far as its broker still has them (7 days).
    #[arg(long, conflicts_with = "generate")]
    recorded: bool,
    /// Makes up so many invoices.
    #[arg(long)]
    generate: Option<u64>,
    /// Other invoices are made up.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Compares with this folder instead of the program in force.
    #[arg(long)]
    against: Option<PathBuf>,
    /// Compares with nothing; needs no running system.
    #[arg(long, conflicts_with = "against")]
    alone: bool,
}

pub async fn run(settings: &Settings, options: Options, out: Printer) -> Result<()> {
    let draft = folder(&options.folder, out)?;
    let client = match (options.recorded, options.alone || options.against.is_some()) {
        (false, true) => None,
        _ => Some(
            Client::connect(settings).await.context("the program in force is asked for; --alone or --against FOLDER needs no system")?,
        ),
    };
    let other = match (&options.against, &client) {
        (Some(path), _) => Some((format!("{}", path.display()), folder(path, out)?)),
        (None, Some(client)) if !options.alone => {
            let applied = client.ask::<ProgramGet>(&ProgramGetRequest { version: None }).await?;
            Some((format!("version {}, in force", applied.version), applied))
        }
        _ => None,
    };
    let garage = match (&options.vehicles, options.recorded, &client) {
        (Some(path), ..) => Garage::list(path)?,
        (None, true, Some(client)) => Garage::recorded(client).await?,
        _ if options.generate.is_some() => {
            Garage::made_up(std::iter::once(&draft.program).chain(other.iter().map(|(_, applied)| &applied.program)))
        }
        _ => Garage::default(),
    };
    let source = open(&options, client.as_ref(), &draft, out).await?;
    let names: Vec<String> =
        std::iter::once(options.folder.display().to_string()).chain(other.iter().map(|(name, _)| name.clone())).collect();
    let point_value = draft.program.settlement.point_value;
    let programs: Vec<AppliedProgram> = std::iter::once(draft).chain(other.map(|(_, applied)| applied)).collect();
    let bar = out.progress(source.size(), source.unit());
    let watched = bar.clone();
    let outcomes = tokio::task::spawn_blocking(move || replay_all(source, &programs, &garage, &watched)).await??;
    bar.finish_and_clear();
    report::show(&names, &outcomes, point_value, out);
    Ok(())
}

/// A folder as a program that was always in force.
fn folder(path: &std::path::Path, out: Printer) -> Result<AppliedProgram> {
    let files: BTreeMap<String, String> = program::read(path)?;
    match jifen_program::check(&files) {
        Ok((program, warnings)) => {
            program::show(&warnings, out);
            Ok(AppliedProgram {
                version: 0,
                hash: jifen_program::hash(&program),
                effective_from: NaiveDate::from_ymd_opt(2000, 1, 1).unwrap_or_default(),
                applied_at: DateTime::UNIX_EPOCH,
                program,
            })
        }
        Err(findings) => {
            program::show(&findings, out);
            bail!("the program in {} has errors", path.display())
        }
    }
}

async fn open(options: &Options, client: Option<&Client>, draft: &AppliedProgram, out: Printer) -> Result<Source> {
    match (&options.invoices, options.recorded, options.generate) {
        (Some(path), ..) => match (&options.mapping, &options.store) {
            (Some(mapping), Some(store)) => Source::csv(path, mapping, store, out).await,
            _ => Source::lines(path),
        },
        (None, true, _) => {
            let client = client.context("--recorded needs the running system")?;
            Source::recorded(client).await
        }
        (None, false, Some(count)) => Ok(Source::made_up(count, options.seed, draft)),
        (None, false, None) => bail!("which invoices? --invoices FILE, --recorded, or --generate N"),
    }
}

/// Reads the invoices once and replays them under every program, each in a thread of its own.
fn replay_all(mut source: Source, programs: &[AppliedProgram], garage: &Garage, bar: &indicatif::ProgressBar) -> Result<Vec<Outcome>> {
    thread::scope(|scope| {
        let (senders, replays): (Vec<_>, Vec<_>) = programs
            .iter()
            .map(|applied| {
                let (sender, parcels) = std::sync::mpsc::sync_channel::<Arc<Vec<source::Recorded>>>(PARCELS);
                let replay = scope.spawn(move || {
                    let mut replay = Replay::new(applied, garage);
                    for parcel in parcels {
                        parcel.iter().for_each(|recorded| replay.add(recorded));
                    }
                    replay.outcome()
                });
                (sender, replay)
            })
            .unzip();
        let mut read = Ok(());
        loop {
            match source.next_parcel(PARCEL) {
                Ok(parcel) if parcel.is_empty() => break,
                Ok(parcel) => {
                    let parcel = Arc::new(parcel);
                    for sender in &senders {
                        // A replay that has ended has panicked, which is said below.
                        let _ = sender.send(parcel.clone());
                    }
                    bar.set_position(source.position());
                }
                Err(error) => {
                    read = Err(error);
                    break;
                }
            }
        }
        let (left_out, first) = source.left_out();
        drop(senders);
        let outcomes =
            replays.into_iter().map(|replay| replay.join().map_err(|_| anyhow::anyhow!("a replay failed"))).collect::<Result<Vec<_>>>();
        read?;
        let mut outcomes = outcomes?;
        for outcome in &mut outcomes {
            outcome.unreadable = left_out;
            outcome.first_unreadable.clone_from(&first);
        }
        Ok(outcomes)
    })
}
