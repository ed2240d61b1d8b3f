//! The keeper: makes streams that are missing, and room in those that fill up. It has the provisioner's identity, since nobody
//! else may purge.
//!
//! Room is made only of what every durable of the services has acknowledged, whether it is there or not. Streams whose readers
//! are no services (receipts for stores, commands for gateways) are never purged: their readers come when they like. Their age
//! and size bound them, and what does not fit waits in its sender's outbox.

use async_nats::Client;
use async_nats::jetstream::context::ConsumerInfoErrorKind;
use async_nats::jetstream::stream::{Info, RawMessageErrorKind, Stream};
use async_nats::jetstream::{self, consumer};
use jifen_contracts::subject::PURGED_TO;

use crate::rights;
use crate::streams::{SPECS, StreamsError};

/// A stream fuller than this, in percent of its bytes, is purged of what everybody has.
pub const FULL_PERCENT: u64 = 60;

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
