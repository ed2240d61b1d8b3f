//! Stopping, politely and not.

use futures_util::future::join_all;
use jifen_contracts::EventType;
use jifen_kernel::{Clock, Ids, SystemClock};
use jifen_runtime::ask;
use jifen_testkit::{DEADLINE, bus, eventually};

use crate::{
    bench::{Bench, keys},
    probe::{self, Counted, Done, Give, GiveRequest, POINTS},
};

fn gives() -> Vec<GiveRequest> {
    keys("op", 40).into_iter().map(|id| GiveRequest { operation_id: id.clone(), key: id, store: None, refuse: None }).collect()
}

async fn assert_each_once(bench: &Bench, told: Vec<String>) {
    // Whatever was answered before, or not, the same operation gets the same answer now.
    let answers = join_all(gives().iter().map(|request| ask::<Give>(&bench.operator, request)).collect::<Vec<_>>()).await;
    assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(|given| given.times == 1)), "{answers:?}");
    bench.quiet().await;
    let mut expected = told;
    assert_eq!(bench.number("select count(*) from effect").await, i64::try_from(expected.len()).expect("count"));
    expected.extend(gives().into_iter().map(|request| request.key));
    expected.sort();
    assert_eq!(bench.done().await, expected, "each is announced once");
    assert_eq!(bench.number("select times from tally where key = 'counted'").await, 100);
    assert_eq!(bench.number("select count(*) from dead_letter").await, 0);
}

impl Bench {
    async fn count_100(&self) {
        // Of now: the inbox takes no old ones.
        let (ids, now) = (Ids::system(), SystemClock.now());
        let counted = Counted { key: "counted".to_owned() };
        let message = || (counted.subject(), serde_json::to_vec(&bus::envelope(ids.next(now), now, &counted)).expect("json"));
        bus::publish_raw(&self.env, Counted::SERVICE, (0..100).map(|_| message())).await;
    }

    fn give_all(&self) -> tokio::task::JoinHandle<()> {
        let operator = self.operator.clone();
        tokio::spawn(async move {
            let requests = gives();
            // Some are answered, some are not: that is what repeats are for.
            let _ = join_all(requests.iter().map(|request| ask::<Give>(&operator, request))).await;
        })
    }

    async fn some_are_done(&self, more_than: i64) {
        eventually(DEADLINE, || async { (self.number("select count(*) from effect").await > more_than).then_some(()) }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_while_messages_flow_finishes_what_was_begun_and_the_next_start_the_rest() {
    let bench = Bench::start(POINTS).await;
    let config = || {
        let mut config = bench.config();
        (config.limits.batch_messages, config.limits.ack_wait_s) = (10, 1);
        config
    };
    bench.count_100().await;
    let copy = bench.copy_of(config()).await;
    bench.tell(keys("a", 300)).await;
    let asking = bench.give_all();
    bench.some_are_done(0).await;
    assert!(copy.stop().await, "within its time");
    bus::all_published(&bench.env, POINTS).await;
    bench.tell(keys("b", 300)).await;
    asking.await.expect("asked");
    let copy = bench.copy_of(config()).await;
    let mut told = keys("a", 300);
    told.extend(keys("b", 300));
    assert_each_once(&bench, told).await;
    assert!(copy.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_killed_anywhere_loses_and_doubles_nothing() {
    let bench = Bench::start(POINTS).await;
    bench.count_100().await;
    let mut told = Vec::new();
    let asking = bench.give_all();
    for life in 0..4_i64 {
        let mut config = bench.config();
        (config.limits.batch_messages, config.limits.ack_wait_s) = (10, 1);
        // A runtime of its own, which ends with everything in it at whatever it is doing.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime");
        let service = probe::service(POINTS, &bench.troubles);
        let copy = runtime.spawn(service.start(config)).await.expect("started").expect("the service starts");
        let keys = keys(&format!("life{life}-"), 200);
        bench.tell(keys.clone()).await;
        bench.some_are_done(life * 150).await;
        runtime.shutdown_background();
        drop(copy);
        told.extend(keys);
    }
    asking.await.expect("asked");
    let copy = bench.copy().await;
    eventually(DEADLINE, || async { (bench.number("select count(*) from effect").await == 800).then_some(()) }).await;
    assert_each_once(&bench, told).await;
    let events = bus::count(&bench.env, "EVENTS", &Done::filter()).await;
    assert_eq!(events, 840);
    assert!(copy.stop().await);
}
