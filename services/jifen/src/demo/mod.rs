//! `jifen demo`: a sample group, played into a running system from outside, as its stores would.

mod invoices;
mod people;
mod plan;
mod summary;

use std::time::Duration;

use anyhow::{Context, Result};
use async_nats::jetstream::{self, stream::Stream};
use clap::Args;
use futures_util::{StreamExt, TryStreamExt, stream};
use jifen_contracts::{
    endpoint::{Empty, MemberCounts, NotificationCounts, Register},
    subject,
};
use jifen_kernel::{Clock, SystemClock, clock};
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use tokio::time::Instant;

use self::plan::{Message, Plan};
use crate::{client::Client, output::Printer, settings::Settings, verbs::program};

/// Registrations under way.
const REGISTRATIONS_IN_FLIGHT: usize = 16;
/// Documents published but not acknowledged.
const PUBLISHES_IN_FLIGHT: usize = 256;
/// The whole demo takes seconds; a system that needs longer is not well.
const SETTLE_WAIT: Duration = Duration::from_mins(5);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What to play.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Members of the group.
    #[arg(long, default_value_t = 200)]
    pub members: usize,
    /// Invoices of the ten days that end yesterday.
    #[arg(long, default_value_t = 2_000)]
    pub invoices: usize,
    /// Other numbers, other people.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Sends every document so many times.
    #[arg(long, default_value_t = 1)]
    pub times: usize,
    /// Shuffles the documents.
    #[arg(long)]
    pub shuffle: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { members: 200, invoices: 2_000, seed: 1, times: 1, shuffle: false }
    }
}

/// Plays it, waits until everything has settled, and sums up.
pub async fn run(settings: &Settings, options: &Options, out: Printer) -> Result<()> {
    let started = Instant::now();
    let client = Client::connect(settings).await?;
    let js = jetstream::new(client.nats.clone());
    let today = clock::local_date(SystemClock.now(), chrono_tz::Asia::Shanghai);
    let plan = Plan::new(options, today);
    let receipts = js.get_stream(subject::STREAM_RECEIPTS).await.context("the stream of receipts is missing: is this jifen's NATS?")?;
    let first_receipt = receipts.cached_info().state.last_sequence + 1;

    out.note(format!(
        "demo: a group of 3 stores, {} members, {} invoices from {} to {}",
        options.members, options.invoices, plan.first_day, plan.last_day
    ));
    let version = program::apply(&client, plan.program_files()?, plan.first_day, None, out).await?;
    out.note(format!("program version {version}: double points from {} to {}", plan.double_from, plan.double_to));
    let (early, late) = plan.people.split_at(plan.people.len() - plan.late_people);
    let mut first_member = register(&client, early, "members register", out).await?;
    wait_until_known(&client, &js).await?;
    let (first, second) = in_order(&plan, options);
    let published = Instant::now();
    publish(&js, &first, "documents", out).await?;
    if let Some(number) = register(&client, late, "late customers register", out).await? {
        first_member.get_or_insert(number);
    }
    publish(&js, &second, "more documents", out).await?;
    settle(&js, out).await?;
    let settled = published.elapsed();
    let receipts = summary::load_receipts(&js, first_receipt).await?;
    summary::show(
        &client,
        &summary::Run { receipts, documents: first.len() + second.len(), settled, total: started.elapsed(), first_member },
        out,
    )
    .await
}

/// The documents in the order of sending, in two halves.
fn in_order(plan: &Plan, options: &Options) -> (Vec<Message>, Vec<Message>) {
    let mut messages: Vec<Message> = std::iter::repeat_n(&plan.messages, options.times.max(1)).flatten().cloned().collect();
    if options.shuffle {
        messages.shuffle(&mut StdRng::seed_from_u64(options.seed ^ 0x5348_5546));
    }
    let second = messages.split_off(messages.len() / 2);
    (messages, second)
}

