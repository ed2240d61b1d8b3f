//! A year of ends for very many members: `MEMBERS=100000` for all that is promised.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::{EventType, event::Expired, subject::STREAM_EVENTS};
use jifen_kernel::ManualClock;
use jifen_points::jobs::expiry::Expiry;
use jifen_runtime::{Service, context::ClockHandle, daily::run_due};
use jifen_testkit::{
    DEADLINE, bus, eventually, samples,
    statements::{self, of},
};

use crate::support::{Bench, program};

/// So many if nobody says otherwise.
const MEMBERS: i64 = 4_680;
/// Of so many members every month has as many lots.
const EVEN: i64 = 12 * 13;
/// Lots of a part.
const PART: i64 = 100;

fn members() -> i64 {
    let members: i64 = std::env::var("MEMBERS").ok().and_then(|members| members.parse().ok()).unwrap_or(MEMBERS);
    (members + EVEN - 1) / EVEN * EVEN
}

fn noon(day: NaiveDate) -> DateTime<Utc> {
    day.and_hms_opt(4, 0, 0).expect("noon").and_utc()
}

/// Members with a lot each, which end month by month of 2028; every thirteenth has two of the same month.
async fn fill(bench: &Bench, members: i64) {
    for sql in [
        "insert into points.account (member_id, member_no, active, lifetime, sequence)
         select ('00000000-0000-0000-0000-' || lpad(to_hex(i), 12, '0'))::uuid, 'M' || i, 100, 100, 0 from generate_series(1, $1) i",
        "insert into points.lot (member_id, lot_id, store, document, points, remaining, expires_on, created_at)
         select ('00000000-0000-0000-0000-' || lpad(to_hex(i), 12, '0'))::uuid,
                ('00000000-0000-0000-0001-' || lpad(to_hex(i * 2 + part), 12, '0'))::uuid, 'SH0' || i % 3 + 1, 'R' || i || '-' || part,
                case when i % 13 = 0 then 50 else 100 end, case when i % 13 = 0 then 50 else 100 end,
                (date '2028-01-01' + (i % 12 + 1) * interval '1 month' - interval '1 day')::date, '2026-01-01T00:00:00Z'
         from generate_series(1, $1) i cross join generate_series(0, 1) part where part = 0 or i % 13 = 0",
    ] {
        sqlx::query(sql).bind(members).execute(bench.env.admin_pool()).await.expect("filled");
    }
}

/// Blocks that the next page behind a place costs.
async fn blocks(bench: &Bench, day: NaiveDate) -> i64 {
    let mut tx = bench.env.admin_pool().begin().await.expect("begin");
    sqlx::query("set local enable_seqscan = off").execute(&mut *tx).await.expect("set");
    let page = format!(
        "explain (analyze, buffers, format json) select expires_on, member_id from points.lot
         where remaining > 0 and expires_on < '{day}' and (expires_on, member_id) > ('{}', '00000000-0000-0000-0000-000000000000')
         order by expires_on, member_id limit {PART}",
        day - chrono::Days::new(1)
    );
    let plan: serde_json::Value = sqlx::query_scalar(sqlx::AssertSqlSafe(page)).fetch_one(&mut *tx).await.expect("a plan");
    let plan = &plan[0]["Plan"];
    assert!(plan["Actual Rows"].as_f64() >= Some(100.0), "{plan}");
    plan["Shared Hit Blocks"].as_i64().unwrap_or_default() + plan["Shared Read Blocks"].as_i64().unwrap_or_default()
}

/// One event a member and day.
async fn told(bench: &Bench, members: i64) {
    bus::all_published(&bench.env, "points").await;
    let told = bus::count(&bench.env, STREAM_EVENTS, &Expired::filter()).await;
    assert_eq!(i64::try_from(told), Ok(members));
}

