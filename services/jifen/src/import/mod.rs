//! `jifen import`: invoices from a DMS's export, for stores whose DMS only writes files. They go the way of every document: the
//! same reader, the same subjects, receipts awaited. So a file can be imported twice, or again after it broke off: what was taken
//! is a duplicate.
//!
//! ```text
//! file -> rows (decoded, split) -> bills (rows of one number) -> the contract's reader -> published -> receipt
//!                                       faults of lines ------------> FILE.errors.csv <----- refusals
//! ```

mod bills;
mod faults;
mod lots;
mod mapping;
mod rows;
mod send;
mod totals;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use jifen_door::Courier;
use jifen_kernel::StoreCode;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use self::{
    bills::{Bills, Item, Scan, scan},
    faults::LineFault,
    mapping::Mapping,
};
use self::{
    faults::ErrorFile,
    send::{Sender, Tally},
    totals::Totals,
};
use crate::{client::Client, output::Printer, serve::asked_to_stop, settings::Settings};

/// Bills read ahead of those that are sent.
const AHEAD: usize = 256;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Options {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    bills: Option<BillOptions>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Imports opening balances of another system, lot by lot (CSV).
    Lots(lots::Options),
}

#[derive(Debug, Args)]
struct BillOptions {
    /// A CSV file, one row a line of a bill; the rows of a bill stand together.
    file: PathBuf,
    /// The store whose bills they are.
    #[arg(long)]
    store: String,
    /// Which column is what: a TOML file (deploy/import/ has a commented one).
    #[arg(long)]
    mapping: PathBuf,
    /// Reads and checks everything, prints counts and sums, sends nothing. Needs no running system.
    #[arg(long)]
    dry_run: bool,
    /// Where the lines that could not be imported are written, with their reasons; FILE.errors.csv if not given.
    #[arg(long)]
    errors: Option<PathBuf>,
    /// Goes on where an import broke off: passes over the bills that begin before this line.
    #[arg(long, default_value_t = 0)]
    from_line: u64,
}

pub async fn run(settings: &Settings, options: Options, out: Printer) -> Result<ExitCode> {
    match (options.what, options.bills) {
        (Some(What::Lots(options)), _) => lots::run(settings, options, out).await,
        (None, Some(options)) => import_bills(settings, options, out).await,
        (None, None) => bail!("name a CSV file, or what it holds: jifen import --help"),
    }
}

async fn import_bills(settings: &Settings, options: BillOptions, out: Printer) -> Result<ExitCode> {
    let store = StoreCode::try_new(options.store.as_str())?;
    let mapping = Mapping::load(&options.mapping)?;
    let errors = options.errors.clone().unwrap_or_else(|| beside(&options.file));
    if errors == options.file || errors == options.mapping {
        bail!("--errors names a file that is read: it would be replaced");
    }
    // A running system is looked for before a large file is read.
    let courier = if options.dry_run { None } else { Some(Courier::new(Client::connect(settings).await?.nats)) };
    let scan = Arc::new(look(&options.file, &mapping, out).await?);
    out.note(format!("{} rows of {} bills; {} rows are left out by `only`", scan.rows, scan.bills, scan.left_out));
    let mut errors = ErrorFile::new(&errors)?;
    let bills = Bills::open(&options.file, &mapping, store.clone(), scan.clone(), options.from_line)?;
    let good = match courier {
        None => tokio::task::spawn_blocking(move || dry_run(bills, scan.bills, &mut errors, out)).await??,
        Some(courier) => send(&courier, &store, bills, scan.bills, &mut errors, out).await?,
    };
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `bills.csv` -> `bills.csv.errors.csv`.
fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".errors.csv");
    name.into()
}

async fn look(file: &Path, mapping: &Mapping, out: Printer) -> Result<Scan> {
    let bar = out.progress(std::fs::metadata(file).map_or(0, |found| found.len()), "bytes looked at");
    let (file, mapping, watched) = (file.to_owned(), mapping.clone(), bar.clone());
    let scan = tokio::task::spawn_blocking(move || scan(&file, &mapping, |bytes| watched.set_position(bytes))).await?;
    bar.finish_and_clear();
    scan
}

fn dry_run(mut bills: Bills, count: u64, errors: &mut ErrorFile, out: Printer) -> Result<bool> {
    let bar = out.progress(count, "bills checked");
    let (mut totals, mut tally, zone) = (Totals::default(), Tally::default(), bills.plan().zone);
    while let Some(item) = bills.next_item()? {
        match item {
            Item::Stray(faults) => {
                tally.stray_lines += faults.len() as u64;
                errors.write(&faults)?;
            }
            Item::Bill(bill) => {
                match bill.read {
                    Ok(ready) => totals.add(&ready.invoice, zone),
                    Err(faults) => {
                        tally.faulty += 1;
                        errors.write(&faults)?;
                    }
                }
                bar.inc(1);
            }
        }
    }
    bar.finish_and_clear();
    totals.show(out);
    show_faults(&tally, errors, out);
    out.line("dry run: nothing was sent");
    Ok(tally.is_good())
}

async fn send(courier: &Courier, store: &StoreCode, bills: Bills, count: u64, errors: &mut ErrorFile, out: Printer) -> Result<bool> {
    let bar = out.progress(count, "bills sent");
    let stop = CancellationToken::new();
    let asked = tokio::spawn({
        let stop = stop.clone();
        async move {
            if asked_to_stop().await.is_ok() {
                out.note("stopping: waiting for the receipts that are on their way …");
                stop.cancel();
            }
        }
    });
    let (sender, items) = mpsc::channel(AHEAD);
    let plan = bills.plan();
    let reading = tokio::task::spawn_blocking(move || read_into(bills, &sender));
    let sending = Sender { courier, store, plan, errors, bar: &bar, stop, out };
    let tally = Box::pin(sending.run(items)).await;
    asked.abort();
    reading.await?;
    bar.finish_and_clear();
    let tally = tally?;
    out.line(format!(
        "accepted {}   duplicate {}   parked {}   rejected {}   not sent {}",
        tally.accepted, tally.duplicate, tally.parked, tally.rejected, tally.faulty
    ));
    show_faults(&tally, errors, out);
    if let Some(line) = tally.go_on_at {
        out.line(format!("ended early: go on with --from-line {line}, or begin again: what was taken is a duplicate"));
    }
    Ok(tally.is_good())
}

/// Hands over what the file holds, until it ends or nobody wants more.
fn read_into(mut bills: Bills, sender: &mpsc::Sender<Result<Item>>) {
    while let Some(item) = bills.next_item().transpose() {
        if sender.blocking_send(item).is_err() {
            return;
        }
    }
}

fn show_faults(tally: &Tally, errors: &ErrorFile, out: Printer) {
    let (lines, path) = errors.written();
    if lines > 0 {
        let bills = tally.faulty + tally.rejected + tally.unanswered;
        out.line(format!(
            "{lines} lines ({bills} bills, {} lines of no bill) stand with their reasons in {}",
            tally.stray_lines,
            path.display()
        ));
    }
}
