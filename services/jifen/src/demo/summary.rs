//! What came of it, for people.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use async_nats::jetstream::{
    self,
    consumer::{DeliverPolicy, pull::OrderedConfig},
};
use futures_util::StreamExt;
use jifen_contracts::{
    Envelope,
    endpoint::{CampaignReport, Empty, IngestCounts, MemberCounts, NotificationCounts, PointsCounts, TierCounts},
    receipt::{Receipt, ReceiptStatus},
    subject,
};

use crate::{client::Client, output::Printer};

/// What is summed up.
pub struct Run {
    /// Receipts by fate and code.
    pub receipts: BTreeMap<String, u64>,
    /// Documents sent.
    pub documents: usize,
    /// From the first document to the last message.
    pub settled: Duration,
    /// The whole demo.
    pub total: Duration,
    /// A member to look at.
    pub first_member: Option<String>,
}

/// Counts the receipts from sequence `first` on.
pub async fn load_receipts(js: &jetstream::Context, first: u64) -> Result<BTreeMap<String, u64>> {
    let stream = js.get_stream(subject::STREAM_RECEIPTS).await?;
    let last = stream.cached_info().state.last_sequence;
    let mut counts = BTreeMap::new();
    if last < first {
        return Ok(counts);
    }
    let config = OrderedConfig { deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: first }, ..OrderedConfig::default() };
    let mut messages = stream.create_consumer(config).await?.messages().await?;
    while let Some(message) = messages.next().await {
        let message = message?;
        let receipt: Envelope<Receipt> = serde_json::from_slice(&message.payload)?;
        let receipt = receipt.data;
        let fate = match (receipt.status, receipt.code) {
            (ReceiptStatus::Rejected | ReceiptStatus::Parked, Some(code)) => format!("{} {code}", receipt.status.as_str()),
            (status, _) => status.as_str().to_owned(),
        };
        *counts.entry(fate).or_default() += 1;
        if message.info().is_ok_and(|info| info.stream_sequence >= last) {
            break;
        }
    }
    Ok(counts)
}

/// Prints the summary.
pub async fn show(client: &Client, run: &Run, out: Printer) -> Result<()> {
    let ask = Empty {};
    let (documents, members, points, campaigns, tiers, messages) = tokio::try_join!(
        client.ask::<IngestCounts>(&ask),
        client.ask::<MemberCounts>(&ask),
        client.ask::<PointsCounts>(&ask),
        client.ask::<CampaignReport>(&ask),
        client.ask::<TierCounts>(&ask),
        client.ask::<NotificationCounts>(&ask),
    )?;
    out.line("");
    out.line("================ 积分演示 · what happened ================");
    out.line(format!("{} documents sent; their receipts (a parked one gets a second at its release):", run.documents));
    let rows =
        |counts: &BTreeMap<String, u64>| counts.iter().map(|(name, count)| vec![name.clone(), count.to_string()]).collect::<Vec<_>>();
    out.table(&rows(&run.receipts));
    out.line("In the system now:");
    section(out, "documents", &documents.counts);
    section(out, "members", &members.counts);
    section(out, "points", &points.counts);
    for campaign in &campaigns.campaigns {
        out.line(format!(
            "  campaign {}@{}: {} points in {} bonuses for {} members",
            campaign.code, campaign.version, campaign.points, campaign.bonuses, campaign.members
        ));
    }
    section(out, "tiers", &tiers.counts);
    section(out, "messages", &messages.counts);
    out.line(format!(
        "From the first document to the last message: {} ms; the whole demo: {} ms.",
        run.settled.as_millis(),
        run.total.as_millis()
    ));
    // As this program was called: `target/debug/jifen` after `make run`.
    let program = std::env::args().next().unwrap_or_else(|| "jifen".to_owned());
    out.line("Try next (in another terminal):");
    if let Some(number) = &run.first_member {
        out.line(format!("  {program} account {number}"));
    }
    out.line(format!("  {program} rejects list          which documents were refused, and why"));
    out.line(format!("  {program} doctor                is everything well?"));
    out.line(format!("  {program} store credentials SH01"));
    out.line(format!("  {program} publish invoice FILE  send a bill of your own (an example: schemas/examples/)"));
    Ok(())
}

fn section(out: Printer, title: &str, counts: &BTreeMap<String, i64>) {
    let cells: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    out.line(format!("  {title}: {}", cells.join(", ")));
}
