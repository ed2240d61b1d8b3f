//! The keeper: `jifen up` has one in its process; beside `jifen serve` it runs as `jifen keep`. Any number of them do no harm.

use std::time::Duration;

use anyhow::Result;
use jifen_infra::{Home, Keys, keeper, nats, rights, streams};
use tokio_util::sync::CancellationToken;

use crate::{output::Printer, serve::asked_to_stop, settings::Settings};

/// How often the streams are looked after. A missing one is there again within this time, and nobody can publish until then.
const KEEP_EVERY: Duration = Duration::from_secs(2);

/// Looks after the streams until `stop`, whatever happens to the broker meanwhile.
pub async fn keep(nats_url: String, keys: Keys, stop: CancellationToken) {
    let credentials = rights::credentials(&keys, rights::PROVISIONER);
    let (mut client, mut read) = (None, String::new());
    let mut said = String::new();
    loop {
        let kept = async {
            let client = match &mut client {
                Some(client) => client,
                none => none.insert(nats::connect(&nats_url, &credentials).await?),
            };
            streams::ensure_streams(client, 1).await?;
            let server = client.server_info().server_id;
            if read != server {
                for (stream, messages) in keeper::find_unreadable(client).await? {
                    tracing::warn!(stream, messages, "the broker can't read messages that it counts: its disk or its files are damaged");
                }
                read = server;
            }
            Ok::<_, anyhow::Error>(keeper::make_room(client).await?)
        };
        let now = match kept.await {
            Ok(kept) => kept.into_iter().map(said_of).collect::<Vec<_>>().join("; "),
            Err(error) => format!("the streams can't be looked after: {error:#}"),
        };
        // Not the same again every two seconds.
        if now != said && !now.is_empty() {
            tracing::warn!("{now}");
        }
        said = now;
        tokio::select! { () = stop.cancelled() => break, () = tokio::time::sleep(KEEP_EVERY) => {} }
    }
}

fn said_of(kept: keeper::Kept) -> String {
    let keeper::Kept { stream, percent, purged, missing } = kept;
    if missing.is_empty() {
        format!("stream {stream} was {percent} % full: purged {purged} messages that every service has")
    } else {
        format!("stream {stream} is {percent} % full and can't be purged: there is no consumer {} yet", missing.join(", "))
    }
}

/// `jifen keep`: the keeper alone, for servers of one's own.
pub async fn run(settings: &Settings, out: Printer) -> Result<()> {
    let home = Home::locate(&settings.home)?;
    let context = |what: &str| format!("`jifen keep` needs {what}");
    let nats_url = settings.nats_url.clone().ok_or_else(|| anyhow::anyhow!(context("the broker's address: give it as JIFEN_NATS_URL")))?;
    let keys = Keys::load(&home)
        .map_err(|error| anyhow::Error::from(error).context(context("the installation's keys: copy the folder `keys`")))?;
    let stop = CancellationToken::new();
    let keeping = tokio::spawn(keep(nats_url, keys, stop.clone()));
    out.note("keeping the streams");
    asked_to_stop().await?;
    stop.cancel();
    Ok(keeping.await?)
}
