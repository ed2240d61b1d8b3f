//! What others would publish, what a service published, and waiting until there is nothing left to do.

use std::time::Duration;

use async_nats::jetstream::consumer::pull::OrderedConfig;
use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use jifen_contracts::subject::STREAM_EVENTS;
use jifen_contracts::{Envelope, EventType};
use jifen_kernel::Ids;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::TestEnv;
use crate::wait::{DEADLINE, eventually};

/// When events of tests are published, unless a test says otherwise: 21 September 2026.
pub fn published_at() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000)
}

/// An event as its service would publish it, without a cause.
pub fn envelope<T: EventType>(id: Uuid, time: DateTime<Utc>, data: &T) -> Envelope<&T> {
    Envelope {
        specversion: "1.0".to_owned(),
        id,
        source: format!("/jifen/{}", T::SERVICE),
        kind: T::type_name(),
        time,
        datacontenttype: None,
        sequence: None,
        causationid: None,
        correlationid: None,
        storeid: None,
        traceparent: None,
        data,
    }
}

/// Publishes events as their service would, in this order, each with an id of its own.
pub async fn publish<'a, T: EventType>(env: &TestEnv, events: impl IntoIterator<Item = &'a T>) {
    publish_times(env, events, 1).await;
}

/// Publishes each event so many times on end, as different messages of one event: the broker is not asked to see repeats.
pub async fn publish_times<'a, T: EventType>(env: &TestEnv, events: impl IntoIterator<Item = &'a T>, times: usize) {
    let ids = Ids::system();
    let payloads = events.into_iter().map(|event| {
        let payload = serde_json::to_vec(&envelope(ids.next(published_at()), published_at(), event)).expect("contract types serialise");
        (event.subject(), payload)
    });
    let all = payloads.flat_map(|message| std::iter::repeat_n(message, times));
    publish_raw(env, T::SERVICE, all).await;
}

/// Publishes messages as `user`, in this order, and waits until their streams have them.
pub async fn publish_raw(env: &TestEnv, user: &str, messages: impl IntoIterator<Item = (String, Vec<u8>)>) {
    let js = env.js(user).await;
    let mut acks = Vec::new();
    for (subject, payload) in messages {
        acks.push(js.publish(subject, payload.into()).await.expect("published"));
    }
    for ack in acks {
        ack.await.expect("the stream has it");
    }
}

/// Waits until `count` events of a kind are in the stream; gives the first `count`, oldest first.
pub async fn published<T: EventType>(env: &TestEnv, count: usize) -> Vec<Envelope<T>> {
    read(env, STREAM_EVENTS, &T::filter(), count).await.into_iter().map(|(_, event)| event).collect()
}

/// Waits until a stream has `count` structured messages that `filter` finds; gives the first `count` with their subjects.
pub async fn read<T: DeserializeOwned>(env: &TestEnv, stream: &str, filter: &str, count: usize) -> Vec<(String, Envelope<T>)> {
    let stream = env.js("local").await.get_stream(stream).await.expect("stream");
    let config = OrderedConfig { filter_subject: filter.to_owned(), ..OrderedConfig::default() };
    let mut messages = stream.create_consumer(config).await.expect("consumer").messages().await.expect("messages");
    let mut read = Vec::with_capacity(count);
    while read.len() < count {
        let message = tokio::time::timeout(DEADLINE, messages.next()).await;
        let message = message.unwrap_or_else(|_| panic!("{} of {count} messages of {filter} came", read.len()));
        let message = message.expect("open").expect("message");
        read.push((message.subject.to_string(), serde_json::from_slice(&message.payload).expect("structured message")));
    }
    read
}

/// How many messages of a stream `filter` finds now.
pub async fn count(env: &TestEnv, stream: &str, filter: &str) -> usize {
    let stream = env.js("provisioner").await.get_stream(stream).await.expect("stream");
    let mut subjects = stream.info_with_subjects(filter).await.expect("info");
    let mut count = 0;
    while let Some(subject) = subjects.next().await {
        count += subject.expect("subject").1;
    }
    count
}

/// Waits until durables, each given with its stream, have acknowledged every message.
pub async fn idle(env: &TestEnv, durables: &[(&str, &str)]) {
    let js = env.js("provisioner").await;
    eventually(DEADLINE, || async {
        for (stream, durable) in durables {
            let info = js.get_stream_no_info(*stream).await.ok()?.consumer_info(durable).await.ok()?;
            if info.num_pending > 0 || info.num_ack_pending > 0 {
                return None;
            }
        }
        Some(())
    })
    .await;
}

/// Waits until a service has published everything that it wrote.
pub async fn all_published(env: &TestEnv, service: &str) {
    let pool = env.pool(service);
    eventually(DEADLINE, || async {
        let unpublished = sqlx::query_scalar("select count(*) from outbox_commit where published_at is null");
        (unpublished.fetch_one(&pool).await.ok() == Some(0_i64)).then_some(())
    })
    .await;
}

/// Waits until a durable of the events has acknowledged every message and the service of `T` has published what it wrote,
/// then gives all events of that kind.
pub async fn drained<T: EventType>(env: &TestEnv, durable: &str) -> Vec<Envelope<T>> {
    idle(env, &[(STREAM_EVENTS, durable)]).await;
    all_published(env, T::SERVICE).await;
    published(env, count(env, STREAM_EVENTS, &T::filter()).await).await
}

/// Everything `times` over, in an order that has nothing to do with the first one, the same at every run.
pub fn shuffled<T>(events: &[T], times: usize) -> Vec<&T> {
    let count = events.len() * times;
    // A prime that doesn't divide the count visits every place once.
    assert!(!count.is_multiple_of(7_919));
    (0..count).map(|place| &events[place * 7_919 % count % events.len()]).collect()
}
