//! A client from outside: what DESIGN promises to "any NATS client in any language". It connects without credentials and
//! knows subjects and JSON.

use std::time::Duration;

use async_nats::{
    ConnectOptions, HeaderMap,
    jetstream::{
        self,
        consumer::{DeliverPolicy, pull::OrderedConfig},
        stream::Stream,
    },
};
use futures_util::{StreamExt, TryStreamExt};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{PATIENCE, until};

/// An answer, or a message that the stream has already.
const ANSWER_WAIT: Duration = Duration::from_secs(20);
/// Copies of a service have so long to answer a question to all of them.
const GATHER: Duration = Duration::from_millis(1_500);

/// A message of a stream.
#[derive(Debug, Clone)]
pub struct Heard {
    /// Where it was published.
    pub subject: String,
    /// Its headers, as text.
    pub headers: String,
    /// Its bytes, as text.
    pub text: String,
    /// Its bytes, as JSON.
    pub json: Value,
}

impl Heard {
    /// The content of the CloudEvent.
    pub fn data(&self) -> &Value {
        &self.json["data"]
    }
}

/// A connected client.
#[derive(Debug, Clone)]
pub struct Client {
    nats: async_nats::Client,
    js: jetstream::Context,
}

impl Client {
    /// Connects without credentials.
    pub async fn connect(url: &str) -> Self {
        // What stores write into a subject by mistake must be possible here, too.
        Self::with(ConnectOptions::new().skip_subject_validation(true), url).await
    }

    /// Connects with these options.
    pub async fn with(options: ConnectOptions, url: &str) -> Self {
        let nats = options.connect(url).await.expect("the broker answers");
        Self { js: jetstream::new(nats.clone()), nats }
    }

    /// The connection itself.
    pub fn nats(&self) -> &async_nats::Client {
        &self.nats
    }

    /// Publishes into a stream and waits for the broker's word; gives SHA-256 of the bytes, hex, by which receipts know them.
    pub async fn publish(&self, subject: &str, bytes: impl AsRef<[u8]>) -> String {
        let bytes = bytes.as_ref();
        let ack = self.js.publish(subject.to_owned(), bytes.to_vec().into()).await.expect("published");
        ack.await.unwrap_or_else(|error| panic!("{subject} was not taken: {error}"));
        hex::encode(Sha256::digest(bytes))
    }

    /// Publishes a document of kind invoice at its own store.
    pub async fn send_invoice(&self, invoice: &Value) -> String {
        let store = invoice["store"].as_str().expect("a store");
        self.publish(&format!("pos.v1.{store}.invoice"), invoice.to_string()).await
    }

    /// Asks; `Err` is the problem that came back instead of an answer.
    pub async fn ask(&self, subject: &str, request: &Value) -> Result<Value, Value> {
        let answer = self.nats.request(subject.to_owned(), request.to_string().into());
        let answer = tokio::time::timeout(ANSWER_WAIT, answer).await;
        let answer = answer.unwrap_or_else(|_| panic!("{subject} does not answer")).unwrap_or_else(|error| panic!("{subject}: {error}"));
        let body: Value = serde_json::from_slice(&answer.payload).unwrap_or_else(|error| panic!("{subject} answers no JSON: {error}"));
        match header(answer.headers.as_ref(), "Nats-Service-Error-Code") {
            Some(code) => {
                assert_eq!(body["status"].to_string(), code, "header and problem agree: {body}");
                Err(body)
            }
            None => Ok(body),
        }
    }

    /// Asks whoever listens and gathers the answers.
    pub async fn ask_all(&self, subject: &str) -> Vec<Value> {
        let inbox = self.nats.new_inbox();
        let mut answers = self.nats.subscribe(inbox.clone()).await.expect("an inbox");
        self.nats.publish_with_reply(subject.to_owned(), inbox, "".into()).await.expect("asked");
        let mut all = Vec::new();
        while let Ok(Some(message)) = tokio::time::timeout(GATHER, answers.next()).await {
            all.push(serde_json::from_slice(&message.payload).expect("JSON"));
        }
        all
    }

