//! The keeper: makes streams that are missing, and room in those that fill up. It has the provisioner's identity, since nobody
//! else may purge.
//!
//! Room is made only of what every durable of the services has acknowledged, whether it is there or not. Streams whose readers
//! are no services (receipts for stores, commands for gateways) are never purged: their readers come when they like. Their age
//! and size bound them, and what does not fit waits in its sender's outbox.

use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use async_nats::jetstream::context::ConsumerInfoErrorKind;
use async_nats::jetstream::stream::{Info, RawMessageErrorKind, Stream};
use async_nats::jetstream::{self, consumer};
use futures_util::{StreamExt, TryStreamExt};
use jifen_contracts::subject::{PURGED_TO, UNREADABLE};

use crate::rights;
use crate::streams::{SPECS, StreamsError};

/// A stream fuller than this, in percent of its bytes, is purged of what everybody has.
pub const FULL_PERCENT: u64 = 60;

/// Messages that are read in one go, and how many at most of a stream: the newest, where nobody has read them.
const READ_AT_ONCE: usize = 1_000;
const READ_AT_MOST: u64 = 200_000;
/// The reading consumer goes by itself if we do.
const READER_IDLE: Duration = Duration::from_secs(30);
/// More ranges than this are written down as one: a stream's metadata are small.
const RANGES_AT_MOST: usize = 500;

/// What was done about a full stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The stream.
    pub stream: &'static str,
    /// How full it was.
    pub percent: u64,
    /// How many messages everybody had.
    pub purged: u64,
    /// Durables that are not there yet: nothing may go before they have it.
    pub missing: Vec<&'static str>,
}

/// How full a stream is, in percent of its bytes.
pub fn percent_full(info: &Info) -> u64 {
    u64::try_from(info.config.max_bytes).ok().filter(|max| *max > 0).map_or(0, |max| info.state.bytes * 100 / max)
}

/// Purges what everybody has from streams over [`FULL_PERCENT`]. `client` is the provisioner's.
pub async fn make_room(client: &Client) -> Result<Vec<Kept>, StreamsError> {
    let context = jetstream::new(client.clone());
    let mut kept = Vec::new();
    for spec in SPECS {
        let failed = |reason: String| StreamsError::Refused { stream: spec.name, reason };
        if rights::durables_of(spec.name).next().is_none() {
            continue;
        }
        let stream = context.get_stream(spec.name).await.map_err(|error| failed(error.to_string()))?;
        let percent = percent_full(stream.cached_info());
        if percent > FULL_PERCENT {
            let (purged, missing) = purge(&context, &stream, spec.name).await.map_err(failed)?;
            kept.push(Kept { stream: spec.name, percent, purged, missing });
        }
    }
    Ok(kept)
}

async fn purge(context: &jetstream::Context, stream: &Stream<Info>, name: &'static str) -> Result<(u64, Vec<&'static str>), String> {
    let mut config = stream.cached_info().config.clone();
    // As of before the durables are asked: what comes later is nobody's yet.
    let mut first_wanted = stream.cached_info().state.last_sequence + 1;
    let mut missing = Vec::new();
    for durable in rights::durables_of(name) {
        match stream.consumer_info(durable).await {
            Ok(info) => first_wanted = first_wanted.min(first_unread(stream, &info).await?.unwrap_or(first_wanted)),
            Err(error) if matches!(error.kind(), ConsumerInfoErrorKind::NotFound) => missing.push(durable),
            Err(error) => return Err(error.to_string()),
        }
    }
    if !missing.is_empty() || first_wanted <= stream.cached_info().state.first_sequence {
        return Ok((0, missing));
    }
    // First the word, then the deed: whoever finds the messages gone must find out that they were purged.
    config.metadata.insert(PURGED_TO.to_owned(), (first_wanted - 1).to_string());
    context.update_stream(config).await.map_err(|error| error.to_string())?;
    let purged = stream.purge().sequence(first_wanted).await.map_err(|error| error.to_string())?;
    Ok((purged.purged, missing))
}

