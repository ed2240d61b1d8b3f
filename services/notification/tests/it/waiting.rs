//! Advertising waits for its hour, needs consent when it goes out, and comes no more often than a week allows.

use crate::support::{Bench, started};

const CONSENT: &[&str] = &["sms:promotion"];

#[tokio::test]
async fn quiet_hours_hold_advertising_back_and_nothing_of_it_is_in_the_stream() {
    let bench = Bench::start_at("2026-10-01T21:00:00+08:00").await;
    bench.knows(1, CONSENT);
    bench.knows(2, CONSENT);
    bench.knows(3, CONSENT);
    bench.answer_contacts().await;
    let copy = bench.copy(500).await;
    bench.publish(&started("double", [1, 2, 3])).await;
    bench.settle().await;
    bench.send_due(&copy).await;
    assert_eq!((bench.commands().await.len(), bench.counts().await["campaign_started/waiting"]), (0, 3));
    bench.set_clock("2026-10-02T07:59:59+08:00");
    bench.send_due(&copy).await;
    assert_eq!(bench.commands().await.len(), 0);
    // Consent that was taken back meanwhile, and a member who left.
    bench.knows(2, &["sms:service"]);
    bench.set_clock("2026-10-02T08:00:00+08:00");
    bench.publish(&started("double", [1, 2, 3])).await;
    bench.send_due(&copy).await;
    bench.send_due(&copy).await;
    bench.settle().await;
    assert_eq!(bench.texts().await.len(), 2);
    let command = bench.commands().await.remove(0);
    assert_eq!(command.not_after, crate::support::instant("2026-10-02T21:00:00+08:00"));
    let counts = bench.counts().await;
    assert_eq!((counts["campaign_started/commanded"], counts["campaign_started/suppressed/no_consent"]), (2, 1), "{counts:?}");
    assert_eq!(bench.number("select count(*) from send where facts is not null").await, 0);
    assert!(copy.stop().await);
}

#[tokio::test]
async fn what_is_due_too_late_is_dropped_and_counted() {
    let bench = Bench::start_at("2026-10-30T22:00:00+08:00").await;
    bench.knows(1, CONSENT);
    bench.answer_contacts().await;
    bench.publish(&started("last_day", [1])).await;
    let copy = bench.copy(500).await;
    bench.settle().await;
    // Nobody ran until its last day was over.
    bench.set_clock("2026-11-01T00:00:00+08:00");
    bench.send_due(&copy).await;
    jifen_testkit::eventually(jifen_testkit::DEADLINE, || async {
        (bench.counts().await.get("campaign_started/suppressed/expired") == Some(&1)).then_some(())
    })
    .await;
    assert_eq!(bench.commands().await.len(), 0);
    assert!(copy.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_week_has_its_limit_whatever_the_number_of_copies() {
    const MEMBERS: u128 = 40;
    let bench = Bench::start_at("2026-10-05T12:00:00+08:00").await;
    (1..=MEMBERS).for_each(|number| bench.knows(number, CONSENT));
    bench.answer_contacts().await;
    let copies = (bench.copy(3).await, bench.copy(500).await);
    let campaigns: Vec<_> = ["a", "b", "c", "d", "e"].into_iter().map(|code| started(code, 1..=MEMBERS)).collect();
    bench.publish_all(&campaigns).await;
    bench.publish_all(&campaigns).await;
    bench.settle().await;
    tokio::join!(bench.send_due(&copies.0), bench.send_due(&copies.1));
    bench.send_due(&copies.1).await;
    jifen_testkit::eventually(jifen_testkit::DEADLINE, || async {
        (!bench.counts().await.contains_key("campaign_started/waiting")).then_some(())
    })
    .await;
    bench.settle().await;
    let counts = bench.counts().await;
    assert_eq!((counts["campaign_started/commanded"], counts["campaign_started/suppressed/weekly_cap"]), (80, 120), "{counts:?}");
    assert_eq!(bench.commands().await.len(), 80);
    let most = "select max(n) from (select count(*) as n from send where promotion_week = '2026-10-05' group by member_id) of_member";
    assert_eq!(bench.number(most).await, 2);
    // On Sunday night there is no more; on Monday a new week begins.
    bench.set_clock("2026-10-11T20:59:59+08:00");
    bench.publish(&started("f", [1])).await;
    bench.settle().await;
    bench.send_due(&copies.0).await;
    bench.set_clock("2026-10-12T08:00:00+08:00");
    bench.publish(&started("g", [1])).await;
    bench.settle().await;
    let sent = || async {
        bench.send_due(&copies.0).await;
        (bench.commands().await.len() == 81).then_some(())
    };
    jifen_testkit::eventually(jifen_testkit::DEADLINE, sent).await;
    assert_eq!(bench.counts().await["campaign_started/suppressed/weekly_cap"], 121);
    assert!(copies.0.stop().await && copies.1.stop().await);
}
