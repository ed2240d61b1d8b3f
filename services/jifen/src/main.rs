//! jifen: the program that composes the services, and the operator's verbs.

mod client;
mod demo;
mod import;
mod keep;
mod output;
mod running;
mod serve;
mod services;
mod settings;
mod sheet;
mod simulate;
mod up;
mod verbs;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand};
use jifen_runtime::telemetry;

use crate::{output::Printer, settings::Settings};

// A batch makes and drops some ten thousand small values: the system's allocator takes half the program's time for them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// 积分: after-sales loyalty points for a dealer group, on its own servers.
#[derive(Debug, Parser)]
#[command(version, about, arg_required_else_help = true)]
struct Arguments {
    /// Where state lives (JIFEN_HOME; default .jifen).
    #[arg(long, global = true, value_name = "DIR")]
    home: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Runs everything in one process, with its own NATS and Postgres unless URLs are given.
    Up {
        /// Plays the sample group into the system once it is ready.
        #[arg(long)]
        demo: bool,
    },
    /// Runs chosen services against existing servers (all if none is named).
    Serve {
        /// program member ingest points campaign tier notification
        services: Vec<String>,
    },
    /// Looks after the streams of an existing NATS, beside `serve`: makes missing ones, and room in full ones. `up` does it itself.
    Keep,
    /// Prepares the database: roles, schemas, tables.
    Migrate {
        /// Prints the SQL for a DBA instead.
        #[arg(long)]
        print_sql: bool,
        /// Prints the accounts, users and rights that an existing NATS needs, as its configuration has them.
        #[arg(long)]
        print_nats: bool,
        /// With `--print-nats`: a store beside those of the program, or instead of them where no database is given.
        #[arg(long, requires = "print_nats")]
        store: Vec<String>,
    },
    /// Plays the sample group into a running system: 200 members, 2,000 invoices, and everything that goes wrong.
    Demo(demo::Options),
    /// Shows whether everything is well, and what to do where it isn't.
    Doctor,
    /// Shows a member's account, tier and last entries.
    Account {
        /// The number on the card.
        member_no: String,
    },
    /// Adjustments of accounts: points given or taken by staff, above a limit with a second person.
    #[command(subcommand)]
    Adjust(verbs::adjust::Verb),
    /// Freezes an account: it earns, and nothing of it can be held, spent or taken.
    Freeze(verbs::freeze::Options),
    /// Ends the freezing of an account.
    Unfreeze(verbs::freeze::Options),
    /// Explains an entry of the ledger, or why a document earned nothing: computed again under its own rules.
    Explain(verbs::explain::Options),
    /// Checks the ledger against itself, its seals and the anchors outside the database; proves one entry, or checks such a proof.
    Verify(verbs::verify::Options),
    /// What stores owe each other for a month: points funded by one and spent at another; liability, breakage, journals.
    Settlement(verbs::settlement::Options),
    /// Compares what a store says of its day with what arrived of it, and names each document that differs.
    Day(verbs::day::Options),
    /// Publishes documents as a POS does, and waits for their receipts.
    Publish(verbs::publish::Options),
    /// Imports invoices from a DMS's export (CSV), or `lots`: opening balances of another system.
    Import(import::Options),
    /// Stores: who may send documents.
    #[command(subcommand)]
    Store(verbs::store::Verb),
    /// Programs: the rules as versioned data.
    #[command(subcommand)]
    Program(verbs::program::Verb),
    /// What a program would have cost: replays recorded invoices under a draft, and compares.
    Simulate(simulate::Options),
    /// Documents that were refused.
    #[command(subcommand)]
    Rejects(verbs::rejects::Verb),
    /// Says once more what is known of members, for a service that was not there when it happened.
    Replay {
        /// members tiers (both if none is named)
        what: Vec<verbs::replay::What>,
    },
    /// Messages that a service could not process.
    #[command(subcommand, name = "dead-letters")]
    DeadLetters(verbs::dead_letters::Verb),
    /// Prints every setting with its meaning and default.
    Config,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(code) => code,
        Err(error) => {
            Printer.error(&said_once(&error));
            ExitCode::FAILURE
        }
    }
}

/// The error with its causes, but none that another one has quoted already.
fn said_once(error: &anyhow::Error) -> String {
    error
        .chain()
        .map(ToString::to_string)
        .reduce(|said, cause| if said.contains(&cause) { said } else { format!("{said}: {cause}") })
        .unwrap_or_default()
}

fn run(arguments: Arguments) -> Result<ExitCode> {
    if matches!(arguments.verb, Verb::Config) {
        Printer.text(settings::DEFAULTS);
        return Ok(ExitCode::SUCCESS);
    }
    let settings = Settings::load(arguments.home.as_deref())?;
    telemetry::start_logging(&settings.log, settings.log_json).map_err(anyhow::Error::msg)?;
    // Children are bound to the life of the thread that spawns them: infra keeps one of its own for that.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let code = runtime.block_on(dispatch(arguments.verb, settings));
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    code
}

async fn dispatch(verb: Verb, settings: Settings) -> Result<ExitCode> {
    let out = Printer;
    match verb {
        Verb::Up { demo } => up::up(settings, demo).await?,
        Verb::Serve { services } => serve::serve(settings, &services).await?,
        Verb::Keep => keep::run(&settings, out).await?,
        Verb::Migrate { print_nats: true, store, .. } => verbs::migrate::print_nats(&settings, &store, out).await?,
        Verb::Migrate { print_sql, .. } => verbs::migrate::migrate(&settings, print_sql, out).await?,
        Verb::Demo(options) => demo::run(&settings, &options, out).await?,
        Verb::Doctor => return verbs::doctor::doctor(&settings, out).await,
        Verb::Account { member_no } => verbs::account::account(&settings, &member_no, out).await?,
        Verb::Adjust(verb) => verbs::adjust::run(&settings, verb, out).await?,
        Verb::Freeze(options) => verbs::freeze::freeze(&settings, options, out).await?,
        Verb::Unfreeze(options) => verbs::freeze::unfreeze(&settings, options, out).await?,
        Verb::Explain(options) => verbs::explain::explain(&settings, options, out).await?,
        Verb::Verify(options) => return verbs::verify::verify(&settings, &options, out).await,
        Verb::Settlement(options) => verbs::settlement::settlement(&settings, &options, out).await?,
        Verb::Day(options) => return verbs::day::day(&settings, options, out).await,
        Verb::Publish(options) => return verbs::publish::publish(&settings, &options, out).await,
        Verb::Import(options) => return import::run(&settings, options, out).await,
        Verb::Store(verb) => verbs::store::run(&settings, verb, out).await?,
        Verb::Simulate(options) => simulate::run(&settings, options, out).await?,
        Verb::Program(verb) => return verbs::program::run(&settings, verb, out).await,
        Verb::Replay { what } => verbs::replay::replay(&settings, &what, out).await?,
        Verb::Rejects(verb) => verbs::rejects::run(&settings, verb, out).await?,
        Verb::DeadLetters(verb) => verbs::dead_letters::run(&settings, verb, out).await?,
        Verb::Config => {}
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn a_cause_that_is_quoted_is_not_said_again() {
        let error = anyhow::anyhow!("connection refused").context("no answer (connection refused)").context("starting");
        assert_eq!(said_once(&error), "starting: no answer (connection refused)");
    }

    #[test]
    fn every_verb_and_option_can_be_parsed() {
        Arguments::command().debug_assert();
    }
}
