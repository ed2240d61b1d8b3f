//! Whoever sums breakage from events comes to what the ledger says.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use jifen_contracts::{
    endpoint::{
        Endpoint, HoldCapture, HoldCaptureRequest, HoldCreate, HoldCreateRequest, HoldRelease, HoldReleaseRequest, LotsRevive,
        LotsReviveRequest, Staff,
    },
    event::{Earned, Expired, FundedPoints, InvoiceAccepted, InvoiceVoided, Returned, Reversed, RevivalCause, Revived},
    program::Revival,
};
use jifen_kernel::{ManualClock, Points, StoreCode};
use jifen_runtime::ask;
use jifen_testkit::samples;
use uuid::Uuid;

use crate::support::{Bench, invoice, program};

fn at(text: &str) -> DateTime<Utc> {
    format!("{text}+08:00").parse::<DateTime<chrono::FixedOffset>>().expect("instant").to_utc()
}

fn bill(number: &str, member: u128, store: &str, amount: &str, day: &str) -> InvoiceAccepted {
    let store = StoreCode::try_new(store).expect("store");
    InvoiceAccepted { store, business_date: day.parse().expect("day"), ..invoice(number, member, "repair", amount) }
}

fn void(of: &InvoiceAccepted) -> InvoiceVoided {
    InvoiceVoided {
        store: of.store.clone(),
        void_no: format!("V-{}", of.invoice_no),
        invoice_no: of.invoice_no.clone(),
        member_id: of.member_id,
        member_no: of.member_no.clone(),
        voided_at: of.issued_at,
        business_date: of.business_date,
        received_at: of.received_at,
        program_version: 1,
        replaced: false,
    }
}

async fn asked<E: Endpoint>(bench: &Bench, request: E::Request) -> E::Reply {
    ask::<E>(&bench.env.nats("local").await, &request).await.expect("an answer")
}

async fn hold(bench: &Bench, operation: &str, points: i64) -> Uuid {
    let request = HoldCreateRequest {
        operation_id: operation.to_owned(),
        member_no: "M1".to_owned(),
        points: Points(points),
        store: "SH01".to_owned(),
        expires_in_s: None,
    };
    asked::<HoldCreate>(bench, request).await.hold_id
}

async fn capture(bench: &Bench, hold_id: Uuid, points: i64, document: &str) {
    let (points, document) = (Some(Points(points)), Some(document.to_owned()));
    let request = HoldCaptureRequest { operation_id: format!("C-{hold_id}"), store: None, hold_id, points, document };
    asked::<HoldCapture>(bench, request).await;
}

/// By funding store, from events alone; the ledger says the same.
async fn breakage(bench: &Bench, expired: usize, revived: usize, reversed: usize) -> BTreeMap<String, i64> {
    let expired: Vec<Expired> = bench.published(expired).await;
    let revived: Vec<Revived> = bench.published(revived).await;
    let reversed: Vec<Reversed> = bench.published(reversed).await;
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    let mut add = |funded: &[FundedPoints], sign: i64| {
        for funded in funded {
            *sums.entry(format!("breakage/{}", funded.store)).or_default() += sign * funded.points.0;
        }
    };
    for event in &expired {
        add(&event.funded_by, 1);
    }
    for event in &revived {
        add(&event.funded_by, -1);
    }
    for entry in reversed.iter().flat_map(|event| &event.entries) {
        let of = entry.breakage_of.clone().map(|store| FundedPoints { store, points: entry.points });
        add(of.as_slice(), -1);
    }
    let mut counts = bench.counts().await;
    counts.retain(|name, _| name.starts_with("breakage/"));
    assert_eq!(sums, counts);
    sums
}

#[tokio::test(flavor = "multi_thread")]
async fn events_say_how_much_breakage_there_is() {
    let bench = Bench::start().await;
    let mut rules = program(1);
    rules.program.stores = serde_json::from_value(serde_json::json!([samples::store("SH01"), samples::store("SH02")])).expect("stores");
    rules.program.expiry.revival = Some(Revival { within_days: 90, live_days: 60 });
    rules.program.redemption.return_grace_days = 0;
    let time = Arc::new(ManualClock::new(at("2028-08-25T12:00:00")));
    let copy = bench.copy_at(&time, &[rules]).await;
    bench.day_done("expiry", "2028-08-25").await;
    let gone = bill("R3", 2, "SH01", "100.00", "2026-09-30");
    let old = [
        bill("R1", 1, "SH01", "100.00", "2026-09-30"),
        bill("R2", 1, "SH02", "500.00", "2026-09-30"),
        gone.clone(),
        bill("R4", 3, "SH02", "50.00", "2026-09-30"),
    ];
    bench.publish(&old, 1).await;
    let _: Vec<Earned> = bench.published(4).await;
    time.set(at("2028-09-30T23:55:00"));
    let (released, captured, returned) = (hold(&bench, "H1", 200).await, hold(&bench, "H2", 300).await, hold(&bench, "H3", 50).await);
    capture(&bench, returned, 50, "R9").await;
    // The end: what is held outlives it, and ends as it comes back.
    time.set(at("2028-10-01T00:01:00"));
    bench.day_done("expiry", "2028-10-01").await;
    breakage(&bench, 3, 0, 0).await;
    asked::<HoldRelease>(&bench, HoldReleaseRequest { operation_id: "L1".to_owned(), store: None, hold_id: released }).await;
    breakage(&bench, 4, 0, 0).await;
    capture(&bench, captured, 100, "R8").await;
    breakage(&bench, 5, 0, 0).await;
    bench.publish(&[void(&bill("R9", 1, "SH01", "10.00", "2028-09-30"))], 1).await;
    let _: Vec<Returned> = bench.published(1).await;
    let all = breakage(&bench, 6, 0, 0).await;
    assert_eq!(all.values().sum::<i64>(), 700 - 100 + 200 + 150, "all but what was spent");
    // What is claimed back of it is claimed from nobody.
    bench.publish(&[void(&gone)], 1).await;
    breakage(&bench, 6, 0, 1).await;
    // A visit brings the rest of the first member's back, staff another's.
    bench.publish(&[bill("R5", 1, "SH01", "7.00", "2028-10-01")], 1).await;
    let _: Vec<Earned> = bench.published(5).await;
    breakage(&bench, 6, 1, 1).await;
    let request = LotsReviveRequest {
        operation_id: "V1".to_owned(),
        member_no: "M3".to_owned(),
        lots: Vec::new(),
        by: Staff { staff_id: "A017".to_owned(), role: "manager".to_owned() },
        reason: "客户投诉".to_owned(),
    };
    asked::<LotsRevive>(&bench, request).await;
    let left = breakage(&bench, 6, 2, 1).await;
    assert_eq!(left.values().sum::<i64>(), 0);
    let revived: Vec<Revived> = bench.published(2).await;
    let shown: Vec<_> = revived.iter().map(|event| (event.cause, event.document.as_deref(), event.points.0, event.repaid.0)).collect();
    assert_eq!(shown, [(RevivalCause::Visit, Some("SH01/R5"), 600, 0), (RevivalCause::Staff, None, 150, 0)]);
    assert_eq!((revived[0].until.to_string().as_str(), revived[0].balance.active), ("2028-11-30", Points(607)));
    bench.explain_all("M1").await;
    bench.assert_sound().await;
    assert!(copy.stop().await);
}