    /// Everything in a stream at this moment, in its order.
    pub async fn all(&self, stream: &str) -> Vec<Heard> {
        let stream = self.stream(stream).await;
        let state = &stream.cached_info().state;
        let (count, last) = (state.messages, state.last_sequence);
        let mut all = Vec::new();
        if count == 0 {
            return all;
        }
        let config = OrderedConfig { deliver_policy: DeliverPolicy::All, ..OrderedConfig::default() };
        let consumer = stream.create_consumer(config).await.expect("a consumer");
        let mut messages = consumer.messages().await.expect("messages");
        loop {
            let message = tokio::time::timeout(ANSWER_WAIT, messages.next()).await.expect("the stream goes on");
            let message = message.expect("the stream goes on").expect("a message");
            all.push(Heard {
                subject: message.subject.to_string(),
                headers: message.headers.as_ref().map(|headers| format!("{headers:?}")).unwrap_or_default(),
                text: String::from_utf8_lossy(&message.payload).into_owned(),
                json: serde_json::from_slice(&message.payload).expect("structured JSON"),
            });
            if message.info().expect("its place").stream_sequence >= last {
                return all;
            }
        }
    }

    /// The receipts for bytes with this SHA-256, oldest first, once there are `count` of them.
    pub async fn receipts(&self, sha256: &str, count: usize) -> Vec<Value> {
        until(&format!("{count} receipts for {sha256}"), PATIENCE, async || {
            let all = self.all("RECEIPTS").await;
            let own = all.iter().map(Heard::data).filter(|receipt| receipt["sha256"] == sha256);
            let own: Vec<Value> = own.cloned().collect();
            (own.len() >= count).then_some(own)
        })
        .await
    }

    /// The one receipt for bytes with this SHA-256.
    pub async fn receipt(&self, sha256: &str) -> Value {
        let mut receipts = self.receipts(sha256, 1).await;
        assert_eq!(receipts.len(), 1, "{receipts:?}");
        receipts.remove(0)
    }

    /// Messages that the services have not finished. A broker that forgot its consumers has them again in a moment.
    pub async fn waiting(&self) -> u64 {
        until("what waits in the streams", PATIENCE, async || self.look_what_waits().await).await
    }

    async fn look_what_waits(&self) -> Option<u64> {
        let mut waiting = 0;
        for (stream, durable) in
            [("POS", "ingest_documents"), ("POS", "member_sign_up"), ("GATEWAY_RECEIPTS", "notification_gateway_receipts")]
        {
            let stream = self.js.get_stream_no_info(stream).await.ok()?;
            let info = stream.consumer_info(durable).await.ok()?;
            waiting += info.num_pending + u64::try_from(info.num_ack_pending).expect("a count");
        }
        let events = self.js.get_stream_no_info("EVENTS").await.ok()?;
        let consumers: Vec<_> = events.consumers().try_collect().await.ok()?;
        let durables: Vec<_> = consumers.into_iter().filter(|consumer| consumer.config.durable_name.is_some()).collect();
        // So many services read events.
        (durables.len() >= 7).then_some(())?;
        Some(waiting + durables.iter().map(|info| info.num_pending + u64::try_from(info.num_ack_pending).expect("a count")).sum::<u64>())
    }

    /// A stream. A broker that has just started, or reads its users anew, has none for a moment.
    async fn stream(&self, name: &str) -> Stream {
        until(&format!("stream {name}"), PATIENCE, async || self.js.get_stream(name).await.ok()).await
    }

    /// How far each stream goes.
    pub async fn ends(&self) -> Vec<u64> {
        let mut ends = Vec::new();
        for stream in ["POS", "RECEIPTS", "EVENTS", "NOTIFY", "GATEWAY_RECEIPTS"] {
            ends.push(self.end(stream).await);
        }
        ends
    }

    /// How far a stream goes.
    pub async fn end(&self, stream: &str) -> u64 {
        self.stream(stream).await.cached_info().state.last_sequence
    }
}

fn header(headers: Option<&HeaderMap>, name: &str) -> Option<String> {
    headers?.get(name).map(|value| value.as_str().to_owned())
}
