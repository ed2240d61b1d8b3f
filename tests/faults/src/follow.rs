//! Reads a stream as an outsider would: from its beginning, across everything that happens to the broker.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Result, bail};
use async_nats::jetstream::{
    self,
    consumer::{DeliverPolicy, pull::OrderedConfig},
    stream::Stream,
};
use futures_util::StreamExt;
use serde_json::Value;
use tokio::task::JoinHandle;

/// Without a message for so long, the stream is looked at anew: it may be another one.
const QUIET: Duration = Duration::from_secs(2);
const AGAIN: Duration = Duration::from_millis(200);

/// A message.
#[derive(Debug, Clone)]
pub struct Heard {
    /// Where it was published.
    pub subject: String,
    /// Its content; `null` if it is no JSON.
    pub json: Value,
}

impl Heard {
    /// The content of the CloudEvent.
    pub fn data(&self) -> &Value {
        &self.json["data"]
    }

    /// A field of the CloudEvent's content, as text.
    pub fn text(&self, field: &str) -> &str {
        self.data()[field].as_str().unwrap_or_default()
    }
}

/// How far a stream was heard, in one life of stream and broker: another one counts from its own beginning.
#[derive(Debug, Default)]
struct Place {
    life: String,
    next: u64,
    /// How much had been heard when this life began.
    from: usize,
}

/// A stream and what was heard of it so far. What a broker tells again after a restart is heard again.
pub struct Follower {
    heard: Arc<Mutex<Vec<Heard>>>,
    place: Arc<Mutex<Place>>,
    stream: &'static str,
    js: jetstream::Context,
    task: JoinHandle<()>,
}

impl Follower {
    /// Follows a stream from its beginning.
    pub fn start(nats: &async_nats::Client, stream: &'static str) -> Self {
        let mut js = jetstream::new(nats.clone());
        js.set_timeout(QUIET);
        let (heard, place) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Place::default())));
        let (into, at, context) = (Arc::clone(&heard), Arc::clone(&place), js.clone());
        let task = tokio::spawn(async move {
            loop {
                if read(&context, stream, &at, &into).await.is_err() {
                    tokio::time::sleep(AGAIN).await;
                }
            }
        });
        Self { heard, place, stream, js, task }
    }

    /// What was heard from place `from` on.
    pub fn since(&self, from: usize) -> Vec<Heard> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.get(from..).unwrap_or_default().to_vec()
    }

    /// What stands in the stream as it is now, so far as it was heard.
    pub fn present(&self) -> Vec<Heard> {
        let from = self.place.lock().unwrap_or_else(PoisonError::into_inner).from;
        self.since(from)
    }

    /// How much was heard.
    pub fn count(&self) -> usize {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether it was heard up to this sequence, in the stream's present life.
    pub fn has_heard(&self, sequence: u64) -> bool {
        self.place.lock().unwrap_or_else(PoisonError::into_inner).next > sequence
    }

    /// How far the stream goes, if that was all heard.
    pub async fn end(&self) -> Result<u64> {
        let stream = self.js.get_stream(self.stream).await?;
        let (last, life) = (stream.cached_info().state.last_sequence, life_of(&self.js, &stream));
        let place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        if last + 1 != place.next || life != place.life {
            bail!("{} has not been heard to its end", self.stream);
        }
        Ok(last)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One life of a stream in one life of the broker.
fn life_of(js: &jetstream::Context, stream: &Stream) -> String {
    format!("{} {}", js.client().server_info().server_id, stream.cached_info().created)
}

async fn read(js: &jetstream::Context, name: &'static str, place: &Mutex<Place>, into: &Mutex<Vec<Heard>>) -> Result<()> {
    let stream = js.get_stream(name).await?;
    let next = {
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        let life = life_of(js, &stream);
        if life != place.life {
            *place = Place { life, next: 1, from: into.lock().unwrap_or_else(PoisonError::into_inner).len() };
        }
        place.next
    };
    let deliver_policy = DeliverPolicy::ByStartSequence { start_sequence: next };
    let consumer = stream.create_consumer(OrderedConfig { deliver_policy, ..OrderedConfig::default() }).await?;
    let mut messages = consumer.messages().await?;
    while let Ok(message) = tokio::time::timeout(QUIET, messages.next()).await {
        let Some(message) = message else { bail!("the stream's end") };
        let message = message?;
        let sequence = message.info().map_err(|error| anyhow::anyhow!("{error}"))?.stream_sequence;
        let json = serde_json::from_slice(&message.payload).unwrap_or(Value::Null);
        into.lock().unwrap_or_else(PoisonError::into_inner).push(Heard { subject: message.subject.to_string(), json });
        place.lock().unwrap_or_else(PoisonError::into_inner).next = sequence + 1;
    }
    Ok(())
}
