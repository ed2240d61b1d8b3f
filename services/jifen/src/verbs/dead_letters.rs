//! `jifen dead-letters`: messages that a service set aside.

use anyhow::{Result, bail};
use clap::Subcommand;
use jifen_contracts::{Problem, code};
use jifen_runtime::service::{DeadLetterReply, DeadLetterRequest};
use uuid::Uuid;

use crate::{client::Client, output::Printer, services, settings::Settings};

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Lists them, newest first, of every service.
    List,
    /// Shows one with its content (which may hold personal data).
    Show {
        /// Its key.
        id: Uuid,
    },
    /// Hands one to its handler again.
    Retry {
        /// Its key.
        id: Uuid,
    },
}

pub async fn run(settings: &Settings, verb: Verb, out: Printer) -> Result<()> {
    let client = Client::connect(settings).await?;
    match verb {
        Verb::List => {
            let mut rows = vec![["id", "service", "consumer", "code", "reason", "at", "retried"].map(str::to_owned).to_vec()];
            let (letters, silent) = list(&client).await;
            for service in silent {
                out.note(format!("{service} does not answer: its dead letters are not shown"));
            }
            for (service, letter) in letters {
                rows.push(vec![
                    letter.id.to_string(),
                    service.to_owned(),
                    letter.consumer,
                    letter.code,
                    letter.reason,
                    letter.at.format("%Y-%m-%d %H:%M:%SZ").to_string(),
                    letter.retried_at.map(|at| at.format("%H:%M:%SZ").to_string()).unwrap_or_default(),
                ]);
            }
            if rows.len() == 1 {
                out.line("no dead letters");
            } else {
                out.table(&rows);
            }
        }
        Verb::Show { id } => {
            let reply = ask(&client, "show", id).await?;
            out.line(serde_json::to_string_pretty(&reply.letters)?);
            out.line(reply.payload.unwrap_or_default());
        }
        Verb::Retry { id } => {
            ask(&client, "retry", id).await?;
            out.line("processed");
        }
    }
    Ok(())
}

/// A dead letter with the service that has it.
type Owned = (&'static str, jifen_runtime::dead_letter::DeadLetter);

/// The newest dead letters of every service that answers, and those that don't.
pub async fn list(client: &Client) -> (Vec<Owned>, Vec<&'static str>) {
    let (mut all, mut silent) = (Vec::new(), Vec::new());
    for entry in services::all() {
        let subject = format!("api.{}.dead_letter.list", entry.name);
        match client.ask_bare::<DeadLetterReply>(subject, &DeadLetterRequest { id: None, limit: Some(1000) }).await {
            Ok(reply) => all.extend(reply.letters.into_iter().map(|letter| (entry.name, letter))),
            Err(_) => silent.push(entry.name),
        }
    }
    (all, silent)
}

/// Asks the service that has this letter: each in turn, however old the letter is.
async fn ask(client: &Client, verb: &str, id: Uuid) -> Result<DeadLetterReply> {
    for entry in services::all() {
        let asked = DeadLetterRequest { id: Some(id), limit: None };
        match client.ask_bare(format!("api.{}.dead_letter.{verb}", entry.name), &asked).await {
            Ok(reply) => return Ok(reply),
            Err(error) if error.downcast_ref::<Problem>().is_some_and(|problem| problem.code != code::DEAD_LETTER_NOT_FOUND.code) => {
                return Err(error);
            }
            // Not there, or not running: it may be another's.
            Err(_) => {}
        }
    }
    bail!("no running service has a dead letter {id}")
}
