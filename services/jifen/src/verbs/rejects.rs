//! `jifen rejects`: refused documents, and another try for them.

use anyhow::Result;
use clap::Subcommand;
use jifen_contracts::endpoint::{RejectsList, RejectsRequest, Resubmit, ResubmitRequest};
use jifen_kernel::{Clock, SystemClock};
use uuid::Uuid;

use crate::{client::Client, output::Printer, settings::Settings};

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Lists them, newest first.
    List {
        /// Only this store's.
        #[arg(long)]
        store: Option<String>,
        /// Only with this code.
        #[arg(long)]
        code: Option<String>,
        /// How many.
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// Processes one again, as it was received.
    Resubmit {
        /// Its key, from the list.
        reject_id: Uuid,
    },
}

pub async fn run(settings: &Settings, verb: Verb, out: Printer) -> Result<()> {
    let client = Client::connect(settings).await?;
    match verb {
        Verb::List { store, code, limit } => {
            let reply = client.ask::<RejectsList>(&RejectsRequest { store, code, limit: Some(limit), ..RejectsRequest::default() }).await?;
            let head = ["reject_id", "store", "kind", "document", "code", "pointer", "times", "at"].map(str::to_owned).to_vec();
            let rows = reply.rejects.into_iter().map(|reject| {
                vec![
                    reject.reject_id.to_string(),
                    reject.store,
                    reject.kind,
                    reject.document.unwrap_or_default(),
                    reject.code,
                    reject.pointer.unwrap_or_default(),
                    reject.times.to_string(),
                    reject.at.format("%Y-%m-%d %H:%M:%SZ").to_string(),
                ]
            });
            out.table(&std::iter::once(head).chain(rows).collect::<Vec<_>>());
            out.line(format!("{} in all", reply.total));
        }
        Verb::Resubmit { reject_id } => {
            let operation_id = jifen_kernel::Ids::system().next(SystemClock.now()).to_string();
            let reply = client.ask::<Resubmit>(&ResubmitRequest { operation_id, reject_id }).await?;
            out.line(format!("{} {}", reply.status, reply.code.unwrap_or_default()));
        }
    }
    Ok(())
}
