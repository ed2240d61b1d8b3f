//! `make bench`: the whole path, POS document to notification command, through all services, on servers of its own in a
//! temporary home, with traffic to 127.0.0.1 only.
//!
//! The figure to trust on a shared machine is CPU an invoice, from the operating system's accounting; throughput and
//! latency are what this machine gave at this time.

#![expect(
    clippy::print_stdout,
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a program that prints measurements"
)]

mod load;
mod process;
mod system;

use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use tokio::time::Instant;

use crate::{load::Load, process::Cpu, system::System};

/// Measures the whole path.
#[derive(Debug, Parser)]
struct Options {
    /// Members registered beforehand.
    #[arg(long, default_value_t = 1_000)]
    members: usize,
    /// Invoices published as fast as the broker takes them.
    #[arg(long, default_value_t = 20_000)]
    invoices: usize,
    /// Invoices a second in the latency run, and for how long.
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// Seconds of the latency run.
    #[arg(long, default_value_t = 20)]
    seconds: u32,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let mut system = System::start().await?;
    let outcome = measure(&options, &system).await;
    system.stop()?;
    outcome
}

async fn measure(options: &Options, system: &System) -> Result<()> {
    let load = Load::connect(&system.nats_url).await?;
    println!("registering {} members …", options.members);
    let members = load.register(options.members).await?;
    let first_month = members.len();
    println!("warming up …");
    load.run_to_the_end(&members, "W", 1_000).await?;

    println!("{} invoices as fast as they go …", options.invoices);
    system.reset_statements().await?;
    let (cpu, batches, started) = (Cpu::read(system)?, system.batches().await?, Instant::now());
    let published = load.run_to_the_end(&members, "T", options.invoices).await?;
    let (took, spent) = (started.elapsed(), Cpu::read(system)?.since(&cpu));
    let count = options.invoices as f64;
    println!();
    println!("whole path, {} invoices of {first_month} members, {} services in one process", options.invoices, 7);
    println!(
        "  invoices/s              {:>10.0}   (published in {:.2} s, last message after {:.2} s)",
        count / took.as_secs_f64(),
        published.as_secs_f64(),
        took.as_secs_f64()
    );
    print_cpu(&spent, options.invoices);
    println!("  resident MiB            {:>10}   jifen (peak)", process::peak_mib(system.jifen_pid)?);
    let after = system.batches().await?;
    let (transactions, messages) = (after.count - batches.count, after.messages - batches.messages);
    println!("  batches                 {transactions:>10.0}   {:.1} messages each", messages / transactions);
    match system.statements().await? {
        Some(calls) => println!("  statements a batch      {:>10.1}   ({:.2} an invoice)", calls / transactions, calls / count),
        None => println!("  statements a batch             n/a   (this Postgres has no pg_stat_statements)"),
    }

    println!();
    println!("latency from publish to notification command at {}/s for {} s …", options.rate, options.seconds);
    let cpu = Cpu::read(system)?;
    let latencies = load.latencies(&members, options.rate, options.seconds).await?;
    let spent = Cpu::read(system)?.since(&cpu);
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!("  p50 {:.1} ms   p99 {:.1} ms   max {:.1} ms   ({} messages)", at(0.5), at(0.99), at(1.0), latencies.len());
    print_cpu(&spent, latencies.len());
    println!();
    println!("idle for 10 s …");
    let cpu = Cpu::read(system)?;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let spent = Cpu::read(system)?.since(&cpu);
    println!(
        "  idle CPU                {:>9.1}%   jifen {:.1}%, Postgres {:.1}%, NATS {:.1}%",
        share(spent.total()),
        share(spent.jifen),
        share(spent.postgres),
        share(spent.nats)
    );
    Ok(())
}

/// CPU time an invoice, by process.
fn print_cpu(spent: &Cpu, invoices: usize) {
    let micros = |time: Duration| time.as_secs_f64() * 1e6 / invoices as f64;
    let (jifen, postgres, nats) = (micros(spent.jifen), micros(spent.postgres), micros(spent.nats));
    println!("  CPU µs/invoice          {:>10.0}   jifen {jifen:.0}, Postgres {postgres:.0}, NATS {nats:.0}", micros(spent.total()));
}

fn share(time: Duration) -> f64 {
    time.as_secs_f64() * 10.0
}
