//! Claims of events whose effect has no natural key.

use std::sync::Arc;

use chrono::Duration;
use jifen_contracts::EventType;
use jifen_kernel::{Ids, ManualClock};
use jifen_runtime::context::ClockHandle;
use jifen_testkit::bus;

use crate::{
    bench::Bench,
    probe::{Counted, POINTS},
};

fn message(id: uuid::Uuid, key: &str) -> (String, Vec<u8>) {
    let counted = Counted { key: key.to_owned() };
    (counted.subject(), serde_json::to_vec(&bus::envelope(id, bus::published_at(), &counted)).expect("json"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_counts_once_and_one_that_changed_or_is_too_old_is_set_aside() {
    let bench = Bench::start(POINTS).await;
    let (ids, now) = (Ids::system(), bus::published_at());
    let config = || {
        let mut config = bench.config();
        config.clock = ClockHandle(Arc::new(ManualClock::new(now)));
        config.limits.batch_messages = 7;
        config
    };
    let copies = [bench.copy_of(config()).await, bench.copy_of(config()).await];
    let events: Vec<uuid::Uuid> = (0..50).map(|_| ids.next(now)).collect();
    let thrice = (0..3).flat_map(|_| events.iter().map(|id| message(*id, "k")));
    bus::publish_raw(&bench.env, Counted::SERVICE, thrice).await;
    bench.quiet().await;
    assert_eq!(bench.number("select times from tally where key = 'k'").await, 50);
    assert_eq!(bench.number("select count(*) from inbox").await, 50);
    assert_eq!(bench.number("select count(*) from dead_letter").await, 0);

    for copy in copies {
        assert!(copy.stop().await);
    }
    // All of these wait when the next copy starts: two that differ stand in one batch.
    let [old, just_in_time] = [Duration::days(15) + Duration::milliseconds(1), Duration::days(15)].map(|age| ids.next(now - age));
    let twice_in_a_batch = ids.next(now);
    let messages = [
        message(events[0], "changed"),
        message(old, "old"),
        message(uuid::Uuid::from_u128(7), "without an instant"),
        message(just_in_time, "k"),
        message(twice_in_a_batch, "first"),
        message(twice_in_a_batch, "second"),
    ];
    bus::publish_raw(&bench.env, Counted::SERVICE, messages).await;
    let copy = bench.copy_of(config()).await;
    bench.quiet().await;
    assert_eq!(bench.number("select count(*) from dead_letter where code = 'event.hash_changed'").await, 2);
    assert_eq!(bench.number("select count(*) from dead_letter where code = 'event.too_old'").await, 2);
    assert_eq!(bench.number("select count(*) from dead_letter").await, 4);
    assert_eq!(bench.number("select times from tally where key = 'k'").await, 51);
    assert_eq!(bench.number("select sum(times)::bigint from tally").await, 52, "of two that differ, one counts");
    assert!(copy.stop().await);
}
