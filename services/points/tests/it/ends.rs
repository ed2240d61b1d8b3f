//! Points end with their last day, and members are reminded before.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use jifen_contracts::event::{Earned, Expired, Expiring};
use jifen_kernel::{ManualClock, Points};
use jifen_points::{InvoiceAcceptedHandler, jobs::expiry::Expiry};
use jifen_runtime::daily::run_due;
use jifen_testkit::{DEADLINE, eventually};

use crate::{
    batches::Ledger,
    support::{Bench, invoice, program},
};

fn at(text: &str) -> DateTime<Utc> {
    text.parse::<DateTime<chrono::FixedOffset>>().expect("instant").to_utc()
}

/// Exact default 9, in Shanghai's days; two copies, which stand still for weeks in between.
#[tokio::test(flavor = "multi_thread")]
async fn points_end_with_their_last_day_and_members_are_reminded_once() {
    let bench = Bench::start().await;
    let clock = Arc::new(ManualClock::new(at("2028-08-31T12:00:00+08:00")));
    let copies = [bench.copy_at(&clock, &[program(1)]).await, bench.copy_at(&clock, &[program(1)]).await];
    bench.day_done("expiry", "2028-08-31").await;
    // Two bills of October 2026 end with October 2028, whenever they are posted before 1 October; one of November doesn't.
    let mut later = invoice("R3", 1, "repair", "7.00");
    later.business_date = "2026-11-01".parse().expect("date");
    let bills = [invoice("R1", 1, "repair", "1000.00"), invoice("R2", 1, "repair", "10.00"), later, invoice("R4", 2, "repair", "30.00")];
    bench.publish(&bills, 1).await;
    let _: Vec<Earned> = bench.published(4).await;
    let account = bench.account("M1").await;
    let ends: Vec<_> = account.expiring.iter().map(|ends| (ends.on.to_string(), ends.points.0)).collect();
    assert_eq!(ends, [("2028-10-31".to_owned(), 1_110), ("2028-11-30".to_owned(), 7)]);
    for (day, count) in [("2028-09-01", 2), ("2028-10-01", 5), ("2028-10-24", 7)] {
        clock.set(at(&format!("{day}T00:00:00+08:00")));
        bench.day_done("expiry", day).await;
        let _: Vec<Expiring> = bench.published(count).await;
    }
    let expiring: Vec<Expiring> = bench.published(7).await;
    let mut told: Vec<_> =
        expiring.iter().map(|event| (event.member_no.as_str(), event.on.to_string(), event.days, event.points.0)).collect();
    told.sort();
    let end = || "2028-10-31".to_owned();
    assert_eq!(told[..3], [("M1", end(), 7, 1_110), ("M1", end(), 30, 1_110), ("M1", end(), 60, 1_110)]);
    assert_eq!((told[3].clone(), told.len()), (("M1", "2028-11-30".to_owned(), 60, 7), 7));
    assert_eq!(expiring[0].balance.active, expiring[0].points + Points(if expiring[0].member_no == "M1" { 7 } else { 0 }));
    // The last second of the last day.
    clock.set(at("2028-10-31T23:59:59+08:00"));
    bench.day_done("expiry", "2028-10-31").await;
    assert_eq!(bench.account("M1").await.active, Points(1_117));
    clock.set(at("2028-11-01T00:00:00+08:00"));
    bench.day_done("expiry", "2028-11-01").await;
    let mut expired: Vec<Expired> = bench.published(2).await;
    expired.sort_by(|one, other| one.member_no.cmp(&other.member_no));
    assert_eq!((expired[0].points, expired[0].on.to_string(), expired[0].balance.active), (Points(1_110), end(), Points(7)));
    assert_eq!((expired[1].points, expired[1].funded_by.len(), expired[1].funded_by[0].store.as_str()), (Points(130), 1, "SH01"));
    assert_eq!(bench.counts().await["breakage/SH01"], 1_240, "breakage by funding store");
    let account = bench.account("M1").await;
    assert_eq!((account.active, account.lifetime, account.expiring.len()), (Points(7), Points(1_117), 1), "what was earned stays earned");
    assert_eq!(bench.number("select count(*) FROM reminder where expires_on < '2028-11-01'").await, 0, "forgotten");
    // R3's last reminder is still to come; the next end comes after weeks without anybody.
    for copy in &copies {
        run_due(copy.cx(), &Expiry::default()).await.expect("nothing is left to do");
    }
    bench.explain_all("M1").await;
    bench.assert_sound().await;
    for copy in copies {
        assert!(copy.stop().await);
    }
    clock.set(at("2028-12-20T09:00:00+08:00"));
    let copy = bench.copy_at(&clock, &[program(1)]).await;
    bench.day_done("expiry", "2028-12-20").await;
    let expired: Vec<Expired> = bench.published(3).await;
    assert_eq!((expired[2].member_no.as_str(), expired[2].points), ("M1", Points(7)));
    assert_eq!(bench.number("select count(*) FROM job_day where job = 'expiry' and day > '2028-11-01'").await, 49, "each missed day");
    assert_eq!(bench.published::<Expiring>(7).await.len(), 7, "of what has ended meanwhile nobody is reminded");
    bench.assert_sound().await;
    assert!(copy.stop().await);
}

/// Whatever fails for no member's fault fails as often as it likes: when it is over, nobody was left out.
#[tokio::test(flavor = "multi_thread")]
async fn a_trouble_of_the_database_leaves_nobody_out() {
    let ledger = Ledger::start(at("2028-10-24T09:00:00+08:00"), &[program(1)]).await;
    let bills: Vec<_> = (1..=3).map(|number| invoice(&format!("R{number}"), number, "repair", "10.00")).collect();
    ledger.handle(InvoiceAcceptedHandler, &bills).await;
    ledger.sql("update points.lot set expires_on = '2028-10-31'").await;
    let job = Expiry::in_parts_of(2);
    let said = "select count(*) FROM outbox where subject like 'evt.points.expir%'";
    for (forbidden, until) in [("insert on points.reminder", 3), ("update on points.account", 6)] {
        ledger.sql(&format!("revoke {forbidden} from jifen_points")).await;
        // The lock of a look that failed is let go a moment after it: the next look may find it taken.
        for _ in 0..8 {
            eventually(DEADLINE, || async { run_due(ledger.cx(), &job).await.is_err().then_some(()) }).await;
        }
        assert_eq!(ledger.bench.number(said).await, until - 3);
        ledger.sql(&format!("grant {forbidden} to jifen_points")).await;
        eventually(DEADLINE, || async {
            run_due(ledger.cx(), &job).await.expect("done");
            let done = "select count(*) FROM job_day where done_at is null";
            (ledger.bench.number(done).await == 0 && ledger.bench.number(said).await >= until).then_some(())
        })
        .await;
        assert_eq!(ledger.bench.number(said).await, until, "each member once");
        // The day behind their last one.
        ledger.clock.set(at("2028-11-01T00:00:00+08:00"));
        ledger.sql("update points.job_day set day = '2028-10-31' where day = '2028-10-24'").await;
    }
    ledger.close().await;
}
