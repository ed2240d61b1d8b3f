//! `jifen dead-letters`: messages that a service set aside.

use anyhow::{Context, Result};
use clap::Subcommand;
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
            for (service, letter) in list(&client).await? {
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

/// The dead letters of every service that answers.
pub async fn list(client: &Client) -> Result<Vec<(&'static str, jifen_runtime::dead_letter::DeadLetter)>> {
    let mut all = Vec::new();
    for entry in services::all() {
        let subject = format!("api.{}.dead_letter.list", entry.name);
        let reply: DeadLetterReply = client.ask_bare(subject, &DeadLetterRequest::default()).await?;
        all.extend(reply.letters.into_iter().map(|letter| (entry.name, letter)));
    }
    Ok(all)
}

/// Asks the service that has this letter.
async fn ask(client: &Client, verb: &str, id: Uuid) -> Result<DeadLetterReply> {
    let found = list(client).await?.into_iter().find(|(_, letter)| letter.id == id);
    let (service, _) = found.with_context(|| format!("no service has a dead letter {id}"))?;
    client.ask_bare(format!("api.{service}.dead_letter.{verb}"), &DeadLetterRequest { id: Some(id), limit: None }).await
}