/// Registers people at their stores; gives the first member number.
async fn register(client: &Client, people: &[people::Person], what: &'static str, out: Printer) -> Result<Option<String>> {
    let bar = out.progress(people.len() as u64, what);
    // The requests are the stream's own: a borrowed one would bind the task that runs the demo to this frame.
    let requests = people.iter().map(|person| person.request.clone()).collect::<Vec<_>>();
    let numbers: Vec<String> = stream::iter(requests)
        .map(|request| {
            let (client, bar) = (client.clone(), bar.clone());
            async move {
                let reply = client.ask::<Register>(&request).await?;
                bar.inc(1);
                Ok::<_, anyhow::Error>(reply.member_no)
            }
        })
        .buffered(REGISTRATIONS_IN_FLIGHT)
        .try_collect()
        .await?;
    bar.finish_and_clear();
    Ok(numbers.into_iter().next())
}

/// Waits until every service knows everybody who has registered. A bill with one member's phone and another's car waits for a
/// review, but only where both are known by then: stores have minutes between the two, the demo has milliseconds.
async fn wait_until_known(client: &Client, js: &jetstream::Context) -> Result<()> {
    let deadline = Instant::now() + SETTLE_WAIT;
    loop {
        let members = client.ask::<MemberCounts>(&Empty {}).await?.counts.get("members").copied().unwrap_or(0);
        let messages = client.ask::<NotificationCounts>(&Empty {}).await?.counts;
        // Each is welcomed, or is not to be told: the events are out, and nobody has one left to read.
        let welcomed: i64 = messages.iter().filter(|(kind, _)| kind.starts_with("welcome/")).map(|(_, count)| count).sum();
        if welcomed >= members && waiting(js).await? == 0 {
            return Ok(());
        }
        if Instant::now() > deadline {
            anyhow::bail!("only {welcomed} of {members} members are known everywhere after 5 minutes: `jifen doctor` says why");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn publish(js: &jetstream::Context, messages: &[Message], what: &'static str, out: Printer) -> Result<()> {
    let bar = out.progress(messages.len() as u64, what);
    stream::iter(messages.to_vec())
        .map(|message| {
            let (js, bar) = (js.clone(), bar.clone());
            async move {
                let ack = js.publish(message.subject, message.bytes.into()).await?;
                ack.await.context("the stream did not take a document")?;
                bar.inc(1);
                Ok::<_, anyhow::Error>(())
            }
        })
        .buffered(PUBLISHES_IN_FLIGHT)
        .try_collect::<()>()
        .await?;
    bar.finish_and_clear();
    Ok(())
}

/// Waits until no service has anything left to do.
async fn settle(js: &jetstream::Context, out: Printer) -> Result<()> {
    let bar = out.progress(0, "the services work");
    let deadline = Instant::now() + SETTLE_WAIT;
    let mut quiet = 0;
    while quiet < 3 {
        let waiting = waiting(js).await?;
        quiet = if waiting == 0 { quiet + 1 } else { 0 };
        bar.set_length(bar.length().unwrap_or(0).max(waiting));
        bar.set_position(bar.length().unwrap_or(0).saturating_sub(waiting));
        if Instant::now() > deadline {
            anyhow::bail!("{waiting} messages are still waiting after 5 minutes: `jifen doctor` says where");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    bar.finish_and_clear();
    Ok(())
}

/// Messages that consumers have not finished.
async fn waiting(js: &jetstream::Context) -> Result<u64> {
    let mut waiting = 0;
    for name in [subject::STREAM_POS, subject::STREAM_EVENTS] {
        let stream: Stream = js.get_stream(name).await?;
        let mut consumers = stream.consumers();
        while let Some(consumer) = consumers.try_next().await? {
            if consumer.config.durable_name.is_some() {
                waiting += consumer.num_pending + u64::try_from(consumer.num_ack_pending).unwrap_or(0);
            }
        }
    }
    Ok(waiting)
}
