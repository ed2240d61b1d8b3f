//! `jifen doctor`: is everything well, and what to do where it isn't.

use std::process::ExitCode;

use anyhow::Result;
use async_nats::jetstream;
use futures_util::TryStreamExt;
use jifen_contracts::{
    endpoint::{Empty, NotificationCounts, PointsCounts},
    subject::STREAMS,
};

use jifen_infra::{keeper, rights};

use super::dead_letters;
use crate::{client::Client, output::Printer, services, settings::Settings};

/// A consumer further behind than this is warned about.
const BEHIND: u64 = 10_000;

struct Findings {
    out: Printer,
    bad: usize,
}

impl Findings {
    fn good(&self, what: impl std::fmt::Display) {
        self.out.line(format!("  ok    {what}"));
    }

    fn bad(&mut self, what: impl std::fmt::Display, remedy: &str) {
        self.bad += 1;
        self.out.line(format!("  WRONG {what}"));
        self.out.line(format!("        -> {remedy}"));
    }
}

pub async fn doctor(settings: &Settings, out: Printer) -> Result<ExitCode> {
    let client = Client::connect(settings).await?;
    let mut findings = Findings { out, bad: 0 };
    findings.good(format!("NATS {} at {}", client.nats.server_info().version, client.url));
    check_services(&client, &mut findings).await?;
    check_streams(&client, &mut findings).await?;
    check_dead_letters(&client, &mut findings).await;
    check_accruals(&client, &mut findings).await;
    check_messages(&client, &mut findings).await;
    check_outboxes(&client, &mut findings).await;
    let bad = findings.bad;
    out.line(if bad == 0 { "everything is well".to_owned() } else { format!("{bad} to look at") });
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn check_services(client: &Client, findings: &mut Findings) -> Result<()> {
    let copies = client.program_versions().await?;
    let newest = copies.iter().filter_map(|(_, version)| *version).max();
    for entry in services::all() {
        let own: Vec<_> = copies.iter().filter(|(name, _)| name == entry.name).collect();
        if own.is_empty() {
            findings.bad(
                format!("{}: no copy answers", entry.name),
                "start it: `jifen up`, or `jifen serve` with its name; its log says why it ended",
            );
        } else if own.iter().any(|(_, version)| *version != newest && entry.name != "program") {
            findings.bad(
                format!("{}: a copy does not know program version {}", entry.name, newest.unwrap_or(0)),
                "it asks every 30 s; if this stays, look at its log",
            );
        } else {
            findings.good(format!("{}: {} running, program version {}", entry.name, own.len(), newest.unwrap_or(0)));
        }
    }
    Ok(())
}

async fn check_streams(client: &Client, findings: &mut Findings) -> Result<()> {
    let js = jetstream::new(client.nats.clone());
    for (name, _) in STREAMS {
        let stream = match js.get_stream(*name).await {
            Ok(stream) => stream,
            Err(error) => {
                findings.bad(
                    format!("stream {name}: {error}"),
                    "the keeper makes missing ones within seconds: `jifen up` has one, beside `jifen serve` run `jifen keep`; its log says why it \
                     can't; then look at NATS's log and disk",
                );
                continue;
            }
        };
        let info = stream.cached_info();
        let full = keeper::percent_full(info);
        if full > keeper::FULL_PERCENT {
            let remedy = if rights::durables_of(name).next().is_some() {
                "the keeper purges what every service has: a consumer is behind or missing (below), or no `jifen keep` runs"
            } else {
                "its readers are behind: look at the gateways or stores; it is never purged, what is too old goes by itself"
            };
            findings.bad(format!("stream {name} is {full} % full"), remedy);
        } else {
            findings.good(format!("stream {name}: {} messages, {full} % full", info.state.messages));
        }
        let mut consumers = stream.consumers();
        let mut missing: Vec<&str> = rights::durables_of(name).collect();
        while let Some(consumer) = consumers.try_next().await? {
            missing.retain(|durable| *durable != consumer.name);
            let waiting = consumer.num_pending + u64::try_from(consumer.num_ack_pending).unwrap_or(0);
            if waiting > BEHIND {
                findings.bad(
                    format!("consumer {} is {waiting} messages behind", consumer.name),
                    "start more copies of its service; if it does not move at all, look at its log",
                );
            } else if consumer.num_redelivered > 0 && waiting > 0 {
                findings.bad(
                    format!("consumer {}: {} messages come again and again", consumer.name, consumer.num_redelivered),
                    "its service's log says why (a service that it asks is down, or a program version is missing)",
                );
            }
        }
        if !missing.is_empty() {
            findings.bad(
                format!("stream {name} has no consumer {}", missing.join(", ")),
                "a service makes its consumers when it starts, and again when they are lost: start it, or look at its log",
            );
        }
    }
    Ok(())
}

async fn check_dead_letters(client: &Client, findings: &mut Findings) {
    let (letters, silent) = dead_letters::list(client).await;
    let open = letters.iter().filter(|(_, letter)| letter.retried_at.is_none()).count();
    if !silent.is_empty() {
        findings.bad(format!("dead letters of {} can't be read", silent.join(", ")), "see the services above");
    }
    if open > 0 {
        findings.bad(format!("{open} dead letters"), "`jifen dead-letters list`, then show, mend the cause, retry");
    } else if silent.is_empty() {
        findings.good("no dead letters");
    }
}

async fn check_accruals(client: &Client, findings: &mut Findings) {
    match client.ask::<PointsCounts>(&Empty {}).await {
        Ok(reply) => {
            let open = reply.counts.get("unsettled").copied().unwrap_or(0);
            findings
                .good(format!("{} accruals settled, {open} wait for campaign's answer", reply.counts.get("settled").copied().unwrap_or(0)));
        }
        Err(problem) => findings.bad(format!("points does not answer: {problem}"), "see the services above"),
    }
}

/// Messages of which nobody can say whether they arrived: they are never sent again, so somebody should know.
async fn check_messages(client: &Client, findings: &mut Findings) {
    match client.ask::<NotificationCounts>(&Empty {}).await {
        Ok(reply) => {
            let sum = |end: &str| -> i64 { reply.counts.iter().filter(|(word, _)| word.ends_with(end)).map(|(_, count)| count).sum() };
            findings.good(format!(
                "{} messages delivered; of {} no gateway said a word in their time, of {} it can't tell",
                sum("/delivered"),
                sum("/commanded/silent"),
                sum("/unknown")
            ));
        }
        Err(problem) => findings.bad(format!("notification does not answer: {problem}"), "see the services above"),
    }
}

/// Outboxes, and what the broker has lost, from the metrics, where the process runs on this machine.
async fn check_outboxes(client: &Client, findings: &mut Findings) {
    let Some(address) = &client.http_address else { return };
    match metrics(address).await {
        Ok(text) => {
            let oldest = text
                .lines()
                .filter(|line| line.starts_with("jifen_state{") && line.contains("outbox_oldest_seconds"))
                .filter_map(|line| line.rsplit(' ').next()?.split('.').next()?.parse::<i64>().ok())
                .max()
                .unwrap_or(0);
            if oldest > 60 {
                findings.bad(
                    format!("an event waits in an outbox for {oldest} s"),
                    "the broker does not take it: look at NATS's log, disk and the streams above",
                );
            } else {
                findings.good("outboxes are published");
            }
            let forgotten = sum_of(&text, "jifen_messages_total{", "fate=\"forgotten\"");
            if forgotten > 0 {
                findings.good(format!(
                    "the broker had lost {forgotten} messages since the start; they were published again from the database. Look at NATS's \
                     log and disk"
                ));
            }
        }
        Err(error) => findings.bad(format!("no metrics at {address}: {error}"), "is the process still running?"),
    }
}

/// The sum of a metric over its labels, of those lines that have one of them.
fn sum_of(text: &str, metric: &str, label: &str) -> i64 {
    let lines = text.lines().filter(|line| line.starts_with(metric) && line.contains(label));
    lines.filter_map(|line| line.rsplit(' ').next()?.split('.').next()?.parse::<i64>().ok()).sum()
}

async fn metrics(address: &str) -> std::io::Result<String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let ask = async {
        let mut stream = tokio::net::TcpStream::connect(address).await?;
        stream.write_all(format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes()).await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        Ok(text)
    };
    tokio::time::timeout(std::time::Duration::from_secs(5), ask).await.map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))?
}