/// Each lot by one entry, each member and day by one event; and what a lot costs doesn't grow with those that went before it.
#[tokio::test]
async fn a_year_of_ends_costs_the_same_for_each_lot() {
    let (bench, members) = (Bench::start().await, members());
    let lots = members + members / 13;
    fill(&bench, members).await;
    let clock = Arc::new(ManualClock::new(DateTime::UNIX_EPOCH));
    let mut quiet = program(1);
    quiet.program.expiry.reminders = Vec::new();
    samples::remember(&bench.env, "points", &[quiet]).await;
    let mut config = bench.config();
    config.clock = ClockHandle(clock.clone());
    // A copy without entrances: its days are done here, where they are counted.
    let copy = Service::new("points").start(config).await.expect("points starts");
    let job = Expiry::in_parts_of(PART);
    // The lock of a look that found nothing is let go a moment after it, so it may take two.
    let run = async |day: NaiveDate| {
        clock.set(noon(day));
        eventually(DEADLINE * 8, || async {
            run_due(copy.cx(), &job).await.expect("days");
            let sql = "select max(day) from points.job_day where done_at is not null";
            let done: Option<NaiveDate> = sqlx::query_scalar(sql).fetch_one(bench.env.admin_pool()).await.expect("a day");
            (done == Some(day)).then_some(())
        })
        .await;
    };
    run("2028-01-31".parse().expect("date")).await;
    let mut each_month = Vec::new();
    for (year, month) in (2..=12).map(|month| (2028, month)).chain([(2029, 1)]) {
        let first = NaiveDate::from_ymd_opt(year, month, 1).expect("a first day");
        run(first - chrono::Days::new(1)).await;
        let blocks = blocks(&bench, first).await;
        statements::count();
        run(first).await;
        // Those that are about lots; how often a copy looks whether it is its turn is not the lots' doing.
        let about = ["select expires_on, member_id", "select member_id, lot_id", "insert into entry", "update lot", "update account"];
        each_month.push((about.map(of), blocks));
    }
    let (statements, first_blocks) = each_month[0];
    let parts = usize::try_from((lots / 12 + PART - 1) / PART).expect("parts");
    assert_eq!(statements, [parts + 1, parts, parts, parts, parts]);
    assert!(each_month.iter().all(|month| month.0 == statements), "statements of a month: {each_month:?}");
    assert!(each_month.iter().all(|month| month.1 <= first_blocks + 8), "blocks of a page: {each_month:?}");
    assert_eq!(bench.number("select count(*) FROM entry where kind = 'expiry'").await, lots);
    assert_eq!(bench.number("select sum(active)::bigint FROM account").await, 0);
    assert_eq!(bench.number("select sum(points)::bigint FROM entry").await, members * 100);
    told(&bench, members).await;
    assert_eq!(bench.number("select count(*) FROM job_day where job = 'expiry' and done_at is not null").await, 337);
    assert!(copy.stop().await);
}

/// A copy dies in the middle of a day; another one goes on behind what it has written.
#[tokio::test(flavor = "multi_thread")]
async fn a_day_goes_on_where_a_copy_died() {
    let bench = Bench::start().await;
    fill(&bench, 1_248).await;
    let clock = Arc::new(ManualClock::new(noon("2029-01-01".parse().expect("date"))));
    samples::remember(&bench.env, "points", &[program(1)]).await;
    let copy = async || {
        let mut config = bench.config();
        config.clock = ClockHandle(clock.clone());
        Service::new("points").start(config).await.expect("points starts")
    };
    let copies = [copy().await, copy().await];
    let ended = async || bench.number("select count(*) FROM entry where kind = 'expiry'").await;
    let dying = tokio::spawn({
        let cx = copies[0].cx().clone();
        async move { run_due(&cx, &Expiry::in_parts_of(10)).await }
    });
    eventually(DEADLINE, || async { (ended().await > 50).then_some(()) }).await;
    dying.abort();
    let _ = dying.await;
    let left = bench.number("select count(*) FROM lot where remaining > 0").await;
    assert!((1..1_344).contains(&left), "{left}: it died on the way");
    eventually(DEADLINE, || async {
        run_due(copies[1].cx(), &Expiry::in_parts_of(400)).await.expect("the rest");
        (bench.number("select count(*) FROM job_day where done_at is not null").await == 1).then_some(())
    })
    .await;
    assert_eq!((ended().await, bench.number("select sum(active)::bigint FROM account").await), (1_344, 0));
    assert_eq!(
        bench
            .number(
                "select count(*) FROM account a where sequence <> (select count(*) from points.entry e where e.member_id = a.member_id)"
            )
            .await,
        0
    );
    // What the first one had committed and not published is swept half a minute later.
    clock.set(noon("2029-01-01".parse().expect("date")) + chrono::TimeDelta::minutes(1));
    told(&bench, 1_248).await;
    for copy in copies {
        assert!(copy.stop().await);
    }
}
