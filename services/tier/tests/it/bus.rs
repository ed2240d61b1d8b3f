//! What others would publish, and what the service publishes.

use std::time::Duration;

use chrono::DateTime;
use futures_util::StreamExt;
use jifen_contracts::{Envelope, EventType};
use jifen_kernel::Ids;
use jifen_testkit::{TestEnv, eventually};

/// Nothing here takes so long unless it never happens.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// Publishes events as their service would, in this order.
pub async fn publish<'a, T: EventType>(env: &TestEnv, events: impl IntoIterator<Item = &'a T>) {
    let (js, ids) = (env.js(T::SERVICE).await, Ids::system());
    let now = DateTime::from_timestamp_millis(1_790_000_000_000).expect("instant");
    let mut acks = Vec::new();
    for event in events {
        let envelope = Envelope {
            specversion: "1.0".to_owned(),
            id: ids.next(now),
            source: format!("/jifen/{}", T::SERVICE),
            kind: T::type_name(),
            time: now,
            datacontenttype: None,
            sequence: None,
            causationid: None,
            correlationid: None,
            storeid: None,
            traceparent: None,
            data: event,
        };
        let payload = serde_json::to_vec(&envelope).expect("json");
        acks.push(js.publish(event.subject(), payload.into()).await.expect("publish"));
    }
    for ack in acks {
        ack.await.expect("ack");
    }
}

/// Waits until `count` events of a kind are in the stream; gives the first `count`.
pub async fn published<T: EventType>(env: &TestEnv, count: usize) -> Vec<Envelope<T>> {
    let stream = env.js("local").await.get_stream("EVENTS").await.expect("stream");
    let config = async_nats::jetstream::consumer::pull::OrderedConfig { filter_subject: T::filter(), ..Default::default() };
    let consumer = stream.create_consumer(config).await.expect("consumer");
    let mut messages = consumer.messages().await.expect("messages");
    let mut events = Vec::new();
    while events.len() < count {
        let message = tokio::time::timeout(DEADLINE, messages.next()).await.expect("in time").expect("open").expect("message");
        events.push(serde_json::from_slice(&message.payload).expect("event"));
    }
    events
}

/// Waits until a durable has acknowledged every message of the stream and its service has published what it wrote, then
/// gives all events of a kind.
pub async fn drained<T: EventType>(env: &TestEnv, durable: &str) -> Vec<Envelope<T>> {
    let stream = env.js("provisioner").await.get_stream("EVENTS").await.expect("stream");
    let pool = env.pool(T::SERVICE);
    eventually(DEADLINE, || async {
        let info = stream.consumer_info(durable).await.ok()?;
        if info.num_pending > 0 || info.num_ack_pending > 0 {
            return None;
        }
        let unpublished: i64 =
            sqlx::query_scalar("select count(*) from outbox_commit where published_at is null").fetch_one(&pool).await.ok()?;
        (unpublished == 0).then_some(())
    })
    .await;
    let mut info = stream.info_with_subjects(T::filter()).await.expect("info");
    let mut count = 0;
    while let Some(subject) = info.next().await {
        count += subject.expect("subject").1;
    }
    published(env, count).await
}
