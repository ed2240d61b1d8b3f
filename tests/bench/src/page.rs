//! docs/BENCHMARKS.md, from what the runs kept.

use std::{collections::BTreeMap, fmt::Write};

use crate::report::Report;

const HEAD: &str = "# Benchmarks

Written by `make bench` (the short form, some minutes) and `make bench BENCH=--full`; the numbers are in
[benchmarks.json](benchmarks.json). Everything runs on one machine, with servers of its own in temporary homes.

- **floor**: the barest correct pipeline for the same invoices (`tests/bench/src/floor.rs`): fetch 500, decode, one transaction that writes
  the same entry, lot, account and outbox rows, publish, ack.
- **naive**: one message, one transaction of single-row statements, one publish; eight at a time (`tests/bench/src/naive.rs`).
- **points**: the points service alone, `invoice_accepted` to `earned`.
- **path**: the whole path, a store's document to the notification command, seven services.

The input is published beforehand and the first consumer is paused meanwhile, so each stage works on full batches; *live* means that
it is published while it is worked on. CPU is the operating system's account of the processes: the figure that hardly depends on what else
the machine does. Invoices/s and times are what this machine gave at this time;
*by CPU alone* is what its cores would do with nothing else to do and nothing to wait for.
";

/// The page.
pub fn render(kept: &BTreeMap<String, Report>) -> String {
    let mut page = HEAD.to_owned();
    for (form, report) in kept {
        let _ = write!(page, "\n## The {form} form, {}\n\n", report.date);
        let _ = write!(page, "{}; {}.\n{}.\n", report.machine, report.versions, report.settings);
        targets(&mut page, report);
        stages(&mut page, report);
        latencies(&mut page, report);
        growth(&mut page, report);
        if let Some(verified) = &report.verified {
            let _ = writeln!(page, "\n{verified}.");
        }
        if let Some(start) = &report.start {
            let (idle, memory) = (&start.idle_percent, &start.resident_mib);
            let _ = write!(
                page,
                "\nWarm start of `jifen up` to ready: {:.2} s. Idle: {:.2} % of a core (jifen {:.2}, Postgres {:.2}, NATS {:.2}), \
                 memory jifen {:.0} MiB, Postgres {:.0} MiB, NATS {:.0} MiB.\n",
                start.warm_start_s,
                idle.total(),
                idle.program,
                idle.postgres,
                idle.nats,
                memory.program,
                memory.postgres,
                memory.nats
            );
        }
    }
    page
}

fn targets(page: &mut String, report: &Report) {
    page.push_str("\n| target | | found | |\n| --- | --- | ---: | --- |\n");
    for target in &report.targets {
        let _ = writeln!(page, "| {} | {} | {} | {} |", target.what, target.limit(), target.found(), target.verdict());
    }
}

fn stages(page: &mut String, report: &Report) {
    page.push_str(
        "\n| stage | invoices/s | by CPU alone | CPU µs an invoice | program | Postgres | NATS | messages a transaction | statements an invoice | \
         WAL bytes an invoice | rows an invoice | peak MiB: program, Postgres's largest, NATS |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n",
    );
    for figures in &report.stages {
        let (cpu, peak) = (&figures.cpu_us, &figures.peak_mib);
        let statements = figures.statements_an_invoice.map_or_else(|| "n/a".to_owned(), |statements| format!("{statements:.3}"));
        let _ = writeln!(
            page,
            "| {} | {:.0} | {:.0} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {statements} | {:.0} | {:.2} | {:.0}, {:.0}, {:.0} |",
            figures.stage,
            figures.per_second(),
            figures.per_second_by_cpu(),
            cpu.total(),
            cpu.program,
            cpu.postgres,
            cpu.nats,
            figures.messages_a_batch,
            figures.wal_bytes,
            figures.rows.values().sum::<f64>(),
            peak.program,
            peak.postgres,
            peak.nats
        );
    }
}

fn latencies(page: &mut String, report: &Report) {
    if report.latencies.is_empty() {
        return;
    }
    page.push_str(
        "\n| steady load | publish to notification command, ms: p50 | p99 | p99.9 | account answered, ms: p50 | p99 | CPU µs an invoice |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for latency in &report.latencies {
        let (notified, answered) = (&latency.notified, &latency.answered);
        let _ = writeln!(
            page,
            "| {}/s | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.0} |",
            latency.rate,
            notified.p50,
            notified.p99,
            notified.p999,
            answered.p50,
            answered.p99,
            latency.cpu_us.total()
        );
    }
}

fn growth(page: &mut String, report: &Report) {
    if report.growth.is_empty() {
        return;
    }
    page.push_str(
        "\nGrowth is measured when most pages have been touched since the last checkpoint: the first touch logs a page whole.\n\
         \n| growth | CPU µs an invoice: 10,000 members, no entries | 1,000,000 members, 10 million entries | factor | invoices/s |\n\
         | --- | ---: | ---: | ---: | --- |\n",
    );
    for growth in &report.growth {
        let [small, large] = &growth.figures;
        let _ = writeln!(
            page,
            "| {} | {:.1} | {:.1} | {:.2} | {:.0}, then {:.0} |",
            growth.stage,
            small.cpu_us.total(),
            large.cpu_us.total(),
            growth.factor(),
            small.per_second(),
            large.per_second()
        );
    }
}
