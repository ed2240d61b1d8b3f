//! The broker forgets what it had acknowledged: it is published again, and counts once.

use async_nats::jetstream::stream::Config;
use jifen_contracts::{EventType, subject::STREAM_EVENTS};
use jifen_infra::streams::{self, SPECS, ensure_streams};
use jifen_runtime::{Running, ServiceConfig};
use jifen_testkit::{DEADLINE, bus, eventually};

use crate::{
    bench::{Bench, keys},
    probe::{Done, POINTS},
};

/// The guard looks every second, and messages come again soon.
pub fn vigilant(mut config: ServiceConfig) -> ServiceConfig {
    (config.limits.guard_every_s, config.limits.ack_wait_s) = (1, 1);
    config
}

impl Bench {
    async fn vigilant_copy(&self) -> Running {
        self.copy_of(vigilant(self.config())).await
    }

    /// Waits until the service's announcements are in the stream, each at least once.
    async fn all_there(&self, expected: &[String]) {
        eventually(DEADLINE, || async {
            let mut there = self.done().await;
            there.dedup();
            (there == expected).then_some(())
        })
        .await;
        self.quiet().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_made_anew_gets_everything_again() {
    let bench = Bench::start(POINTS).await;
    let copy = bench.vigilant_copy().await;
    let told = keys("a", 100);
    bench.tell(told.clone()).await;
    bench.until("select count(*) from effect", 100).await;
    bench.quiet().await;
    let provisioner = bench.env.nats("provisioner").await;
    for life in 1..=2 {
        bench.env.js("provisioner").await.delete_stream(STREAM_EVENTS).await.expect("deleted");
        ensure_streams(&provisioner, 1).await.expect("streams");
        bench.all_there(&told).await;
        assert_eq!(bus::count(&bench.env, STREAM_EVENTS, &Done::filter()).await, 100, "life {life}: each came again once");
    }
    // Its own consumers are back, too.
    bench.tell(keys("b", 50)).await;
    bench.until("select count(*) from effect", 150).await;
    bench.quiet().await;
    assert_eq!(bench.number("select count(*) from dead_letter").await, 0);
    assert!(copy.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_missing_within_a_stream_comes_again_and_nothing_else_does() {
    let bench = Bench::start(POINTS).await;
    // A stream from which messages can be taken, as a damaged file does.
    let js = bench.env.js("provisioner").await;
    js.delete_stream(STREAM_EVENTS).await.expect("deleted");
    let spec = SPECS.iter().find(|spec| spec.name == STREAM_EVENTS).expect("declared");
    // Its memory of ids would refuse what it had before.
    let window = std::time::Duration::from_millis(100);
    let config = Config { deny_delete: false, duplicate_window: window, ..streams::config(spec, 1) };
    let stream = js.create_stream(config).await.expect("stream");
    let mut config = vigilant(bench.config());
    config.limits.batch_messages = 10;
    let copy = bench.copy_of(config).await;
    let told = keys("a", 100);
    bench.tell(told.clone()).await;
    bench.until("select count(*) from effect", 100).await;
    bench.quiet().await;
    let all = bus::count(&bench.env, STREAM_EVENTS, ">").await;
    assert_eq!(all, 200);
    let (sequence, commit): (i64, i32) =
        sqlx::query_as("select highest_sequence - 1, row_count from outbox_commit order by 1 limit 1 offset 3")
            .fetch_one(&bench.pool)
            .await
            .expect("commit");
    assert!((2..=10).contains(&commit), "{commit}");
    stream.delete_message(u64::try_from(sequence).expect("sequence")).await.expect("deleted");
    bench.all_there(&told).await;
    let come = bus::count(&bench.env, STREAM_EVENTS, ">").await - (all - 1);
    assert!(come < 30, "{come} came again, of 100");
    bench.quiet().await;
    // The gap stays; what it concerned is elsewhere now.
    let end = || async { js.get_stream(STREAM_EVENTS).await.expect("stream").cached_info().state.last_sequence };
    let before = end().await;
    bench.tell(keys("b", 10)).await;
    bench.until("select count(*) from effect", 110).await;
    bench.quiet().await;
    assert_eq!(end().await, before + 20);
    assert!(copy.stop().await);
}
