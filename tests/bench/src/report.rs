//! What a run found: printed, kept as JSON, and shown as a page. The short and the full form each keep their last run.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::{growth::Growth, latency::Latency, stage::Figures, start::Start, targets::Target, verify::Verified};

/// Everything that a run found. What was not run is empty.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// The local day.
    pub date: String,
    /// Cores and memory.
    pub machine: String,
    /// Of everything measured.
    pub versions: String,
    /// How much was done, and how.
    pub settings: String,
    /// Throughput and cost.
    pub stages: Vec<Figures>,
    /// Times under steady load.
    pub latencies: Vec<Latency>,
    /// Starting and idling.
    pub start: Option<Start>,
    /// Cost on much data against little.
    pub growth: Vec<Growth>,
    /// A check of the whole ledger.
    #[serde(default)]
    pub verified: Option<Verified>,
    /// Met or missed.
    pub targets: Vec<Target>,
}

impl Report {
    /// The figures of a stage.
    pub fn stage(&self, name: &str) -> Option<&Figures> {
        self.stages.iter().find(|figures| figures.stage == name)
    }

    /// Puts this run in the place of its form's last one, in the JSON file and on the page of `folder`.
    pub fn save(self, folder: &Path, form: &str) -> Result<()> {
        let json = folder.join("benchmarks.json");
        let mut kept: BTreeMap<String, Self> = match std::fs::read(&json) {
            Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| format!("reading {}: remove it", json.display()))?,
            Err(_) => BTreeMap::new(),
        };
        kept.insert(form.to_owned(), self);
        std::fs::write(&json, serde_json::to_string_pretty(&kept)? + "\n")?;
        std::fs::write(folder.join("BENCHMARKS.md"), crate::page::render(&kept))?;
        note(&format!("written: {0}/benchmarks.json and {0}/BENCHMARKS.md", folder.display()));
        Ok(())
    }
}

/// A line on the way.
pub fn note(line: &str) {
    eprintln!("  {line}");
}

/// A stage's figures.
pub fn print(figures: &Figures) {
    let Figures { cpu_us: cpu, peak_mib: peak, .. } = figures;
    println!("{}, {} invoices", figures.stage, figures.invoices);
    println!("  invoices/s           {:>9.0}   by CPU alone it could be {:.0}", figures.per_second(), figures.per_second_by_cpu());
    println!(
        "  CPU µs an invoice    {:>9.1}   program {:.1}, Postgres {:.1}, NATS {:.1}",
        cpu.total(),
        cpu.program,
        cpu.postgres,
        cpu.nats
    );
    println!("  transactions         {:>9.0}   {:.1} messages each", figures.batches, figures.messages_a_batch);
    match (figures.statements_a_batch, figures.statements_an_invoice) {
        (Some(batch), Some(invoice)) => println!("  statements           {invoice:>9.3}   an invoice; {batch:.1} a transaction"),
        _ => println!("  statements                 n/a   (this Postgres has no pg_stat_statements)"),
    }
    println!("  WAL bytes            {:>9.0}   an invoice", figures.wal_bytes);
    let rows: Vec<String> = figures.rows.iter().map(|(table, rows)| format!("{table} {rows:.3}")).collect();
    println!("  rows                 {:>9.2}   {}", figures.rows.values().sum::<f64>(), rows.join(", "));
    println!("  peak MiB             {:>9.0}   Postgres {:.0}, NATS {:.0}", peak.program, peak.postgres, peak.nats);
}

/// What Postgres did longest in a stage.
pub fn print_slowest(figures: &Figures) {
    for slow in &figures.slowest {
        let each = slow.total_ms / slow.calls as f64;
        println!("  {:>8.0} ms {:>6} x {each:>7.3} ms  {:<18} {}", slow.total_ms, slow.calls, slow.role, slow.query);
    }
}

/// Times under one load.
pub fn print_latency(latency: &Latency) {
    println!("{} invoices/s, {} invoices", latency.rate, latency.notified.count);
    for (what, times) in [("to the notification", &latency.notified), ("to an answer", &latency.answered)] {
        println!("  {what:<20} p50 {:.1} ms, p99 {:.1} ms, p99.9 {:.1} ms, max {:.1} ms", times.p50, times.p99, times.p999, times.max);
    }
    println!(
        "  CPU µs an invoice    {:>9.0}   {:.1} % of one core",
        latency.cpu_us.total(),
        latency.cpu_us.total() * f64::from(latency.rate) / 1e4
    );
}

/// Starting and idling.
pub fn print_start(start: &Start) {
    let (idle, memory) = (&start.idle_percent, &start.resident_mib);
    println!("warm start             {:>9.2} s", start.warm_start_s);
    println!(
        "  idle CPU             {:>8.2} %   program {:.2}, Postgres {:.2}, NATS {:.2}",
        idle.total(),
        idle.program,
        idle.postgres,
        idle.nats
    );
    println!("  memory MiB           {:>9.0}   Postgres {:.0}, NATS {:.0}", memory.program, memory.postgres, memory.nats);
}

/// The targets; true if none that is asserted was missed.
pub fn print_targets(targets: &[Target]) -> bool {
    println!();
    for target in targets {
        println!("{:<8} {:<70} {:>9}   {}", target.verdict(), target.what, target.found(), target.limit());
    }
    targets.iter().all(|target| target.met || !target.asserted)
}
