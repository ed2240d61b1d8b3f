//! Cars that change hands: a bill with nothing but a VIN finds who had the car on its day.

use jifen_contracts::{EventType, event::MemberUpdated};
use jifen_ingest::MemberNews;
use jifen_testkit::statements;
use serde_json::{Value, json};

use crate::{
    activation::{owns, updated},
    support::{Bench, VIN, document_message, handle, invoice, member, message, phone},
};

fn bill_of(number: &str, day: &str) -> Value {
    let mut bill = invoice(number, json!({ "vin": VIN }));
    bill["issued_at"] = json!(format!("{day}T10:00:00+08:00"));
    bill
}

/// One who had it from September on and one who has it since 10 October, whatever is heard of first.
#[tokio::test(flavor = "multi_thread")]
async fn a_bill_of_before_a_car_changed_hands_finds_who_had_it() {
    for order in [[0, 1], [1, 0]] {
        let bench = Bench::start().await;
        let ingest = bench.copy().await;
        bench.register(&[bench.with_vin(bench.registration(1), VIN, "2026-09-01"), bench.registration(2)]).await;
        bench.settled().await;
        let news = [updated(&bench, 1, 1, "2026-10-10"), owns(&bench, updated(&bench, 2, 2, "2026-10-10"), VIN, "2026-10-10")];
        for place in order {
            bench.tell(2, &news[place]).await;
            bench.settled().await;
        }
        bench.publish(&[bill_of("BEFORE", "2026-08-31"), bill_of("FIRST", "2026-09-01"), bill_of("LAST", "2026-10-09")]).await;
        bench.publish(&[bill_of("NEXT", "2026-10-10"), invoice("PHONE", json!({ "vin": VIN, "phone": phone(2) }))]).await;
        bench.settled().await;
        let accepted = bench.accepted(4).await;
        let whose = |number: &str| accepted[number].member_id;
        assert_eq!((whose("FIRST"), whose("LAST"), whose("NEXT")), (member(1), member(1), member(2)), "{order:?}");
        assert_eq!(whose("PHONE"), member(2), "a car says nothing where somebody is found who is known");
        assert_eq!(bench.documents("parked").await, 1, "nobody had it before");
        bench.assert_sound().await;
        assert!(ingest.stop().await);
    }
}

/// A car that was bought and sold before anybody heard of it: both events in one batch, or the later one first; a bill waits already.
#[tokio::test(flavor = "multi_thread")]
async fn a_car_that_was_a_members_in_between_releases_what_waits() {
    for together in [true, false] {
        let bench = Bench::start().await;
        let ingest = bench.copy().await;
        bench.register(&[bench.registration(1)]).await;
        bench.publish(&[bill_of("WAITS", "2026-10-05"), bill_of("LATER", "2026-10-12")]).await;
        bench.settled().await;
        assert_eq!(bench.documents("parked").await, 2);
        // The second event is said once more behind the third.
        let news = [owns(&bench, updated(&bench, 1, 1, "2026-10-06"), VIN, "2026-10-02"), updated(&bench, 1, 1, "2026-10-10")];
        let messages: Vec<_> =
            (2..).zip(&news).map(|(sequence, news)| message(&news.subject(), 9, bench.news_of(sequence, news))).collect();
        let batches = if together { vec![messages] } else { vec![vec![messages[1].clone()], vec![messages[0].clone()]] };
        for batch in batches {
            handle(&ingest, MemberNews::<MemberUpdated>::new(), batch).await;
        }
        bench.settled().await;
        assert_eq!(bench.accepted(1).await["WAITS"].member_id, member(1), "together: {together}");
        assert_eq!(bench.documents("parked").await, 1, "it was nobody's any more");
        bench.assert_sound().await;
        assert!(ingest.stop().await);
    }
}

/// Who is looked for among former owners is nobody's by now: a batch of known customers asks nothing more.
#[tokio::test]
async fn a_document_of_a_known_customer_pays_nothing_for_former_owners() {
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    bench.register(&[bench.with_vin(bench.registration(1), VIN, "2026-09-01")]).await;
    bench.settled().await;
    let mut costs = Vec::new();
    for (place, customer) in
        [json!({ "phone": phone(1) }), json!({ "vin": VIN }), json!({ "phone": phone(1), "vin": VIN })].iter().enumerate()
    {
        let bill = invoice(&format!("R{place}"), customer.clone());
        let one = vec![document_message(place as u64 + 1, &bill)];
        costs.push(statements::within(Box::pin(handle(&ingest, jifen_ingest::Documents, one))).await);
    }
    assert!(costs.windows(2).all(|pair| pair[0] == pair[1]), "{costs:?}");
    assert!(ingest.stop().await);
}
