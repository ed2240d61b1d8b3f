//! Points that wait for their member's activation.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use jifen_contracts::event::{AccrualSettled, CorrectionKind, DocumentRef, Earned, Reversed};
use jifen_kernel::{ManualClock, Points};
use jifen_runtime::context::ClockHandle;
use jifen_testkit::{DEADLINE, eventually};

use crate::support::{Bench, activated, answer, awaiting, by_document, double, grant, interaction, invoice, program, store};

#[tokio::test(flavor = "multi_thread")]
async fn pending_points_become_spendable_once() {
    let bench = Bench::start().await;
    let copies = [bench.copy().await, bench.copy().await];
    bench.publish(&[awaiting(invoice("R1", 1, "repair", "1000.00")), awaiting(invoice("R2", 1, "repair", "10.00"))], 2).await;
    let _: Vec<Earned> = bench.published(2).await;
    bench.publish(&[answer("R1", 1, vec![double("repair", 1_000)])], 2).await;
    let settled = by_document(bench.published(1).await);
    assert!(settled["R1"].entries.iter().all(|entry| entry.pending), "the bonus is pending, too");
    assert_eq!((settled["R1"].balance.active, settled["R1"].balance.pending), (Points(0), Points(2_110)));
    let mut check_in = interaction("C1", 1, "check_in", "2026-10-01", None);
    check_in.awaiting_activation = true;
    bench.publish(&[check_in], 1).await;
    // A grant that rests on a pending invoice is pending, one that rests on nothing isn't.
    let rests_on = vec![DocumentRef { store: store(), document: "R1".to_owned() }];
    let mut delayed = grant("p1", 1, 300);
    delayed.documents = rests_on;
    bench.publish(&[delayed, grant("p2", 1, 20)], 1).await;
    let _: Vec<AccrualSettled> = bench.published(4).await;
    let account = bench.account("M1").await;
    assert_eq!((account.active, account.pending, account.lifetime), (Points(20), Points(2_415), Points(2_435)));
    assert_eq!(account.expiring.iter().map(|expiring| expiring.points.0).sum::<i64>(), 20);
    bench.assert_sound().await;

    bench.publish(&[activated(1)], 3).await;
    bench.settled().await;
    let account = bench.account("M1").await;
    assert_eq!((account.active, account.pending, account.lifetime), (Points(2_435), Points(0), Points(2_435)));
    // What ingest accepted before it knew comes spendable, and so does the bonus.
    bench.publish(&[answer("R2", 1, vec![double("repair", 10)])], 1).await;
    bench.publish(&[awaiting(invoice("R3", 1, "repair", "5.00"))], 1).await;
    let _: Vec<Earned> = bench.published(3).await;
    let settled = by_document(bench.published(5).await);
    assert_eq!(settled["R2"].entries.iter().map(|entry| entry.pending).collect::<Vec<_>>(), [true, false], "as posted");
    let account = bench.account("M1").await;
    assert_eq!((account.active, account.pending), (Points(2_450), Points(0)));
    let explained = bench.explain_all("M1").await;
    assert_eq!(explained.iter().filter(|reply| reply.of_entry.is_some()).count(), 6);
    bench.assert_sound().await;
    for copy in copies {
        assert!(copy.stop().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_activation_may_come_first_and_concern_nobody_else() {
    let bench = Bench::start().await;
    let points = bench.copy().await;
    bench.publish(&[activated(1)], 1).await;
    bench.settled().await;
    bench.publish(&[awaiting(invoice("R1", 1, "repair", "10.00")), awaiting(invoice("R2", 2, "repair", "10.00"))], 1).await;
    let _: Vec<Earned> = bench.published(2).await;
    let of = async |member: &str| {
        let account = bench.account(member).await;
        (account.active, account.pending)
    };
    assert_eq!((of("M1").await, of("M2").await), ((Points(110), Points(0)), (Points(0), Points(110))));
    bench.assert_sound().await;
    assert!(points.stop().await);
}

/// Members are activated while their invoices come: whichever is first, everything is spendable in the end.
#[tokio::test(flavor = "multi_thread")]
async fn activations_race_with_postings() {
    let bench = Bench::start().await;
    let copies = [bench.copy().await, bench.copy().await, bench.copy().await];
    let invoices: Vec<_> = (0..120).map(|i| awaiting(invoice(&format!("R{i:03}"), i % 12, "repair", "10.00"))).collect();
    for (part, member) in invoices.chunks(10).zip(0..) {
        bench.publish(part, 2).await;
        bench.publish(&[activated(member)], 2).await;
    }
    let _: Vec<Earned> = bench.published(120).await;
    bench.settled().await;
    assert_eq!(bench.number("select sum(active)::bigint FROM account").await, 120 * 10 + 12 * 100);
    assert_eq!(bench.number("select sum(pending)::bigint FROM account").await, 0);
    assert_eq!(bench.number("select count(*) FROM dead_letter").await, 0);
    bench.assert_sound().await;
    for copy in copies {
        assert!(copy.stop().await);
    }
}

/// Exact default 11: what is pending 90 days after its business date is reversed.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_pending_too_long_lapses() {
    let bench = Bench::start().await;
    let at = |text: &str| text.parse::<DateTime<Utc>>().expect("instant");
    let clock = Arc::new(ManualClock::new(at("2026-10-02T04:00:00Z")));
    let mut config = bench.config();
    config.clock = ClockHandle(clock.clone());
    let points = jifen_points::service().start(config).await.expect("points starts");
    points.cx().programs.learn([program(1)]);
    let mut later = awaiting(invoice("R2", 1, "repair", "10.00"));
    later.business_date = "2026-10-02".parse().expect("date");
    // One of too little for a point is an invoice all the same.
    let little = awaiting(invoice("R0", 1, "repair", "0.40"));
    bench
        .publish(&[awaiting(invoice("R1", 1, "repair", "1000.00")), little, later, awaiting(invoice("R3", 2, "repair", "10.00"))], 1)
        .await;
    let _: Vec<Earned> = bench.published(4).await;
    bench.publish(&[answer("R1", 1, vec![double("repair", 1_000)])], 1).await;
    let _: Vec<AccrualSettled> = bench.published(1).await;
    bench.publish(&[activated(2)], 1).await;
    bench.settled().await;
    let done = async |day: &'static str| {
        let days = || async {
            let done = format!("select count(*) from points.job_day where job = 'lapse' and day = '{day}' and done_at is not null");
            let done: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(done)).fetch_one(bench.env.admin_pool()).await.ok()?;
            (done == 1).then_some(())
        };
        eventually(DEADLINE, days).await;
    };
    done("2026-10-02").await;
    clock.set(at("2026-12-29T04:00:00Z"));
    done("2026-12-29").await;
    assert_eq!(bench.account("M1").await.pending, Points(2_110));
    clock.set(at("2026-12-30T04:00:00Z"));
    done("2026-12-30").await;
    let account = bench.account("M1").await;
    assert_eq!(
        (account.active, account.pending, account.lifetime),
        (Points(0), Points(110), Points(110)),
        "R2 keeps the first spending alive"
    );
    assert_eq!(bench.account("M2").await.active, Points(110), "who is activated loses nothing");
    let reversed: Vec<Reversed> = bench.published(1).await;
    assert_eq!((reversed[0].correction, reversed[0].document.as_str()), (CorrectionKind::Lapse, "R1"));
    assert_eq!(reversed[0].entries.iter().map(|entry| entry.points.0).sum::<i64>(), 2_000);
    assert!(reversed[0].entries.iter().all(|entry| entry.qualifying && entry.pending));
    clock.set(at("2026-12-31T04:00:00Z"));
    done("2026-12-31").await;
    let account = bench.account("M1").await;
    assert_eq!((account.active, account.pending, account.lifetime), (Points(0), Points(0), Points(0)), "it goes with R2");
    // The answer to R2 comes late: what it grants goes back at once. A first spending may come again.
    bench.publish(&[answer("R2", 1, vec![double("repair", 10)])], 1).await;
    let _: Vec<Reversed> = bench.published(3).await;
    bench.publish(&[awaiting(invoice("R4", 1, "repair", "20.00"))], 1).await;
    let _: Vec<Earned> = bench.published(5).await;
    let account = bench.account("M1").await;
    assert_eq!((account.active, account.pending, account.lifetime), (Points(0), Points(120), Points(120)));
    bench.explain_all("M1").await;
    bench.assert_sound().await;
    assert!(points.stop().await);
}
