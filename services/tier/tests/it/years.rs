//! The year of exact default 12, as days pass.

use std::sync::Arc;

use jifen_contracts::event::{EntitlementExpired, EntitlementGranted, TierDowngradeWarned, TierDowngraded, TierUpgraded};
use jifen_kernel::ManualClock;
use jifen_runtime::daily::run_due;
use jifen_testkit::{
    DEADLINE, TestEnv,
    bus::{all_published, drained, publish, published},
    eventually,
};
use jifen_tier::jobs::YearsRun;

use crate::support::{DURABLE, annual, copy_at, instant, number, spent, surroundings};

/// Noon of a day in Shanghai.
fn noon(clock: &ManualClock, day: &str) {
    clock.set(instant(&format!("{day}T04:00:00Z")));
}

fn at(day: &str) -> Arc<ManualClock> {
    Arc::new(ManualClock::new(instant(&format!("{day}T04:00:00Z"))))
}

/// Waits until the run has done this day.
async fn done(env: &TestEnv, day: &'static str) {
    let day: chrono::NaiveDate = day.parse().expect("date");
    let pool = env.pool("tier");
    let last = || sqlx::query_scalar::<_, Option<chrono::NaiveDate>>("select max(day) from job_day where done_at is not null");
    eventually(DEADLINE, || async { (last().fetch_one(&pool).await.ok()? == Some(day)).then_some(()) }).await;
    all_published(env, "tier").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gold_on_10_may_with_a_fen_too_little_is_warned_and_silver_from_9_june() {
    let env = surroundings().await;
    let clock = at("2026-05-10");
    let copies = [copy_at(&env, &clock, &[annual(1)]).await, copy_at(&env, &clock, &[annual(1)]).await];
    done(&env, "2026-05-10").await;
    publish(&env, &[spent("A1", 1, "2026-05-10", "5000"), spent("B1", 2, "2026-05-10", "5000")]).await;
    assert_eq!(drained::<TierUpgraded>(&env, DURABLE).await.len(), 2);
    noon(&clock, "2026-12-01");
    publish(&env, &[spent("A2", 1, "2026-12-01", "4999.99"), spent("B2", 2, "2026-12-01", "4999.99")]).await;
    drained::<TierUpgraded>(&env, DURABLE).await;
    // The day before, nobody is told anything; on the day both are, though days were missed.
    noon(&clock, "2027-04-08");
    done(&env, "2027-04-08").await;
    assert_eq!(drained::<TierDowngradeWarned>(&env, DURABLE).await.len(), 0);
    noon(&clock, "2027-04-09");
    let warned = published::<TierDowngradeWarned>(&env, 2).await;
    assert!(warned.iter().all(|event| event.data.on.to_string() == "2027-06-09" && event.data.to.as_str() == "silver"));
    // One of them settles a fen more on the last day of grace.
    noon(&clock, "2027-06-08");
    publish(&env, &[spent("B3", 2, "2027-06-08", "0.01")]).await;
    done(&env, "2027-06-08").await;
    // What the tier brings in a year comes with what saved it: it ended with the old year.
    assert_eq!(drained::<EntitlementExpired>(&env, DURABLE).await.len(), 4);
    assert_eq!(number(&env, "select count(*) from entitlement where kind = 'wash' and valid_until = '2028-06-07'").await, 1);
    assert_eq!(drained::<TierDowngraded>(&env, DURABLE).await.len(), 0);
    noon(&clock, "2027-06-09");
    done(&env, "2027-06-09").await;
    let down = published::<TierDowngraded>(&env, 1).await;
    assert_eq!((down[0].data.member_no.as_str(), down[0].data.from.as_str(), down[0].data.to.as_str()), ("M1", "gold", "silver"));
    assert_eq!((down[0].data.at, down[0].data.ordinal), (instant("2027-06-08T16:00:00Z"), 2));
    noon(&clock, "2027-07-01");
    done(&env, "2027-07-01").await;
    assert_eq!(drained::<TierDowngraded>(&env, DURABLE).await.len(), 1);
    assert_eq!(drained::<TierDowngradeWarned>(&env, DURABLE).await.len(), 2);
    // Six washes each; those of the year that was kept came anew, the others ended.
    assert_eq!(number(&env, "select count(*) from entitlement where kind = 'wash'").await, 3);
    assert_eq!(published::<EntitlementGranted>(&env, 5).await.len(), 5);
    assert_eq!(drained::<EntitlementExpired>(&env, DURABLE).await.len(), 4);
    for copy in copies {
        assert!(copy.stop().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_failed_half_way_goes_on_and_says_everything_once() {
    let env = surroundings().await;
    let clock = at("2026-05-10");
    let tier = copy_at(&env, &clock, &[annual(1)]).await;
    done(&env, "2026-05-10").await;
    let events: Vec<_> = (1..=700).map(|number| spent(&format!("R{number}"), number, "2026-05-10", "5000")).collect();
    publish(&env, &events).await;
    assert_eq!(drained::<TierUpgraded>(&env, DURABLE).await.len(), 700);
    noon(&clock, "2027-06-08");
    done(&env, "2027-06-08").await;
    // The second part of the day meets a member who can't be saved: the first part stays, nothing of the second does.
    let refuse = "create function tier.refuse() returns trigger language plpgsql as 'begin raise exception ''no''; end';
                  create trigger refuse before update on tier.standing for each row
                  when (old.member_no = 'M650' and new.tier = 'silver') execute function tier.refuse()";
    sqlx::raw_sql(refuse).execute(env.admin_pool()).await.expect("trigger");
    noon(&clock, "2027-06-09");
    let silver = "select count(*) from standing where tier = 'silver'";
    eventually(DEADLINE, || async { (number(&env, silver).await == 500).then_some(()) }).await;
    assert!(run_due(tier.cx(), &YearsRun).await.is_err() || number(&env, silver).await == 500);
    sqlx::raw_sql("drop trigger refuse on tier.standing").execute(env.admin_pool()).await.expect("dropped");
    // By hand, and by the copy's own clock.
    let by_hand = eventually(DEADLINE, || async { run_due(tier.cx(), &YearsRun).await.ok() });
    by_hand.await;
    done(&env, "2027-06-09").await;
    assert_eq!(number(&env, silver).await, 700);
    let mut down: Vec<String> = drained::<TierDowngraded>(&env, DURABLE).await.into_iter().map(|event| event.data.member_no).collect();
    down.sort_unstable();
    down.dedup();
    assert_eq!((down.len(), drained::<TierDowngraded>(&env, DURABLE).await.len()), (700, 700));
    assert!(tier.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_ladder_is_looked_at_by_the_next_days_run() {
    let env = surroundings().await;
    let clock = at("2026-05-10");
    let lower = crate::support::program(2, &[("regular", "普通", 0), ("silver", "银卡", 50)]);
    let lower = jifen_contracts::program::AppliedProgram { effective_from: "2026-05-12".parse().expect("date"), ..lower };
    let tier = copy_at(&env, &clock, &[crate::support::preset(), lower]).await;
    done(&env, "2026-05-10").await;
    publish(&env, &[spent("R1", 1, "2026-05-10", "10")]).await;
    assert_eq!(drained::<TierUpgraded>(&env, DURABLE).await.len(), 0);
    noon(&clock, "2026-05-12");
    let upgraded = published::<TierUpgraded>(&env, 1).await;
    assert_eq!((upgraded[0].data.document.as_str(), upgraded[0].data.program_version), ("program", 2));
    assert!(tier.stop().await);
}
