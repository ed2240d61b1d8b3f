//! `jifen verify`: was the ledger changed behind its back? And, for one entry, a proof that an outsider checks with nothing else.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use jifen_infra::{Home, Keys, bootstrap::AUDITOR, database, postgres::PostgresOptions};
use jifen_points::audit::{self, Report, Trust};
use jifen_proof::{EntryProof, PublicKey, SealingKey};
use jifen_runtime::crypto::SealKey;
use serde_json::json;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::{output::Printer, settings::Settings};

/// What shall be checked.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Only this member: the number on the card.
    #[arg(long)]
    member: Option<String>,
    /// Seals that were kept outside of the database, as lines; default: points.jsonl in the folder of the setting `seals`.
    #[arg(long, value_name = "FILE")]
    anchors: Option<PathBuf>,
    /// The public key of the seals, 64 hexadecimal digits; default: that of this installation. `--show-key` prints it.
    #[arg(long, value_name = "KEY", value_parser = PublicKey::try_new)]
    key: Option<PublicKey>,
    /// Findings as lines of JSON.
    #[arg(long)]
    json: bool,
    /// Prints the proof of an entry, to be given to whoever shall check it.
    #[arg(long, value_name = "ENTRY_ID", conflicts_with_all = ["member", "anchors", "proof"])]
    prove: Option<Uuid>,
    /// Checks such a proof: needs nothing but the file, and the key of whom to believe (that of this installation, if there is one).
    #[arg(long, value_name = "FILE", conflicts_with_all = ["member", "anchors"])]
    proof: Option<PathBuf>,
    /// Prints the public key of the seals: what to tell those who shall check.
    #[arg(long, conflicts_with_all = ["member", "anchors", "proof", "prove"])]
    show_key: bool,
}

pub async fn verify(settings: &Settings, options: &Options, out: Printer) -> Result<ExitCode> {
    if let Some(file) = &options.proof {
        return check_proof(settings, file, options, out);
    }
    let (home, keys) = installation(settings)?;
    let own = own_key(&keys);
    if options.show_key {
        out.line(own);
        return Ok(ExitCode::SUCCESS);
    }
    let mut connection = connect(settings, &keys).await?;
    // One moment of the ledger, whatever is posted meanwhile; and nothing is written.
    let mut moment = connection.begin_with("begin isolation level repeatable read, read only").await?;
    if let Some(entry) = options.prove {
        let proof = audit::prove(&mut moment, entry).await?;
        out.line(serde_json::to_string_pretty(&proof)?);
        return Ok(ExitCode::SUCCESS);
    }
    let anchors = anchors(settings, options, &home)?;
    if anchors.is_none() {
        out.note("no anchors outside of the database: a history that was rewritten together with its seals' key would not be found");
    }
    let trust = Trust { key: options.key.unwrap_or(own), anchors };
    let (accounts, entries) = audit::size(&mut moment).await?;
    let bar = out.progress(u64::try_from(entries).unwrap_or_default(), "entries checked");
    let report = audit::verify(&mut moment, options.member.as_deref(), &trust, &|done| bar.set_position(done)).await?;
    bar.finish_and_clear();
    tracing::debug!(accounts, "checked");
    Ok(say(&report, options.json, out))
}

fn own_key(keys: &Keys) -> PublicKey {
    SealingKey::new(&SealKey::new(*keys.seal.expose()).secret_for(jifen_points::PURPOSE)).public()
}

pub(super) fn installation(settings: &Settings) -> Result<(Home, Keys)> {
    let home =
        Home::find(&settings.home)?.with_context(|| format!("there is no home at {}: name it with --home", settings.home.display()))?;
    let keys = Keys::load(&home).context("the installation's keys are needed, to log in and to know the seals' signature")?;
    Ok((home, keys))
}

/// As the role that reads the ledger and nothing else.
pub(super) async fn connect(settings: &Settings, keys: &Keys) -> Result<PgConnection> {
    let embedded = || format!("postgres://127.0.0.1:{}/{}", settings.postgres_port, PostgresOptions::DEFAULT_DATABASE);
    let url = settings.database_url.clone().unwrap_or_else(embedded);
    let connection = database::connect(&database::database_url(&url, keys, AUDITOR)?).await;
    connection.context("this reads the database itself: it must run (`jifen up`), or be given as JIFEN_DATABASE_URL")
}

fn anchors(settings: &Settings, options: &Options, home: &Home) -> Result<Option<PathBuf>> {
    if let Some(file) = &options.anchors {
        anyhow::ensure!(file.exists(), "there are no anchors at {}", file.display());
        return Ok(Some(file.clone()));
    }
    Ok(Some(audit::anchors_in(&settings.seals_folder(home.path()))).filter(|file| file.exists()))
}

fn say(report: &Report, as_json: bool, out: Printer) -> ExitCode {
    for finding in &report.findings {
        if as_json {
            let mut line = json!(finding);
            line["text"] = json!(finding.text());
            out.line(line);
        } else {
            out.line(finding);
        }
    }
    if report.more > 0 {
        out.note(format!("… and {} more", report.more));
    }
    let looked = format!("{} members, {} entries, {} seals ({} anchored)", report.members, report.entries, report.seals, report.anchored);
    if report.findings.is_empty() {
        out.note(format!("账实相符，未发现改动 / nothing was changed: {looked}"));
        ExitCode::SUCCESS
    } else {
        let count = report.findings.len() as u64 + report.more;
        out.note(format!("发现 {count} 处 / {count} findings: {looked}"));
        ExitCode::FAILURE
    }
}

/// Needs nothing but the file. Where there is an installation, its own key is the one to believe if none is named: whoever checks
/// at home means the seals that were made there.
fn check_proof(settings: &Settings, file: &Path, options: &Options, out: Printer) -> Result<ExitCode> {
    let text = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    let proof: EntryProof = serde_json::from_slice(&text).with_context(|| format!("{} is no proof", file.display()))?;
    let at_home = || Some(own_key(&Keys::load(&Home::find(&settings.home).ok()??).ok()?));
    let key = options.key.or_else(at_home);
    if let Err(why) = proof.check(key.as_ref()) {
        out.line(format!("不成立 NOT PROVEN: {why}"));
        if options.key.is_none() && key.is_some() {
            out.note("It was checked against the key of this installation: --key names another one.");
        }
        return Ok(ExitCode::FAILURE);
    }
    let (entry, said) = (&proof.entry, &proof.seal.statement);
    out.line(format!(
        "成立 proven: entry {} stood in the ledger when seal {} was made, {}",
        entry.entry_id,
        said.seal,
        said.at.to_rfc3339()
    ));
    let rows = [
        ("会员 member", format!("{} #{}", entry.member_id, entry.sequence)),
        ("类型 kind", entry.kind.to_string()),
        ("积分 points", format!("{}: {} -> {}", entry.points, entry.debit, entry.credit)),
        ("单据 document", format!("{} {}/{}", entry.source, entry.store, entry.document)),
        ("规则 rule", entry.rule.to_string()),
        ("入账 posted", entry.posted_at.to_rfc3339()),
        ("签名 signed by", proof.seal.key.to_string()),
    ];
    out.table(&rows.map(|(name, value)| vec![name.to_owned(), value]));
    if key.is_none() {
        out.note("The key is the proof's own: compare it with the one that the dealer group has published, or give that one with --key.");
    }
    Ok(ExitCode::SUCCESS)
}
