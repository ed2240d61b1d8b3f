//! The keeper makes room, and only of what everybody has.

use async_nats::jetstream::consumer::{PullConsumer, pull};
use async_nats::jetstream::stream::{Config, Stream};
use futures_util::StreamExt;
use jifen_contracts::subject::{PURGED_TO, STREAM_EVENTS, STREAM_NOTIFY};
use jifen_infra::{keeper, rights, streams};
use jifen_testkit::{TestEnv, bus};

use crate::schemas::both;

const ROOM: i64 = 100_000;

async fn durable(stream: &Stream, name: &str, filter: &str) -> PullConsumer {
    let config = pull::Config { durable_name: Some(name.to_owned()), filter_subject: filter.to_owned(), ..Default::default() };
    stream.create_consumer(config).await.expect("consumer")
}

async fn acknowledge(consumer: &PullConsumer, count: usize) {
    let mut messages = consumer.fetch().max_messages(count).messages().await.expect("messages");
    while let Some(message) = messages.next().await {
        message.expect("message").double_ack().await.expect("acknowledged");
    }
}

#[tokio::test]
async fn what_every_declared_durable_has_is_purged_once_a_stream_is_full() {
    let env = TestEnv::start(&both()).await;
    let (provisioner, js) = (env.nats("provisioner").await, env.js("provisioner").await);
    let small = |name: &str| {
        let spec = streams::SPECS.iter().find(|spec| spec.name == name).expect("declared");
        Config { max_bytes: ROOM, ..streams::config(spec, 1) }
    };
    for name in [STREAM_EVENTS, STREAM_NOTIFY] {
        js.delete_stream(name).await.expect("deleted");
        js.create_stream(small(name)).await.expect("created");
    }
    let stream = js.get_stream(STREAM_EVENTS).await.expect("stream");
    let fill = |user: &'static str, subject: &'static str, count: usize| {
        bus::publish_raw(&env, user, vec![(subject.to_owned(), vec![b'x'; 1_000]); count])
    };
    fill("points", "evt.points.earned.v1.SH01", 40).await;
    fill("notification", "notify.v1.sms.SH01", 80).await;
    assert_eq!(keeper::make_room(&provisioner).await.expect("looked"), [], "there is room, and nobody knows who reads commands");
    fill("points", "evt.points.earned.v1.SH01", 40).await;
    // All but one are there and have everything that concerns them.
    let mut declared: Vec<&str> = rights::durables_of(STREAM_EVENTS).collect();
    let last = declared.pop().expect("durables");
    for name in &declared {
        durable(&stream, name, "evt.nobody.says.this").await;
    }
    let kept = keeper::make_room(&provisioner).await.expect("looked");
    assert_eq!((kept.len(), kept[0].stream, kept[0].purged, &kept[0].missing), (1, STREAM_EVENTS, 0, &vec![last]));
    // The last one comes, and reads some of it.
    let reader = durable(&stream, last, "evt.points.>").await;
    let kept = keeper::make_room(&provisioner).await.expect("looked");
    assert_eq!((kept[0].purged, kept[0].missing.len()), (0, 0));
    acknowledge(&reader, 30).await;
    let kept = keeper::make_room(&provisioner).await.expect("looked");
    assert_eq!(kept[0].purged, 30);
    let info = js.get_stream(STREAM_EVENTS).await.expect("stream").cached_info().clone();
    assert_eq!((info.state.first_sequence, info.state.messages, info.state.deleted_count), (31, 50, None));
    assert_eq!(info.config.metadata.get(PURGED_TO).map(String::as_str), Some("30"));
    assert_eq!(keeper::make_room(&provisioner).await.expect("looked"), [], "there is room again");
    // What is declared is made so again, and what was purged stays known.
    streams::ensure_streams(&provisioner, 1).await.expect("streams");
    let config = js.get_stream(STREAM_EVENTS).await.expect("stream").cached_info().config.clone();
    assert!(config.max_bytes > ROOM && config.metadata.contains_key(PURGED_TO));
    assert_eq!(js.get_stream(STREAM_NOTIFY).await.expect("stream").cached_info().state.messages, 80);
}
