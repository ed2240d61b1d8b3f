//! `jifen import lots`: what members had in another system, lot by lot. The system judges each line and imports it once, so a file can
//! be imported again, or go on where it broke off; a dry run asks the same and changes nothing.

mod file;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, Result, bail};
use clap::Args;
use futures_util::{StreamExt, stream};
use jifen_contracts::{
    Problem, code,
    endpoint::{ImportStatus, ImportedLot, LotsImport, LotsImportReply, LotsImportRequest},
};
use jifen_kernel::{Clock, Ids, SystemClock, Token};

use self::file::{Mapping, Rows};
use super::{
    beside,
    faults::{ErrorFile, LineFault},
};
use crate::{client::Client, output::Printer, settings::Settings};

/// Lots of one request: what the system takes.
const TOGETHER: usize = 500;
/// Requests on their way.
const IN_FLIGHT: usize = 4;
/// A system that is busy is asked again after this time, so often.
const AGAIN: (Duration, u32) = (Duration::from_secs(1), 60);

#[derive(Debug, Args)]
pub struct Options {
    /// A CSV file, one row a lot.
    file: PathBuf,
    /// Where they come from, as `old_system`: with a row's `line`, or with what it says, its identity, so that it is imported once.
    #[arg(long)]
    source: String,
    /// Which column is what: a TOML file (deploy/import/lots.toml is a commented one).
    #[arg(long)]
    mapping: PathBuf,
    /// Has everything judged, prints counts, changes nothing.
    #[arg(long)]
    dry_run: bool,
    /// Where the lines that could not be imported are written, with their reasons; FILE.errors.csv if not given.
    #[arg(long)]
    errors: Option<PathBuf>,
    /// Goes on where an import broke off: passes over the rows before this line of the file.
    #[arg(long, default_value_t = 0)]
    from_line: u64,
}

/// What became of the rows.
#[derive(Default)]
struct Tally {
    imported: u64,
    points: i64,
    duplicate: u64,
    rejected: u64,
}

pub async fn run(settings: &Settings, options: Options, out: Printer) -> Result<ExitCode> {
    let source = Token::try_new(options.source.as_str()).context("--source")?;
    let text = std::fs::read_to_string(&options.mapping).with_context(|| format!("reading the mapping {}", options.mapping.display()))?;
    let mapping = Mapping::parse(&text).with_context(|| format!("the mapping {}", options.mapping.display()))?;
    let errors = options.errors.clone().unwrap_or_else(|| beside(&options.file));
    if errors == options.file || errors == options.mapping {
        bail!("--errors names a file that is read: it would be replaced");
    }
    let client = Client::connect(settings).await?;
    let rows = Rows::open(&options.file, mapping)?;
    out.note(format!("{} rows on {} lines of the file", rows.count(), rows.lines));
    let mut errors = ErrorFile::new(&errors)?;
    let (mut tally, mut lots) = (Tally::default(), Vec::new());
    // Those before are read as well: which of several alike a row is, they say.
    for (line, lot) in rows.lots().into_iter().filter(|(line, _)| *line >= options.from_line) {
        match lot {
            Ok(lot) => lots.push((line, lot)),
            Err(fault) => {
                tally.rejected += 1;
                errors.write(&[fault])?;
            }
        }
    }
    let bar = out.progress(lots.len() as u64, if options.dry_run { "lots judged" } else { "lots imported" });
    let request = |part: &[(u64, ImportedLot)]| LotsImportRequest {
        operation_id: Ids::system().next(SystemClock.now()).to_string(),
        source: source.clone(),
        dry_run: options.dry_run,
        lots: part.iter().map(|(_, lot)| lot.clone()).collect(),
    };
    let parts: Vec<_> = lots.chunks(TOGETHER).map(|part| (part, request(part))).collect();
    let mut answers = stream::iter(parts).map(|(part, request)| ask(&client, part, request)).buffered(IN_FLIGHT);
    while let Some((part, answer)) = answers.next().await {
        let Ok(answer) = answer.inspect_err(|problem| out.note(format!("the system refused: {problem}"))) else {
            let line = part.first().map_or(0, |(line, _)| *line);
            out.line(format!("ended early: go on with --from-line {line}, or begin again: what was imported is a duplicate"));
            return Ok(ExitCode::FAILURE);
        };
        for ((line, lot), found) in part.iter().zip(answer.lots) {
            match found.status {
                ImportStatus::Imported => {
                    tally.imported += 1;
                    tally.points += lot.points.0;
                }
                ImportStatus::Duplicate => tally.duplicate += 1,
                ImportStatus::Rejected => {
                    tally.rejected += 1;
                    let column = rows.column_of(found.field.as_deref().unwrap_or_default()).to_owned();
                    let text = found.text.unwrap_or_else(|| code::REQUEST_MALFORMED.text());
                    errors.write(&[LineFault { line: *line, column, code: found.code.unwrap_or_default(), text }])?;
                }
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let Tally { imported, points, duplicate, rejected } = tally;
    out.line(format!("imported {imported} ({points} points)   duplicate {duplicate}   rejected {rejected}"));
    let (written, path) = errors.written();
    if written > 0 {
        out.line(format!("{written} lines stand with their reasons in {}", path.display()));
    }
    if options.dry_run {
        out.line("dry run: nothing was changed");
    }
    Ok(if rejected == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Asks until there is an answer that stays: the same operation, so that it counts once.
async fn ask<'a>(
    client: &Client,
    part: &'a [(u64, ImportedLot)],
    request: LotsImportRequest,
) -> (&'a [(u64, ImportedLot)], Result<LotsImportReply, Problem>) {
    let mut answer = client.ask::<LotsImport>(&request).await;
    for _ in 0..AGAIN.1 {
        if !answer.as_ref().is_err_and(Problem::is_transient) {
            break;
        }
        tokio::time::sleep(AGAIN.0).await;
        answer = client.ask::<LotsImport>(&request).await;
    }
    (part, answer)
}
