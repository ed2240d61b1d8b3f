//! One message never stands in the way of the others, and none is lost.

use std::time::Duration;

use jifen_contracts::{EventType, code};
use jifen_runtime::{Ctx, Failure, Job, Outbox, Service, service::DeadLetterRequest};
use jifen_testkit::{DEADLINE, bus, eventually};
use sqlx::PgConnection;

use crate::{
    bench::{Bench, keys},
    probe::{Done, POINTS, Told, durables},
    trouble::{
        Trouble::{Defect, Panic, Retry, Transient, Unreadable},
        Troubles,
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn a_defect_and_a_panic_stand_alone_and_are_retried_when_mended() {
    let bench = Bench::start(POINTS).await;
    bench.troubles.cause("secret07", Defect);
    bench.troubles.cause("secret23", Panic);
    bench.tell(keys("secret", 40)).await;
    let copy = bench.copy().await;
    bench.quiet().await;
    assert_eq!(bench.number("select count(*) from effect").await, 38);
    let others: Vec<String> = keys("secret", 40).into_iter().filter(|key| !["secret07", "secret23"].contains(&key.as_str())).collect();
    assert_eq!(bench.done().await, others, "the others are done, each once");

    let letters = bench.dead_letters("list", DeadLetterRequest::default()).await.expect("list").letters;
    let mut reasons: Vec<_> = letters.iter().map(|letter| (letter.code.as_str(), letter.reason.as_str())).collect();
    reasons.sort_unstable();
    let invariant = code::EVENT_INVARIANT.code;
    assert_eq!(reasons, [(invariant, "panic: told to panic"), (invariant, "told to fail")]);
    assert!(letters.iter().all(|letter| letter.consumer == "points_invoice_accepted" && letter.subject == "evt.ingest.told.v1._"));
    assert_eq!(
        bench.dead_letters("list", DeadLetterRequest { limit: Some(1), ..DeadLetterRequest::default() }).await.expect("list").letters.len(),
        1
    );
    let in_the_clear = "select count(*) from dead_letter where position('secret'::bytea in payload) > 0";
    assert_eq!(bench.number(in_the_clear).await, 0, "what may hold personal values rests sealed");

    for (key, reason) in [("secret23", "panic: told to panic"), ("secret07", "told to fail")] {
        let letter = letters.iter().find(|letter| letter.reason == reason).expect(reason);
        let asked = || DeadLetterRequest { id: Some(letter.id), limit: None };
        let shown = bench.dead_letters("show", asked()).await.expect("show");
        assert!(shown.payload.is_some_and(|payload| payload.contains(key)));
        let refused = bench.dead_letters("retry", asked()).await.expect_err("not mended");
        assert!(refused.code == code::SERVICE_UNAVAILABLE.code && refused.detail.contains(reason), "{refused}");
        assert!(bench.dead_letters("show", asked()).await.expect("show").letters[0].retried_at.is_none());
        bench.troubles.mend(key);
        for _ in 0..2 {
            let retried = bench.dead_letters("retry", asked()).await.expect("retried");
            assert!(retried.letters[0].retried_at.is_some());
        }
    }
    bench.quiet().await;
    assert_eq!(bench.done().await, keys("secret", 40), "a letter retried twice has its effect once");

    let nobodys = DeadLetterRequest { id: Some(uuid::Uuid::nil()), limit: None };
    assert_eq!(bench.dead_letters("show", nobodys.clone()).await.expect_err("none").code, code::DEAD_LETTER_NOT_FOUND.code);
    assert_eq!(bench.dead_letters("burn", nobodys).await.expect_err("none").code, code::REQUEST_MALFORMED.code);
    assert_eq!(bench.dead_letters("retry", DeadLetterRequest::default()).await.expect_err("no id").code, code::REQUEST_MALFORMED.code);
    assert!(copy.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_can_read_is_set_aside() {
    let bench = Bench::start(POINTS).await;
    let copy = bench.copy().await;
    let of_another_kind =
        serde_json::to_vec(&bus::envelope(uuid::Uuid::nil(), bus::published_at(), &Done { key: "k".to_owned() })).expect("json");
    let subject = Told { key: String::new() }.subject();
    bus::publish_raw(&bench.env, Told::SERVICE, [(subject.clone(), b"{".to_vec()), (subject, of_another_kind)]).await;
    bench.tell(["unreadable", "fine", "panics when read", "fine, too"]).await;
    bench.quiet().await;
    assert_eq!(bench.done().await, ["fine", "fine, too"]);
    let undecodable = "select count(*) from dead_letter where code = 'event.undecodable'";
    assert_eq!((bench.number(undecodable).await, bench.number("select count(*) from dead_letter").await), (4, 4));
    assert!(copy.stop().await);
}

/// While copies are replaced, an older one meets events of newer services.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_a_newer_copy_may_read_comes_again_before_it_is_set_aside() {
    let bench = Bench::start(POINTS).await;
    let mut config = bench.config();
    config.limits.unreadable_event_s = 3_600;
    let copy = bench.copy_of(config).await;
    bench.tell(["unreadable", "fine"]).await;
    let stream = bench.env.js("provisioner").await.get_stream_no_info("EVENTS").await.expect("stream");
    eventually(DEADLINE, || async {
        let info = stream.consumer_info(durables(POINTS)[0]).await.ok()?;
        (info.num_redelivered > 0 && info.num_ack_pending == 1).then_some(())
    })
    .await;
    assert_eq!((bench.done().await, bench.number("select count(*) from dead_letter").await), (vec!["fine".to_owned()], 0));
    assert!(copy.stop().await);
    // Nobody could for as long as is set.
    let mut config = bench.config();
    config.limits.unreadable_event_s = 1;
    let copy = bench.copy_of(config).await;
    bench.until("select count(*) from dead_letter where code = 'event.undecodable'", 1).await;
    bench.quiet().await;
    assert!(copy.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worlds_troubles_pass_and_nothing_is_set_aside() {
    let bench = Bench::start(POINTS).await;
    bench.troubles.cause("k02", Transient(2));
    bench.troubles.cause("k05", Transient(1));
    bench.tell(keys("k", 8)).await;
    let copy = bench.copy().await;
    bench.quiet().await;
    assert_eq!((bench.done().await, bench.number("select count(*) from dead_letter").await), (keys("k", 8), 0));
    assert!(copy.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_row_that_can_not_be_read_holds_nobody_up_who_does_not_need_it() {
    let bench = Bench::start(POINTS).await;
    bench.troubles.cause("k03", Unreadable);
    bench.troubles.cause("k07", Unreadable);
    bench.tell(keys("k", 10)).await;
    let mut config = bench.config();
    config.limits.unreadable_event_s = 3_600;
    let copy = bench.copy_of(config).await;
    bus::published::<Done>(&bench.env, 8).await;
    let others: Vec<String> = keys("k", 10).into_iter().filter(|key| !["k03", "k07"].contains(&key.as_str())).collect();
    assert_eq!((bench.done().await, bench.number("select count(*) from dead_letter").await), (others, 0), "nobody waited for the row");
    bench.troubles.mend("k03");
    bus::published::<Done>(&bench.env, 9).await;
    assert!(copy.stop().await);
    // Nobody mended the other one for as long as is set.
    let mut config = bench.config();
    config.limits.unreadable_event_s = 1;
    let copy = bench.copy_of(config).await;
    bench.quiet().await;
    let letters = bench.dead_letters("list", DeadLetterRequest::default()).await.expect("list").letters;
    assert_eq!(letters.iter().map(|letter| letter.reason.as_str()).collect::<Vec<_>>(), ["table effect, k07: key can't be read"]);
    bench.troubles.mend("k07");
    bench.dead_letters("retry", DeadLetterRequest { id: Some(letters[0].id), limit: None }).await.expect("retried");
    bench.quiet().await;
    assert_eq!(bench.done().await, keys("k", 10));
    assert!(copy.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_must_wait_holds_nobody_up() {
    let bench = Bench::start(POINTS).await;
    bench.troubles.cause("k01", Retry(u32::MAX));
    bench.troubles.cause("k03", Retry(2));
    bench.tell(keys("k", 5)).await;
    let copy = bench.copy().await;
    bus::published::<Done>(&bench.env, 4).await;
    assert_eq!(bench.done().await, ["k00", "k02", "k03", "k04"]);
    bench.troubles.mend("k01");
    bench.quiet().await;
    assert_eq!((bench.done().await, bench.number("select count(*) from dead_letter").await), (keys("k", 5), 0));
    assert!(copy.stop().await);
}

/// Panics until it is mended, then counts.
struct Flaky(Troubles);

impl Job for Flaky {
    const NAME: &'static str = "flaky";
    const EVERY: Duration = Duration::from_millis(20);

    async fn run(&self, _: &Ctx, tx: &mut PgConnection, _: &mut Outbox) -> Result<(), Failure> {
        sqlx::query("insert into tally (key, times) values ('job', 1) on conflict (key) do update set times = tally.times + 1")
            .execute(tx)
            .await?;
        self.0.meet("job").map(|_| ())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_fails_is_due_again() {
    let bench = Bench::start(POINTS).await;
    bench.troubles.cause("job", Panic);
    let copy = Service::new(POINTS).job(Flaky(bench.troubles.clone())).start(bench.config()).await.expect("start");
    eventually(DEADLINE, || async { bench.troubles.was_met("job").then_some(()) }).await;
    assert_eq!(bench.number("select count(*) from tally").await, 0, "what it wrote went with its transaction");
    bench.troubles.mend("job");
    let runs = "select coalesce(max(times), 0) from tally";
    eventually(DEADLINE, || async { (bench.number(runs).await >= 2).then_some(()) }).await;
    assert!(copy.stop().await);
}
