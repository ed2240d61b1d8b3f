//! Documents whose customer never registers: what is personal goes, what refunds and a later look need stays.

use jifen_contracts::endpoint::{DocumentRequest, DocumentStatus};
use jifen_ingest::LapseParked;
use jifen_kernel::ManualClock;
use jifen_runtime::{ask, context::ClockHandle, daily::run_due};
use jifen_testkit::{DEADLINE, eventually};
use serde_json::{Value, json};
use std::sync::Arc;

use crate::support::{Bench, VIN, at, bill, document, invoice, program};

/// 1 October + 90 days is 30 December; thirty more are given for a registration that is heard of late.
#[tokio::test(flavor = "multi_thread")]
async fn a_bill_that_nobody_claims_lapses_with_its_corrections_and_nothing_personal_stays() {
    let bench = Bench::start().await;
    let clock = Arc::new(ManualClock::new(at("2027-01-29T04:00:00Z")));
    let mut config = bench.config();
    config.clock = ClockHandle(Arc::clone(&clock) as _);
    let ingest = jifen_ingest::service().start(config).await.expect("ingest starts");
    ingest.cx().programs.learn([program(1, &["SH01", "SH02"], &["maintenance", "repair"])]);
    let later = {
        let mut later = invoice("LATER", json!({ "vin": VIN }));
        later["issued_at"] = json!("2026-10-02T10:00:00+08:00");
        later
    };
    bench.publish(&[bill(1), invoice("CAR", json!({ "vin": VIN })), later]).await;
    let refund: Value = json!({
        "store": "SH01", "refund_no": "C1", "invoice_no": "R00001", "refunded_at": "2026-10-03T10:00:00+08:00",
        "lines": [{ "line": 1, "amount": "1.00" }],
    });
    bench.publish_as("refund", &[refund]).await;
    bench.publish_as("interaction", &[document("interaction", "I1", &json!({ "phone": "13900139000" }))]).await;
    bench.settled().await;
    assert_eq!(bench.documents("parked").await, 5);
    let day = async |on: &str, days: i64| {
        clock.set(at(on));
        eventually(DEADLINE, || async {
            run_due(ingest.cx(), &LapseParked).await.expect("a day");
            (bench.number("select count(*) FROM job_day where job = 'lapse_parked' and done_at is not null").await == days).then_some(())
        })
        .await;
    };
    day("2027-01-29T15:59:59Z", 1).await;
    assert_eq!(bench.documents("parked").await, 5, "the last day on which they wait");
    day("2027-01-29T16:00:00Z", 2).await;
    assert_eq!((bench.documents("parked").await, bench.documents("lapsed").await), (1, 4));
    assert_eq!(bench.told(5, 4).await, ["C1", "CAR", "I1", "R00001"].map(|number| format!("{number} rejected document.lapsed")));
    assert_eq!(bench.number("select count(*) FROM document where content is not null").await, 1);
    assert_eq!(bench.number("select count(*) FROM parked_key").await, 1);
    // A later look still answers: the status, the same again, a refund of it, a registration.
    let asked = DocumentRequest { store: "SH01".into(), kind: "invoice".into(), document: "R00001".into() };
    let found = ask::<DocumentStatus>(&bench.env.nats("local").await, &asked).await.expect("status");
    assert_eq!((found.status.as_str(), found.code.as_deref()), ("lapsed", Some("document.lapsed")));
    bench.publish(&[bill(1)]).await;
    bench.settled().await;
    assert_eq!(bench.told(9, 1).await, ["R00001 duplicate document.duplicate"]);
    let refund = json!({
        "store": "SH01", "refund_no": "C2", "invoice_no": "R00001", "refunded_at": "2027-01-03T10:00:00+08:00",
        "lines": [{ "line": 1, "amount": "1.00" }],
    });
    bench.publish_as("refund", &[refund]).await;
    bench.register(&[bench.registration(1)]).await;
    bench.settled().await;
    assert_eq!(bench.told(10, 1).await, ["C2 rejected document.lapsed"]);
    assert_eq!((bench.documents("accepted").await, bench.documents("parked").await), (0, 1));
    day("2027-01-30T16:00:00Z", 3).await;
    assert_eq!((bench.documents("parked").await, bench.number("select count(*) FROM dead_letter").await), (0, 0));
    bench.assert_sound().await;
    assert!(ingest.stop().await);
}
