//! `jifen publish`: documents from files, as a POS sends them, and what became of them.

use std::{collections::HashMap, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, Result, bail};
use clap::Args;
use futures_util::StreamExt;
use jifen_contracts::{
    Envelope, document,
    receipt::{Receipt, ReceiptStatus},
    subject,
};
use jifen_kernel::StoreCode;
use sha2::{Digest, Sha256};

use crate::{client::Client, output::Printer, settings::Settings};

/// A receipt comes within milliseconds from a system that is well.
const RECEIPT_WAIT: Duration = Duration::from_secs(15);

#[derive(Debug, Args)]
pub struct Options {
    /// The kind of document: invoice, interaction, vehicle_sale, partner_purchase, sign_up.
    kind: String,
    /// A JSON file with one document, or several as JSON lines; `-` reads standard input.
    file: PathBuf,
    /// The store to publish as; the document's own if not given.
    #[arg(long)]
    store: Option<String>,
}

pub async fn publish(settings: &Settings, options: &Options, out: Printer) -> Result<ExitCode> {
    if !document::KINDS.contains(&options.kind.as_str()) {
        bail!("unknown kind {:?}; there are {}", options.kind, document::KINDS.join(", "));
    }
    let documents = read(options)?;
    let client = Client::connect(settings).await?;
    let mut receipts = client.nats.subscribe("receipt.v1.*").await?;
    client.nats.flush().await?;
    let js = async_nats::jetstream::new(client.nats.clone());
    let mut waiting: HashMap<String, usize> = HashMap::new();
    for (store, bytes) in documents {
        *waiting.entry(hex::encode(Sha256::digest(&bytes))).or_default() += 1;
        js.publish(subject::pos(&store, &options.kind), bytes.into()).await?.await.context("the stream did not take the document")?;
    }
    let mut refused = 0;
    while !waiting.is_empty() {
        let message = tokio::time::timeout(RECEIPT_WAIT, receipts.next()).await;
        let message =
            message.context("no receipt within 15 s: the documents are safe in the stream; `jifen doctor` shows why they wait")?;
        let message = message.context("the connection ended before all receipts were there")?;
        let receipt: Envelope<Receipt> = serde_json::from_slice(&message.payload)?;
        let receipt = receipt.data;
        let Some(left) = waiting.get_mut(&receipt.sha256) else { continue };
        *left -= 1;
        if *left == 0 {
            waiting.remove(&receipt.sha256);
        }
        refused += usize::from(receipt.status == ReceiptStatus::Rejected);
        out.line(format!(
            "{:9} {} {}{}  {} / {}",
            receipt.status.as_str(),
            receipt.document.as_deref().unwrap_or("?"),
            receipt.code.as_deref().unwrap_or_default(),
            receipt.pointer.as_deref().map(|pointer| format!(" at {pointer}")).unwrap_or_default(),
            receipt.text.zh,
            receipt.text.en,
        ));
    }
    Ok(if refused > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn read(options: &Options) -> Result<Vec<(StoreCode, Vec<u8>)>> {
    let text = if options.file.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin())?
    } else {
        std::fs::read_to_string(&options.file).with_context(|| format!("reading {}", options.file.display()))?
    };
    // One document may span lines; several stand one a line.
    let whole: Result<serde_json::Value, _> = serde_json::from_str(&text);
    let documents: Vec<&str> = if whole.is_ok() { vec![&text] } else { text.lines().filter(|line| !line.trim().is_empty()).collect() };
    crate::up::refuse_empty(&documents, "the file holds no document")?;
    let read = documents.into_iter().enumerate().map(|(index, line)| {
        let named = || -> Option<String> {
            let value: serde_json::Value = serde_json::from_str(line).ok()?;
            let data = if value.get("specversion").is_some() { value.get("data")? } else { &value };
            Some(data.get("store")?.as_str()?.to_owned())
        };
        let store = options.store.clone().or_else(named).with_context(|| {
            format!("document {} names no store (is it JSON?): to send it all the same, say for which with --store", index + 1)
        })?;
        Ok((StoreCode::try_new(store)?, line.as_bytes().to_vec()))
    });
    read.collect()
}
