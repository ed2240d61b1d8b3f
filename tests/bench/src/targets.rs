//! What the figures must be. Ratios hold on any machine and fail the run; the rest depends on the machine and its
//! neighbours, and is reported.

use serde::{Deserialize, Serialize};

use crate::report::Report;

/// One target with what was found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Target {
    /// In words.
    pub what: String,
    /// What was found.
    pub value: f64,
    /// The limit.
    pub bound: f64,
    /// The limit is the least, not the most.
    pub at_least: bool,
    /// Of value and limit.
    pub unit: String,
    /// It fails the run.
    pub asserted: bool,
    /// It was met.
    pub met: bool,
}

impl Target {
    fn at_most(what: &str, value: f64, bound: f64, unit: &str, asserted: bool) -> Self {
        Self { what: what.to_owned(), value, bound, at_least: false, unit: unit.to_owned(), asserted, met: value <= bound }
    }

    fn at_least(what: &str, value: f64, bound: f64, unit: &str, asserted: bool) -> Self {
        Self { at_least: true, met: value >= bound, ..Self::at_most(what, value, bound, unit, asserted) }
    }

    /// In a word.
    pub fn verdict(&self) -> &'static str {
        match (self.met, self.asserted) {
            (true, _) => "met",
            (false, true) => "MISSED",
            (false, false) => "missed",
        }
    }

    /// What was found, with its unit.
    pub fn found(&self) -> String {
        format!("{:.2} {}", self.value, self.unit)
    }

    /// The limit, with its unit.
    pub fn limit(&self) -> String {
        let kind = if self.at_least { "at least" } else { "at most" };
        let weight = if self.asserted { "" } else { " (reported)" };
        format!("{kind} {} {}{weight}", self.bound, self.unit)
    }
}

/// Every target that this run has the figures for.
pub fn judge(report: &Report) -> Vec<Target> {
    let mut targets = ratios(report);
    targets.extend(reported(report));
    targets
}

fn ratios(report: &Report) -> Vec<Target> {
    let mut targets = Vec::new();
    let cpu = |name| report.stage(name).map(|figures| figures.cpu_us.total());
    let speed = |name| report.stage(name).map(crate::stage::Figures::per_second);
    if let (Some(points), Some(floor)) = (cpu("points"), cpu("floor")) {
        targets.push(Target::at_most("CPU an invoice: points alone against the floor", points / floor, 1.3, "x", true));
    }
    if let (Some(path), Some(floor)) = (cpu("path"), cpu("floor")) {
        targets.push(Target::at_most("CPU an invoice: the whole path against the floor (aim 5)", path / floor, 6.0, "x", true));
    }
    if let (Some(path), Some(naive)) = (speed("path"), speed("naive")) {
        targets.push(Target::at_least("invoices/s: the whole path against the naive single service", path / naive, 1.5, "x", true));
    }
    if let (Some(sync), Some(path)) = (speed("path, sync always"), speed("path")) {
        let share = sync / path * 100.0;
        targets.push(Target::at_least("invoices/s: sync always against the default", share, 60.0, "%", true));
    }
    let grown = |name: &str| report.growth.iter().find(|growth| growth.stage == name).map(crate::growth::Growth::factor);
    if let (Some(points), Some(floor)) = (grown("points"), grown("floor")) {
        let what = "growth of CPU an invoice on much data: points alone against the floor's own";
        targets.push(Target::at_most(what, points / floor, 1.25, "x", true));
    }
    targets
}

fn reported(report: &Report) -> Vec<Target> {
    let mut targets = Vec::new();
    if let Some(latency) = report.latencies.iter().find(|latency| latency.rate == crate::STEADY_RATE) {
        let what = format!("publish to notification command at {}/s, p99", latency.rate);
        targets.push(Target::at_most(&what, latency.notified.p99, 50.0, "ms", false));
    }
    for latency in &report.latencies {
        let what = format!("request-reply at {}/s, p99", latency.rate);
        targets.push(Target::at_most(&what, latency.answered.p99, 10.0, "ms", false));
    }
    if let Some(path) = report.stage("path") {
        targets.push(Target::at_most("jifen's memory under full load", path.peak_mib.program, 150.0, "MiB", false));
    }
    if let Some(start) = &report.start {
        targets.push(Target::at_most("idle CPU of a core", start.idle_percent.total(), 1.0, "%", false));
        targets.push(Target::at_most("warm start", start.warm_start_s, 2.0, "s", false));
    }
    targets
}
