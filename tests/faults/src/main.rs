//! `jifen-faults`: seeded campaigns of faults. Exit code 1 if anything was wrong.

use std::{collections::BTreeMap, process::ExitCode, time::Instant};

use anyhow::Result;
use clap::{Parser, Subcommand};
use jifen_faults::{overload, plan::Plan, round::Verdict, season::play_season};
use tokio::signal::unix::{SignalKind, signal};

/// Rounds that share servers.
const SEASON: u64 = 10;
/// Differences of one round that are shown.
const LINES: usize = 20;

/// Kills, stops and cuts a running system at seeded moments, and compares what comes out with a model.
#[derive(Debug, Parser)]
struct Arguments {
    /// The first round's seed; the others count up from it.
    #[arg(long, env = "SEED")]
    seed: Option<u64>,
    /// How many rounds.
    #[arg(long, env = "ROUNDS", default_value_t = 5)]
    rounds: u64,
    #[command(subcommand)]
    kind: Option<Kind>,
}

#[derive(Debug, Subcommand)]
enum Kind {
    /// One round of another kind: ten times as much as the system takes, damaged accounts, a gateway that never answers.
    Overload {
        /// How long it is flooded.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
}

#[derive(Debug, Default)]
struct Total {
    rounds: u64,
    wrong: Vec<u64>,
    documents: usize,
    counts: BTreeMap<String, u32>,
    kinds: BTreeMap<&'static str, usize>,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let Arguments { seed, rounds, kind } = Arguments::parse();
    let seed = seed.unwrap_or_else(|| rand::random_range(1..1_000_000_000));
    if let Some(Kind::Overload { seconds }) = kind {
        return flood(seed, seconds).await;
    }
    say(&format!("faults: SEED={seed} ROUNDS={rounds}"));
    let (mut total, began) = (Total::default(), Instant::now());
    let mut at = seed;
    while at < seed + rounds {
        let seeds: Vec<u64> = (at..(at + SEASON).min(seed + rounds)).collect();
        let mut played = 0;
        let season = play_season(&seeds, jifen_e2e::today(), |plan, verdict| {
            played += 1;
            total.add(plan, verdict);
        });
        // Asked to stop, the season is dropped, and with it every process of its own.
        let season = tokio::select! { season = season => Some(season?), () = asked_to_stop() => None };
        if season.is_none() {
            say("stopped");
            break;
        }
        // A round that could not be judged ends its season; the next begins behind it.
        at += played.max(1);
    }
    total.show(began.elapsed().as_secs());
    Ok(if total.wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn flood(seed: u64, seconds: u64) -> Result<ExitCode> {
    say(&format!("overload: SEED={seed} SECONDS={seconds}"));
    let played = tokio::select! {
        played = overload::play(seed, seconds, jifen_e2e::today(), say) => played,
        () = asked_to_stop() => Err(anyhow::anyhow!("stopped")),
    };
    let wrong = match played {
        Ok(overload::Report { said, wrong }) => {
            for line in said {
                say(&format!("    {line}"));
            }
            wrong
        }
        Err(error) => vec![format!("{error:#}")],
    };
    for line in &wrong {
        say(&format!("WRONG: {line}"));
    }
    if !wrong.is_empty() {
        say(&format!("    again: make overload SEED={seed} SECONDS={seconds}"));
        return Ok(ExitCode::FAILURE);
    }
    say("nothing was wrong");
    Ok(ExitCode::SUCCESS)
}

impl Total {
    fn add(&mut self, plan: &Plan, verdict: &Result<Verdict>) {
        self.rounds += 1;
        let seed = plan.seed;
        let publishing = if plan.layout.atomic { "atomic " } else { "" };
        let head = format!("SEED={seed} {} x{} {publishing}", plan.layout.name, plan.layout.batch_messages);
        match verdict {
            Ok(Verdict { documents, resent, tally, kinds, settled, wrong }) => {
                let counts: Vec<String> = tally.counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
                let verdict = if wrong.is_empty() { "well" } else { "WRONG" };
                say(&format!(
                    "{head}{verdict}: {documents} documents ({resent} sent again), at rest after {}.{} s; {}",
                    settled.as_secs(),
                    settled.subsec_millis() / 100,
                    counts.join(", ")
                ));
                for line in wrong.iter().take(LINES) {
                    say(&format!("    {line}"));
                }
                if wrong.len() > LINES {
                    say(&format!("    and {} more", wrong.len() - LINES));
                }
                self.documents += documents;
                for (kind, count) in kinds {
                    *self.kinds.entry(kind).or_default() += count;
                }
                for (what, count) in &tally.counts {
                    *self.counts.entry(what.clone()).or_default() += count;
                }
                if !wrong.is_empty() {
                    self.wrong.push(seed);
                }
            }
            Err(error) => {
                say(&format!("{head}WRONG: {error:#}"));
                self.wrong.push(seed);
            }
        }
        if self.wrong.last() == Some(&seed) {
            say(&format!("    again: make faults SEED={seed} ROUNDS=1"));
        }
    }

    fn show(&self, seconds: u64) {
        let Self { rounds, wrong, documents, counts, kinds } = self;
        let kills: u32 = counts.iter().filter(|(what, _)| what.starts_with("kill")).map(|(_, count)| count).sum();
        say(&format!("{rounds} rounds in {seconds} s, {documents} documents, {kills} kills"));
        for (what, count) in counts {
            say(&format!("    {count:>5} {what}"));
        }
        for (kind, count) in kinds {
            say(&format!("    {count:>5} {kind}"));
        }
        say(&if wrong.is_empty() { "nothing was wrong".to_owned() } else { format!("wrong: {wrong:?}") });
    }
}

async fn asked_to_stop() {
    let signals = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
    let [Ok(mut interrupt), Ok(mut terminate)] = signals else { return std::future::pending().await };
    tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
}

#[expect(clippy::print_stdout, reason = "the campaign's report")]
fn say(line: &str) {
    println!("{line}");
}
