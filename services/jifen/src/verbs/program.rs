//! `jifen program`: check, apply, get.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use chrono::NaiveDate;
use clap::Subcommand;
use jifen_contracts::endpoint::{ProgramApply, ProgramApplyRequest, ProgramFinding, ProgramGet, ProgramGetRequest};
use jifen_kernel::{Clock, SystemClock};

use crate::{client::Client, output::Printer, settings::Settings};

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Checks a folder of TOML files; needs no running system.
    Check {
        /// The folder.
        folder: PathBuf,
    },
    /// Applies a folder as the next version, and waits until every service knows it.
    Apply {
        /// The folder.
        folder: PathBuf,
        /// First local day on which it shall be in force.
        #[arg(long)]
        effective_from: NaiveDate,
        /// The version that the folder was made from; else what `get --into` noted in it. Refused if another was applied since.
        #[arg(long)]
        after: Option<u32>,
    },
    /// Prints a version as a folder of files would read, or writes it to one.
    Get {
        /// Its number; the one in force now if not given.
        version: Option<u32>,
        /// Writes the files into this folder.
        #[arg(long)]
        into: Option<PathBuf>,
    },
}

type Files = BTreeMap<String, String>;

pub async fn run(settings: &Settings, verb: Verb, out: Printer) -> Result<ExitCode> {
    match verb {
        Verb::Check { folder } => {
            let (findings, good) = match jifen_program::check(&read(&folder)?) {
                Ok((_, warnings)) => (warnings, true),
                Err(findings) => (findings, false),
            };
            show(&findings, out);
            out.line(if good { "the program is good" } else { "the program has errors" });
            return Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Verb::Apply { folder, effective_from, after } => {
            let files = read(&folder)?;
            let noted = noted(&folder)?;
            let client = Client::connect(settings).await?;
            let version = apply(&client, files, effective_from, after.or(noted), out).await?;
            if noted.is_some() {
                note(&folder, version)?;
            }
            out.line(format!("version {version} is in force from {effective_from}, and every service knows it"));
        }
        Verb::Get { version, into } => {
            let client = Client::connect(settings).await?;
            let applied = client.ask::<ProgramGet>(&ProgramGetRequest { version }).await?;
            out.line(format!("# version {}, in force from {}, sha256 {}", applied.version, applied.effective_from, applied.hash));
            for (name, text) in jifen_program::files_of(&applied.program) {
                match &into {
                    Some(folder) => {
                        std::fs::create_dir_all(folder)?;
                        std::fs::write(folder.join(&name), text).with_context(|| format!("writing {name}"))?;
                    }
                    None => out.line(format!("# --- {name}\n{text}")),
                }
            }
            if let Some(folder) = &into {
                note(folder, applied.version)?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// In a folder that `get` has written: the version that it came from.
const NOTE: &str = ".version";

fn note(folder: &Path, version: u32) -> Result<()> {
    std::fs::write(folder.join(NOTE), format!("{version}\n")).with_context(|| format!("writing {NOTE}"))
}

fn noted(folder: &Path) -> Result<Option<u32>> {
    match std::fs::read_to_string(folder.join(NOTE)) {
        Ok(text) => Ok(Some(text.trim().parse().with_context(|| format!("{NOTE} in {} holds no version", folder.display()))?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {NOTE}")),
    }
}

/// Applies files and waits until every running copy knows the version.
pub async fn apply(client: &Client, files: Files, effective_from: NaiveDate, after: Option<u32>, out: Printer) -> Result<u32> {
    let operation_id = jifen_kernel::Ids::system().next(SystemClock.now()).to_string();
    let reply = client.ask::<ProgramApply>(&ProgramApplyRequest { operation_id, effective_from, after, files }).await?;
    show(&reply.findings, out);
    client.wait_for_program(reply.version).await?;
    Ok(reply.version)
}

pub fn show(findings: &[ProgramFinding], out: Printer) {
    for finding in findings {
        let severity = if finding.warning { "warning" } else { "error" };
        out.line(format!("{severity}: {}:{} {}: {}", finding.file, finding.line, finding.key, finding.message));
    }
}

pub fn read(folder: &Path) -> Result<Files> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("reading the folder {}", folder.display()))?;
    let mut files = Files::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name == NOTE {
                continue;
            }
            let text = std::fs::read_to_string(entry.path()).with_context(|| format!("reading {name}"))?;
            files.insert(name, text);
        }
    }
    crate::up::refuse_empty(&files.keys().collect::<Vec<_>>(), "the folder holds no files: a program is a folder of TOML files")?;
    Ok(files)
}