/// The first message that a durable has not acknowledged. Where it reads few subjects its floor lies far behind, so the stream
/// is asked for the next one that concerns it.
async fn first_unread(stream: &Stream<Info>, durable: &consumer::Info) -> Result<Option<u64>, String> {
    let config = &durable.config;
    let mut filters = config.filter_subjects.clone();
    if filters.is_empty() {
        filters.push(if config.filter_subject.is_empty() { ">".to_owned() } else { config.filter_subject.clone() });
    }
    let mut first = None;
    for filter in filters {
        match stream.get_first_raw_message_by_subject(filter, durable.ack_floor.stream_sequence + 1).await {
            Ok(message) => first = Some(first.map_or(message.sequence, |first: u64| first.min(message.sequence))),
            Err(error) if matches!(error.kind(), RawMessageErrorKind::NoMessageFound) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(first)
}

/// Reads what is not acknowledged yet, without its content, and writes down which sequences the broker counts and can't read:
/// it looks at checksums when a message is due, and passes over a damaged one without a word. To be called when the broker
/// has restarted. `client` is the provisioner's. Gives the number of damaged messages by stream.
pub async fn find_unreadable(client: &Client) -> Result<Vec<(&'static str, u64)>, StreamsError> {
    let context = jetstream::new(client.clone());
    let mut found = Vec::new();
    for spec in SPECS {
        let failed = |reason: String| StreamsError::Refused { stream: spec.name, reason };
        let stream = context.get_stream(spec.name).await.map_err(|error| failed(error.to_string()))?;
        let ranges = unreadable(&stream).await.map_err(failed)?;
        if ranges.is_empty() {
            continue;
        }
        let (first, last) = (ranges[0].0, ranges[ranges.len() - 1].1);
        let noted = if ranges.len() > RANGES_AT_MOST { vec![(first, last)] } else { ranges.clone() };
        let mut config = stream.cached_info().config.clone();
        let text: Vec<String> = noted.iter().map(|(first, last)| format!("{first}-{last}")).collect();
        config.metadata.insert(UNREADABLE.to_owned(), text.join(","));
        context.update_stream(config).await.map_err(|error| failed(error.to_string()))?;
        found.push((spec.name, ranges.iter().map(|(first, last)| last - first + 1).sum()));
    }
    Ok(found)
}

/// The ranges of what can't be read behind what every reader has acknowledged.
async fn unreadable(stream: &Stream<Info>) -> Result<Vec<(u64, u64)>, String> {
    let state = &stream.cached_info().state;
    let durables: Vec<consumer::Info> = stream.consumers().try_collect().await.map_err(|error| error.to_string())?;
    let of_interest = durables.iter().filter(|info| info.config.durable_name.is_some());
    let floor = of_interest.map(|info| info.ack_floor.stream_sequence).min().unwrap_or(0);
    let from = (floor + 1).max(state.first_sequence).max(state.last_sequence.saturating_sub(READ_AT_MOST));
    if state.messages == 0 || from > state.last_sequence {
        return Ok(Vec::new());
    }
    let config = pull::Config {
        deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: from },
        ack_policy: AckPolicy::None,
        headers_only: true,
        memory_storage: true,
        inactive_threshold: READER_IDLE,
        ..pull::Config::default()
    };
    let reader: PullConsumer = stream.create_consumer(config).await.map_err(|error| error.to_string())?;
    let mut next = from;
    let mut missing: Vec<(u64, u64)> = Vec::new();
    loop {
        let mut messages = reader.fetch().max_messages(READ_AT_ONCE).messages().await.map_err(|error| error.to_string())?;
        let before = next;
        while let Some(message) = messages.next().await {
            let message = message.map_err(|error| error.to_string())?;
            let sequence = message.info().map_err(|error| error.to_string())?.stream_sequence;
            if sequence > next {
                missing.push((next, sequence - 1));
            }
            next = next.max(sequence + 1);
        }
        if next == before || next > state.last_sequence {
            break;
        }
    }
    if next <= state.last_sequence {
        missing.push((next, state.last_sequence));
    }
    let name = reader.cached_info().name.clone();
    // It would go by itself.
    let _ = stream.delete_consumer(&name).await;
    Ok(missing)
}
