//! `jifen store`: which stores there are, and how their POS connects.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use chrono::NaiveDate;
use clap::Subcommand;
use jifen_contracts::{
    endpoint::{ProgramGet, ProgramGetRequest, ProgramList, ProgramsRequest},
    program::AppliedProgram,
};
use jifen_infra::rights;
use jifen_kernel::{Clock, StoreCode, SystemClock, clock};

use super::program;
use crate::{client::Client, output::Printer, settings::Settings};

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Lists the stores of the program in force.
    List,
    /// Adds a store: applies the program with one store more, and prints its credentials.
    Add {
        /// Its code: A-Z 0-9 _ -, at most 16.
        code: String,
        /// Its name in Chinese.
        #[arg(long)]
        name: String,
        /// Its name in English; the code if not given.
        #[arg(long)]
        name_en: Option<String>,
        /// First local day on which its documents count; today if not given.
        #[arg(long)]
        effective_from: Option<NaiveDate>,
    },
    /// Prints how a store's POS connects.
    Credentials {
        /// The store's code.
        code: String,
    },
}

pub async fn run(settings: &Settings, verb: Verb, out: Printer) -> Result<()> {
    let client = Client::connect(settings).await?;
    let newest = newest(&client).await?;
    match verb {
        Verb::List => {
            let head = ["code", "name", "brand"].map(str::to_owned).to_vec();
            let rows = newest.program.stores.into_iter().map(|store| {
                vec![
                    store.code.to_string(),
                    format!("{} / {}", store.name.zh, store.name.en),
                    store.brand.map(String::from).unwrap_or_default(),
                ]
            });
            out.table(&std::iter::once(head).chain(rows).collect::<Vec<_>>());
        }
        Verb::Add { code, name, name_en, effective_from } => {
            let code = StoreCode::try_new(code)?;
            if newest.program.store(code.as_str()).is_some() {
                bail!("store {code} is there already; `jifen store credentials {code}` prints how it connects");
            }
            let mut added = newest.program.clone();
            added.stores.push(jifen_contracts::program::Store {
                code: code.clone(),
                name: jifen_contracts::code::Text::new(name, name_en.unwrap_or_else(|| code.to_string())),
                brand: None,
            });
            let today = clock::local_date(SystemClock.now(), added.time_zone());
            // A version that is already announced for a later day must not lose the store.
            let from = effective_from.unwrap_or(today).max(newest.effective_from);
            let version = program::apply(&client, jifen_program::files_of(&added), from, Some(newest.version), out).await?;
            out.line(format!("store {code} counts from {from} (program version {version})"));
            credentials(&client, settings, &code, out)?;
            wait_until_known(&client, &code, out).await;
        }
        Verb::Credentials { code } => {
            let code = StoreCode::try_new(code)?;
            if newest.program.store(code.as_str()).is_none() {
                bail!("there is no store {code}; `jifen store list` shows those there are, `jifen store add` adds one");
            }
            credentials(&client, settings, &code, out)?;
        }
    }
    Ok(())
}

/// The newest version, in force or announced: what the next one builds on.
async fn newest(client: &Client) -> Result<AppliedProgram> {
    let mut newest = client.ask::<ProgramGet>(&ProgramGetRequest { version: None }).await?;
    loop {
        let page = client.ask::<ProgramList>(&ProgramsRequest { after: newest.version }).await?;
        let more = page.more;
        match page.versions.into_iter().last() {
            Some(later) => newest = later,
            None => return Ok(newest),
        }
        if !more {
            return Ok(newest);
        }
    }
}

/// How long the broker may take to learn of a store.
const KNOWN_WITHIN: Duration = Duration::from_secs(10);

/// Waits until the broker takes the store's credentials. A broker of the operator's own learns of it from the operator.
async fn wait_until_known(client: &Client, code: &StoreCode, out: Printer) {
    let Some(keys) = &client.keys else { return };
    let credentials = rights::credentials(keys, rights::store_user(code));
    let deadline = tokio::time::Instant::now() + KNOWN_WITHIN;
    while jifen_infra::nats::connect(&client.url, &credentials).await.is_err() {
        if tokio::time::Instant::now() > deadline {
            out.note("the broker does not know this user yet: give it to an own NATS (`jifen migrate --print-nats`); `jifen up` renews its own within 30 s");
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn credentials(client: &Client, settings: &Settings, code: &StoreCode, out: Printer) -> Result<()> {
    let keys = client.keys.as_ref().context("credentials come from the installation's keys: run this where its home is")?;
    let credentials = rights::credentials(keys, rights::store_user(code));
    out.line(format!("url            {}", client.url));
    out.line(format!("user           {}", credentials.user));
    out.line(format!("password       {}", credentials.password));
    out.line(format!("inbox prefix   {}", credentials.inbox_prefix));
    out.line("CA             none: the server listens on this machine only, without TLS");
    out.line(format!("publish        pos.v1.{code}.invoice   (stream POS)"));
    out.line(format!("receipts       receipt.v1.{code}   (stream RECEIPTS, durable consumer {code} with that filter)"));
    let door = match (settings.door_address, &client.http_address) {
        (Some(own), _) => own.to_string(),
        (None, Some(running)) => running.clone(),
        (None, None) => settings.http_address.to_string(),
    };
    out.line(format!("http           POST http://{door}/v1/documents/invoice   (OpenAPI: http://{door}/v1/openapi.json)"));
    out.line(format!("http token     {}   (Authorization: Bearer …)", jifen_door::token::token_of(keys, code)));
    out.line(format!("endpoints      api.points.account.get.{code} and every other with .{code}"));
    Ok(())
}
