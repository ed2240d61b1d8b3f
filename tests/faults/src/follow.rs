//! Reads a stream as an outsider would: from its beginning, across everything that happens to the broker.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, bail};
use async_nats::jetstream::{
    self,
    consumer::{DeliverPolicy, pull::OrderedConfig},
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

/// A stream and what was heard of it so far.
pub struct Follower {
    heard: Arc<Mutex<Vec<Heard>>>,
    next: Arc<AtomicU64>,
    stream: &'static str,
    js: jetstream::Context,
    task: JoinHandle<()>,
}

impl Follower {
    /// Follows a stream from its beginning.
    pub fn start(nats: &async_nats::Client, stream: &'static str) -> Self {
        let mut js = jetstream::new(nats.clone());
        js.set_timeout(QUIET);
        let (heard, next) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicU64::new(1)));
        let (into, place, context) = (Arc::clone(&heard), Arc::clone(&next), js.clone());
        let task = tokio::spawn(async move {
            loop {
                if read(&context, stream, &place, &into).await.is_err() {
                    tokio::time::sleep(AGAIN).await;
                }
            }
        });
        Self { heard, next, stream, js, task }
    }

    /// What was heard from place `from` on.
    pub fn since(&self, from: usize) -> Vec<Heard> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.get(from..).unwrap_or_default().to_vec()
    }

    /// How much was heard.
    pub fn count(&self) -> usize {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// How far the stream goes, if that was all heard.
    pub async fn end(&self) -> Result<u64> {
        let last = self.js.get_stream(self.stream).await?.cached_info().state.last_sequence;
        if last + 1 != self.next.load(Ordering::Relaxed) {
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

async fn read(js: &jetstream::Context, name: &'static str, next: &AtomicU64, into: &Mutex<Vec<Heard>>) -> Result<()> {
    let stream = js.get_stream(name).await?;
    if stream.cached_info().state.last_sequence + 1 < next.load(Ordering::Relaxed) {
        // The broker has forgotten: what comes now has these numbers for the first time.
        next.store(1, Ordering::Relaxed);
    }
    let deliver_policy = DeliverPolicy::ByStartSequence { start_sequence: next.load(Ordering::Relaxed) };
    let consumer = stream.create_consumer(OrderedConfig { deliver_policy, ..OrderedConfig::default() }).await?;
    let mut messages = consumer.messages().await?;
    while let Ok(message) = tokio::time::timeout(QUIET, messages.next()).await {
        let Some(message) = message else { bail!("the stream's end") };
        let message = message?;
        let sequence = message.info().map_err(|error| anyhow::anyhow!("{error}"))?.stream_sequence;
        let json = serde_json::from_slice(&message.payload).unwrap_or(Value::Null);
        into.lock().unwrap_or_else(PoisonError::into_inner).push(Heard { subject: message.subject.to_string(), json });
        next.store(sequence + 1, Ordering::Relaxed);
    }
    Ok(())
}
