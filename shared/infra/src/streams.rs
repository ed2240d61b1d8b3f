//! The streams, as data. The broker may lose all of them and nothing is lost: what they hold is in Postgres, or still with
//! the store that has no receipt yet.

use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use async_nats::jetstream::{self, ErrorCode};
use jifen_contracts::subject::{STREAM_EVENTS, STREAM_GATEWAY_RECEIPTS, STREAM_NOTIFY, STREAM_POS, STREAM_RECEIPTS, STREAMS};

const MIB: i64 = 1024 * 1024;
const HOURS_72: Duration = Duration::from_hours(72);
const DAYS_7: Duration = Duration::from_hours(7 * 24);
/// The shortest that the server takes. Documents are told apart by their content's identity, never by the broker: a
/// refused one must not swallow the corrected one that comes with the same id.
const NO_WINDOW: Duration = Duration::from_millis(100);
/// Long enough for the repeats of a relay, short enough not to hold millions of ids.
const WINDOW: Duration = Duration::from_mins(2);

/// One stream.
#[derive(Debug, Clone, Copy)]
pub struct StreamSpec {
    /// Its name, which gives its subject ([`STREAMS`]).
    pub name: &'static str,
    /// How long a message stays.
    pub max_age: Duration,
    /// How much it may hold; a publish beyond it is refused and waits in its sender's outbox.
    pub max_bytes: i64,
    /// How long the server remembers message ids.
    pub duplicate_window: Duration,
}

/// All of them. Together they reserve 7 GiB, below [`crate::nats_server::NatsOptions::DEFAULT_MAX_FILE_STORE`].
pub const SPECS: &[StreamSpec] = &[
    StreamSpec { name: STREAM_POS, max_age: HOURS_72, max_bytes: 2048 * MIB, duplicate_window: NO_WINDOW },
    StreamSpec { name: STREAM_RECEIPTS, max_age: HOURS_72, max_bytes: 512 * MIB, duplicate_window: WINDOW },
    StreamSpec { name: STREAM_EVENTS, max_age: DAYS_7, max_bytes: 3584 * MIB, duplicate_window: WINDOW },
    StreamSpec { name: STREAM_NOTIFY, max_age: HOURS_72, max_bytes: 768 * MIB, duplicate_window: WINDOW },
    StreamSpec { name: STREAM_GATEWAY_RECEIPTS, max_age: HOURS_72, max_bytes: 256 * MIB, duplicate_window: WINDOW },
];

/// Why a stream does not stand as declared.
#[derive(Debug, thiserror::Error)]
pub enum StreamsError {
    /// It exists otherwise, in a way that can't be changed.
    #[error(
        "stream {stream} exists with {what}, which can't be changed: remove it (`nats stream rm {stream}`, its messages are published again \
         from the database) and start again"
    )]
    Different {
        /// The stream.
        stream: &'static str,
        /// What differs.
        what: String,
    },
    /// The server has not got the room.
    #[error("the server has no room for stream {stream} ({reason}): raise JetStream's max_file_store, or free the disk")]
    NoRoom {
        /// The stream.
        stream: &'static str,
        /// What the server said.
        reason: String,
    },
    /// The server refused it, or did not answer.
    #[error("stream {stream}: {reason}; streams are made by the user `provisioner` of a server with JetStream")]
    Refused {
        /// The stream.
        stream: &'static str,
        /// What the server said.
        reason: String,
    },
}

/// The declared configuration.
pub fn config(spec: &StreamSpec, replicas: usize) -> Config {
    let subjects = STREAMS.iter().filter(|(name, _)| *name == spec.name).map(|(_, subject)| (*subject).to_owned()).collect();
    Config {
        name: spec.name.to_owned(),
        subjects,
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        discard: DiscardPolicy::New,
        max_age: spec.max_age,
        max_bytes: spec.max_bytes,
        max_messages: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        duplicate_window: spec.duplicate_window,
        num_replicas: replicas,
        // A gap in a stream then means loss, and is found.
        deny_delete: true,
        // Where every write is synced, the services publish a commit's messages as one batch.
        allow_atomic_publish: true,
        ..Config::default()
    }
}

/// Makes the streams that are missing and brings the others to what is declared, except that one made larger stays larger.
/// `client` is the provisioner's.
pub async fn ensure_streams(client: &Client, replicas: usize) -> Result<(), StreamsError> {
    let context = jetstream::new(client.clone());
    let mut failed = Ok(());
    for spec in SPECS {
        // One that can't be made must not keep the others from being made.
        failed = failed.and(ensure(&context, spec, replicas).await);
    }
    failed
}

async fn ensure(context: &jetstream::Context, spec: &StreamSpec, replicas: usize) -> Result<(), StreamsError> {
    let stream = spec.name;
    let mut wanted = config(spec, replicas);
    let existing = match context.get_stream(stream).await {
        Ok(existing) => existing.cached_info().config.clone(),
        Err(error) => {
            return match error.kind() {
                GetStreamErrorKind::JetStream(reason) if reason.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                    context.create_stream(wanted).await.map(|_| ()).map_err(|error| refused(stream, &error.kind(), error.to_string()))
                }
                _ => Err(StreamsError::Refused { stream, reason: error.to_string() }),
            };
        }
    };
    if existing.storage != wanted.storage || existing.retention != wanted.retention {
        let what = format!("storage {:?} and retention {:?}", existing.storage, existing.retention);
        return Err(StreamsError::Different { stream, what });
    }
    wanted.max_bytes = wanted.max_bytes.max(existing.max_bytes);
    wanted.metadata.clone_from(&existing.metadata);
    if is_as_wanted(&existing, &wanted) {
        return Ok(());
    }
    context.update_stream(wanted).await.map(|_| ()).map_err(|error| refused(stream, &error.kind(), error.to_string()))
}

fn is_as_wanted(existing: &Config, wanted: &Config) -> bool {
    existing.subjects == wanted.subjects
        && existing.discard == wanted.discard
        && existing.max_age == wanted.max_age
        && existing.max_bytes == wanted.max_bytes
        && existing.max_messages == wanted.max_messages
        && existing.max_messages_per_subject == wanted.max_messages_per_subject
        && existing.duplicate_window == wanted.duplicate_window
        && existing.num_replicas == wanted.num_replicas
        && existing.deny_delete == wanted.deny_delete
        && existing.allow_atomic_publish == wanted.allow_atomic_publish
}

fn refused(stream: &'static str, kind: &CreateStreamErrorKind, reason: String) -> StreamsError {
    match kind {
        CreateStreamErrorKind::JetStream(error)
            if [ErrorCode::STORAGE_RESOURCES_EXCEEDED, ErrorCode::INSUFFICIENT_RESOURCES].contains(&error.error_code()) =>
        {
            StreamsError::NoRoom { stream, reason }
        }
        _ => StreamsError::Refused { stream, reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nats_server::NatsOptions;

    #[test]
    fn every_stream_of_the_contract_is_declared_and_all_fit_into_the_server() {
        assert_eq!(SPECS.iter().map(|spec| spec.name).collect::<Vec<_>>(), STREAMS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        assert!(SPECS.iter().map(|spec| spec.max_bytes).sum::<i64>() < NatsOptions::DEFAULT_MAX_FILE_STORE);
        assert!(SPECS.iter().all(|spec| config(spec, 1).subjects.len() == 1));
    }
}
