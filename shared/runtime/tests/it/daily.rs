//! Work of a business day: once, in order, in parts, whatever the copies and however long nobody ran.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use chrono::NaiveDate;
use jifen_kernel::ManualClock;
use jifen_runtime::{Ctx, DailyJob, Due, Failure, Outbox, Running, Service, Step, context::ClockHandle};
use jifen_testkit::{DEADLINE, eventually, samples};
use sqlx::PgConnection;

use crate::bench::Bench;

/// Three parts a day. Every fifth part fails after it has written: nothing of it may stay.
struct ThreeParts(Arc<AtomicUsize>);

impl DailyJob for ThreeParts {
    const NAME: &'static str = "three_parts";

    async fn run_part(&self, _: &Ctx, tx: &mut PgConnection, due: &Due, _: &mut Outbox) -> Result<Step, Failure> {
        let part = due.cursor.as_ref().and_then(serde_json::Value::as_i64).unwrap_or(0);
        sqlx::query("insert into day_log (day, part) values ($1, $2)")
            .bind(due.day)
            .bind(i32::try_from(part).expect("part"))
            .execute(tx)
            .await?;
        assert!(self.0.fetch_add(1, Ordering::Relaxed) % 5 != 4, "a part fails");
        Ok(if part < 2 { Step::More((part + 1).into()) } else { Step::Done })
    }
}

async fn copy(bench: &Bench, clock: &Arc<ManualClock>, parts: &Arc<AtomicUsize>) -> Running {
    let mut config = bench.config();
    config.clock = ClockHandle(Arc::clone(clock) as _);
    Service::new(bench.name).daily(ThreeParts(Arc::clone(parts))).start(config).await.expect("the service starts")
}

/// The days and parts done, in order.
async fn done(bench: &Bench) -> Vec<(NaiveDate, i32)> {
    sqlx::query_as("select day, part from day_log order by place").fetch_all(&bench.pool).await.expect("rows")
}

/// Three parts of each of these days.
fn days(from: &str, count: usize) -> Vec<(NaiveDate, i32)> {
    let first: NaiveDate = from.parse().expect("date");
    first.iter_days().take(count).flat_map(|day| (0..3).map(move |part| (day, part))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_day_is_done_once_in_order_and_missed_days_are_caught_up_with() {
    let bench = Bench::start(crate::probe::POINTS).await;
    samples::remember(&bench.env, bench.name, &[samples::program(1, serde_json::json!({}))]).await;
    // 1 October in Shanghai begins at 16:00 UTC.
    let clock = Arc::new(ManualClock::new("2026-09-30T16:00:00Z".parse().expect("instant")));
    let parts = Arc::new(AtomicUsize::new(0));
    let copies = [copy(&bench, &clock, &parts).await, copy(&bench, &clock, &parts).await, copy(&bench, &clock, &parts).await];
    eventually(DEADLINE, || async { (done(&bench).await == days("2026-10-01", 1)).then_some(()) }).await;
    clock.set("2026-10-02T16:00:00Z".parse().expect("instant"));
    eventually(DEADLINE, || async { (done(&bench).await.len() >= 9).then_some(()) }).await;
    for copy in copies {
        assert!(copy.stop().await);
    }
    assert_eq!(done(&bench).await, days("2026-10-01", 3));
    // Nobody runs for ten days.
    clock.set("2026-10-12T15:59:59Z".parse().expect("instant"));
    let copies = [copy(&bench, &clock, &parts).await, copy(&bench, &clock, &parts).await];
    eventually(DEADLINE, || async { (done(&bench).await.len() >= 36).then_some(()) }).await;
    for copy in copies {
        assert!(copy.stop().await);
    }
    assert_eq!(done(&bench).await, days("2026-10-01", 12));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sealed_for_one_service_opens_for_nobody_else() {
    let bench = Bench::start(crate::probe::POINTS).await;
    let copy = bench.copy().await;
    let sealed = copy.cx().seal_to("member").seal(&copy.cx().ids, b"VIN", b"place");
    assert_eq!(copy.cx().seal_to("member").open(&sealed, b"place").expect("opens"), b"VIN");
    assert!(copy.cx().seal_to("notification").open(&sealed, b"place").is_err());
    assert!(copy.cx().seal.open(&sealed, b"place").is_err());
    assert!(copy.stop().await);
}
