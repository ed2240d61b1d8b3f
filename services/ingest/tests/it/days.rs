//! A store's day against what arrived of it.

use jifen_contracts::{
    endpoint::{DayCompare, DayRequest},
    event::{DayClosed, DayDifference, MemberRegistered},
};
use jifen_ingest::{Documents, MemberNews};
use jifen_runtime::{Running, ask};
use jifen_testkit::statements;
use serde_json::{Value, json};

use crate::support::{Bench, day, handle, invoice, message, phone};

/// A bill of 780 of SH01 on 1 October, of a customer.
fn bill(number: &str, customer: u64) -> Value {
    invoice(number, json!({ "phone": phone(customer) }))
}

fn close(count: u32, sum: &str, last: &str) -> Value {
    json!({
        "store": "SH01", "day": "2026-10-01", "invoices": {"count": count, "sum": sum, "first": "R-01", "last": last},
        "refunds": {"count": 1, "sum": "5.00"},
    })
}

fn words(differences: &[DayDifference]) -> Vec<String> {
    let word = |one: &DayDifference| {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let kind = serde_json::to_string(&one.kind).expect("json");
        format!("{} {} {}/{}", kind.trim_matches('"'), text(&one.document), text(&one.said), text(&one.arrived))
    };
    differences.iter().map(word).collect()
}

async fn send(ingest: &Running, sequence: &mut u64, kind: &str, documents: &[Value]) {
    let batch = documents.iter().map(|document| {
        *sequence += 1;
        message(&format!("pos.v1.SH01.{kind}"), *sequence, document.to_string().into_bytes())
    });
    handle(ingest, Documents, batch.collect()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_is_compared_when_it_is_closed_and_whenever_it_is_asked_for() {
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    let mut sequence = 0;
    let event = message("evt.member.registered.v1.SH01", 1, bench.event_of(&bench.registration(1)));
    handle(&ingest, MemberNews::<MemberRegistered>::new(), vec![event]).await;
    // Accepted, waiting, and of the next local day. The second one is missing.
    let mut next_day = bill("R-04", 1);
    next_day["issued_at"] = json!("2026-10-01T16:00:00Z");
    send(&ingest, &mut sequence, "invoice", &[bill("R-01", 1), bill("R-03", 2), next_day]).await;
    let refund = json!({
        "store": "SH01", "refund_no": "C-1", "invoice_no": "R-02", "refunded_at": "2026-10-01T12:00:00+08:00",
        "lines": [{"line": 1, "amount": "5.00"}],
    });
    send(&ingest, &mut sequence, "refund", &[refund]).await;
    send(&ingest, &mut sequence, "day_close", &[close(4, "3120.00", "R-04"), close(4, "3120.00", "R-04")]).await;
    assert_eq!(bench.told(4, 2).await, ["2026-10-01 accepted", "2026-10-01 duplicate document.duplicate"]);
    let closed = &bench.events::<DayClosed>(1).await[0].data.compared;
    assert_eq!((closed.store.as_str(), closed.day, closed.closed_at.is_some()), ("SH01", day("2026-10-01"), true));
    let expected = ["missing R-02 /", "other_day R-04 /2026-10-02", "count  4/2", "sum  3120.00/1560.00", "last  R-04/R-03"];
    assert_eq!(words(&closed.invoice_differences), expected);
    assert!(closed.refund_differences.is_empty(), "{:?}", closed.refund_differences);
    // What comes late changes the answer, not the event.
    send(&ingest, &mut sequence, "invoice", &[bill("R-02", 1)]).await;
    let nats = bench.env.nats("local").await;
    let asked = DayRequest { store: "SH01".to_owned(), day: day("2026-10-01") };
    let found = ask::<DayCompare>(&nats, &asked).await.expect("the day");
    assert_eq!(words(&found.invoice_differences), ["other_day R-04 /2026-10-02", "count  4/3", "sum  3120.00/2340.00", "last  R-04/R-03"]);
    assert_eq!(bench.number("select count(*) FROM outbox where subject like '%day_closed%'").await, 1);
    // Another word about the same day is a conflict; a day that was not closed shows what arrived.
    send(&ingest, &mut sequence, "day_close", &[close(3, "2340.00", "R-03")]).await;
    assert_eq!(bench.told(8, 1).await, ["2026-10-01 rejected document.conflict"]);
    let open = ask::<DayCompare>(&nats, &DayRequest { day: day("2026-10-02"), ..asked }).await.expect("the day");
    assert_eq!((open.closed_at, open.invoices.arrived.count, open.invoices.said), (None, 1, None));
    bench.assert_sound().await;
    assert!(ingest.stop().await);
}

#[tokio::test]
async fn days_cost_the_same_statements_however_many_they_are() {
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    let mut sequence = 0;
    let mut costs = Vec::new();
    for (month, days) in [(8, 2), (9, 30)] {
        let close = |day| json!({ "store": "SH01", "day": format!("2026-{month:02}-{day:02}"), "invoices": {"count": 1, "sum": "1", "first": "R1", "last": "R1"} });
        let closes: Vec<Value> = (1..=days).map(close).collect();
        costs.push(statements::within(Box::pin(send(&ingest, &mut sequence, "day_close", &closes))).await);
    }
    assert_eq!(costs[0], costs[1]);
    assert!(costs[0] <= 9, "{costs:?}");
    assert_eq!(bench.events::<DayClosed>(32).await.len(), 32);
    assert!(ingest.stop().await);
}
