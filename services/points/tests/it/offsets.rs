//! What bills say that points paid, and what was captured for them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use jifen_contracts::{
    document::ReductionKind,
    endpoint::{HoldCaptureRequest, HoldCreateRequest},
    event::{AcceptedReduction, FlagReason, Flagged, InvoiceAccepted, InvoiceVoided},
};
use jifen_kernel::{Money, Points};
use jifen_points::{BonusGrantedHandler, CaptureHold, CreateHold, InvoiceAcceptedHandler, InvoiceVoidedHandler, Offsets};
use jifen_runtime::daily::run_due;
use jifen_testkit::{DEADLINE, eventually};

use crate::{
    batches::Ledger,
    support::{grant, invoice, program, store},
};

/// A bill of which points pay so much by its own words.
fn bill(number: &str, offset: Option<&str>) -> InvoiceAccepted {
    let reduction = |amount| AcceptedReduction { kind: ReductionKind::Points, amount: Money::try_new(amount).expect("money") };
    InvoiceAccepted { reductions: offset.map(reduction).into_iter().collect(), ..invoice(number, 1, "repair", "100.00") }
}

fn voided(number: &str, by: &str, replaced: bool) -> InvoiceVoided {
    let of = bill(number, None);
    InvoiceVoided {
        store: store(),
        void_no: by.to_owned(),
        invoice_no: number.to_owned(),
        member_id: of.member_id,
        member_no: of.member_no,
        voided_at: of.issued_at,
        business_date: of.business_date,
        received_at: of.received_at,
        program_version: 1,
        replaced,
    }
}

async fn capture(ledger: &Ledger, document: &str, points: i64) {
    let request = HoldCreateRequest {
        operation_id: document.to_owned(),
        store: "SH01".to_owned(),
        member_no: "M1".to_owned(),
        points: Points(points),
        expires_in_s: None,
    };
    let hold_id = ledger.ask(CreateHold, vec![request]).await.1[0].hold_id;
    let (operation_id, document) = (document.to_owned(), Some(document.to_owned()));
    ledger.ask(CaptureHold, vec![HoldCaptureRequest { operation_id, store: None, hold_id, points: None, document }]).await;
}

/// Lets a morning come.
async fn morning(ledger: &Ledger, day: &str) {
    let at: DateTime<Utc> = format!("{day}T00:30:00Z").parse().expect("instant");
    ledger.clock.set(at);
    let done = format!("select count(*) FROM job_day where job = 'offsets' and day = '{day}' and done_at is not null");
    eventually(DEADLINE, || async {
        run_due(ledger.cx(), &Offsets).await.expect("compared");
        let sql = sqlx::AssertSqlSafe(done.replace("FROM ", "from points."));
        let done: i64 = sqlx::query_scalar(sql).fetch_one(ledger.bench.env.admin_pool()).await.expect("a day");
        (done == 1).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bill_that_says_something_else_than_was_captured_is_named_once() {
    let ledger = Ledger::start("2026-10-08T02:00:00Z".parse().expect("instant"), &[program(1)]).await;
    ledger.handle(BonusGrantedHandler, &[grant("p", 1, 50_000)]).await;
    morning(&ledger, "2026-10-08").await;
    // Of the first day nothing is compared: nobody kept what bills said before.
    ledger.handle(InvoiceAcceptedHandler, &[bill("R0", Some("10.00"))]).await;
    morning(&ledger, "2026-10-09").await;
    let said = [
        bill("R1", Some("10.00")),
        bill("R2", Some("10.00")),
        bill("R3", Some("10.00")),
        bill("R4", None),
        bill("R6", Some("10.00")),
        bill("R7", Some("10.00")),
        bill("R8", Some("10.00")),
        bill("R9", None),
    ];
    ledger.handle(InvoiceAcceptedHandler, &said).await;
    for (document, points) in [("R1", 1_000), ("R2", 800), ("R4", 500), ("R5", 500), ("R6", 1_000), ("R8", 1_000)] {
        capture(&ledger, document, points).await;
    }
    // R7 takes the place of R6, and what paid that; R8 counts no longer.
    ledger.handle(InvoiceVoidedHandler, &[voided("R6", "R7", true), voided("R8", "V8", false)]).await;
    morning(&ledger, "2026-10-10").await;
    assert_eq!(ledger.bench.number("select count(*) FROM offset_difference").await, 0, "both have their time");
    morning(&ledger, "2026-10-11").await;
    // One more says that R6 was reopened.
    let mut flagged: Vec<Flagged> = ledger.bench.published(5).await;
    flagged.retain(|event| event.reason == FlagReason::OffsetDiffers);
    let named: BTreeMap<&str, (FlagReason, String, i64, String)> = flagged
        .iter()
        .map(|event| {
            let offset = event.offset.expect("an offset");
            (event.document.as_str(), (event.reason, offset.said.to_string(), offset.captured.0, offset.worth.to_string()))
        })
        .collect();
    let differs = |said: &str, captured, worth: &str| (FlagReason::OffsetDiffers, said.to_owned(), captured, worth.to_owned());
    let expected = [
        ("R2", differs("10.00", 800, "8.00")),
        ("R3", differs("10.00", 0, "0.00")),
        ("R4", differs("0.00", 500, "5.00")),
        // A bill that never came.
        ("R5", differs("0.00", 500, "5.00")),
    ];
    assert_eq!(named, BTreeMap::from(expected));
    assert_eq!(flagged.iter().filter(|event| event.by.is_empty()).count(), 1, "the others name the hold");
    // It comes at last, and says something else again: that was told.
    ledger.handle(InvoiceAcceptedHandler, &[bill("R5", Some("1.00"))]).await;
    morning(&ledger, "2026-10-14").await;
    assert_eq!(ledger.bench.number("select count(*) FROM outbox where subject like 'evt.points.flagged%'").await, 5);
    ledger.close().await;
}
