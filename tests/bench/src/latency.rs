//! How soon: from publishing a document to its notification command, and from a question to its answer, under steady load.

use std::time::Duration;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::{
    invoices::{self, Invoices},
    load::{Load, Member, Pace},
    program::Program,
    servers::{Servers, Sync},
    stage::Split,
};

/// Questions a second beside the invoices.
const QUESTIONS: u32 = 50;
/// What comes first, so that nothing measured is the first of its kind.
const WARM_UP: Pace = Pace { rate: 100, seconds: 3 };

/// Times in milliseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Times {
    /// How many were measured.
    pub count: usize,
    /// Half are faster.
    pub p50: f64,
    /// 99 of 100 are faster.
    pub p99: f64,
    /// 999 of 1,000 are faster.
    pub p999: f64,
    /// None is slower.
    pub max: f64,
}

impl Times {
    fn of(sorted: &[Duration]) -> Self {
        let at = |share: f64| sorted.get(((sorted.len() - 1) as f64 * share).round() as usize).map_or(0.0, |time| time.as_secs_f64() * 1e3);
        Self { count: sorted.len(), p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1.0) }
    }
}

/// One steady load.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Latency {
    /// Invoices a second.
    pub rate: u32,
    /// From publish to notification command.
    pub notified: Times,
    /// From the question for an account to the answer, meanwhile.
    pub answered: Times,
    /// CPU an invoice, questions included: small batches cost more.
    pub cpu_us: Split,
}

/// Measures at each rate for so many seconds, on one system.
pub async fn measure(rates: &[u32], seconds: u32, members: usize) -> Result<Vec<Latency>> {
    let servers = Servers::start("latency", Sync::Default).await?;
    let program = Program::jifen(&servers, &["up"]).await?;
    let load = Load::connect(&servers.nats_url()).await?;
    let registered = load.register(members).await?;
    let input = Invoices::new(members);
    // The first invoice of each member is another one than those that follow.
    let first = |number: usize| input.document("W", number, &registered[number].phone, number as u128 + 1);
    invoices::publish(&load.js, 0..members, first).await?;
    at(&load, &input, &registered, "X", WARM_UP).await?;
    let mut measured = Vec::new();
    for (place, rate) in rates.iter().enumerate() {
        let processes = program.processes(&servers);
        let before = processes.cpu()?;
        let pace = Pace { rate: *rate, seconds };
        let (notified, answered) = at(&load, &input, &registered, &format!("L{place}"), pace).await?;
        let spent = processes.cpu()?.since(&before);
        let cpu_us = spent.micros_each(pace.count());
        measured.push(Latency { rate: *rate, notified: Times::of(&notified), answered: Times::of(&answered), cpu_us });
    }
    program.stop()?;
    Ok(measured)
}

async fn at(load: &Load, input: &Invoices, members: &[Member], run: &str, pace: Pace) -> Result<(Vec<Duration>, Vec<Duration>)> {
    let questions = Pace { rate: QUESTIONS, ..pace };
    tokio::try_join!(load.notified_after(input, members, run, pace), load.answered_after(members, questions))
}
