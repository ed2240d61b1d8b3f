//! The same messages again, in other batches, to several copies; and what a batch costs.

use jifen_contracts::event::MemberRegistered;
use jifen_ingest::{Documents, MemberNews};
use jifen_runtime::message::RawMessage;
use jifen_testkit::statements;
use serde_json::{Value, json};

use crate::support::{Bench, bill, document_message, handle, message, phone};

fn changed(number: u64) -> Value {
    let mut document = bill(number);
    document["odometer_km"] = json!(1);
    document
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_delivered_again_says_nothing_again() {
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    bench.register(&[bench.registration(1)]).await;
    bench.settled().await;
    let garbage = message("pos.v1.SH01.invoice", 5, b"{".to_vec());
    let batch = vec![
        document_message(1, &bill(1)),
        document_message(2, &bill(1)),
        document_message(3, &changed(1)),
        document_message(4, &bill(2)),
        garbage.clone(),
        message("pos.v1.SH01.invoice", 6, b"{".to_vec()),
    ];
    let state =
        "select count(*) + 1000 * (select sum(times) from ingest.reject) + 1000000 * (select count(*) from ingest.arrival) FROM document";
    handle(&ingest, Documents, batch.clone()).await;
    assert_eq!(bench.told(0, 6).await.len(), 6);
    let before = (bench.number(state).await, bench.number("select count(*) FROM outbox").await);
    assert_eq!(before.0, 2 + 3000 + 4_000_000);
    // Whole, alone, in other company, backwards.
    handle(&ingest, Documents, batch.clone()).await;
    for raw in batch.iter().rev() {
        handle(&ingest, Documents, vec![raw.clone()]).await;
    }
    handle(&ingest, Documents, batch.iter().rev().cloned().collect()).await;
    assert_eq!((bench.number(state).await, bench.number("select count(*) FROM outbox").await), before);
    // The same place of a stream that was made anew is another message.
    let anew = RawMessage { stored_at: garbage.stored_at + chrono::Duration::hours(1), ..garbage };
    handle(&ingest, Documents, vec![anew]).await;
    assert_eq!(bench.told(6, 1).await[0], "rejected document.undecodable");
    bench.assert_sound().await;
    assert!(ingest.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_stays_accepted_when_the_rules_change() {
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    bench.register(&[bench.registration(1)]).await;
    bench.settled().await;
    bench.publish(&[bill(1)]).await;
    bench.settled().await;
    ingest.cx().programs.learn([crate::support::program(2, &["SH02"], &["repair"])]);
    bench.publish(&[bill(1), changed(1)]).await;
    assert_eq!(bench.told(1, 2).await, ["R00001 duplicate document.duplicate", "R00001 rejected document.unknown_store"]);
    assert!(ingest.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_copies_and_every_message_several_times() {
    const CUSTOMERS: u64 = 60;
    let bench = Bench::start().await;
    // A second durable hands every message to the same handler once more, at the same time: redelivery in its worst form.
    let service = || jifen_ingest::service().reads("ingest_documents_again", &["pos.v1.>"], Documents);
    let copies = [bench.copy_of(service()).await, bench.copy_of(service()).await];
    let registrations: Vec<MemberRegistered> = (0..CUSTOMERS).map(|number| bench.registration(number)).collect();
    let mut documents = Vec::new();
    for round in 0..3 {
        for number in (0..CUSTOMERS).map(|number| if round == 1 { CUSTOMERS - 1 - number } else { number }) {
            documents.push(("pos.v1.SH01.invoice", bill(number).to_string().into_bytes()));
            if number % 10 == round {
                documents.push(("pos.v1.SH01.invoice", format!("{{broken {number}").into_bytes()));
            }
        }
    }
    let twice = async {
        bench.register(&registrations).await;
        bench.register(&registrations).await;
    };
    tokio::join!(bench.publish_on(&documents), twice);
    bench.settled_for(&["ingest_documents", "ingest_documents_again"]).await;
    let customers = i64::try_from(CUSTOMERS).expect("count");
    assert_eq!((bench.documents("accepted").await, bench.documents("parked").await), (customers, 0));
    assert_eq!(bench.number("select count(*) FROM arrival where fate = 'duplicate'").await, 2 * customers);
    let receipts = |status: &str| {
        format!(
            "select count(*) FROM outbox where subject like 'receipt.%' and convert_from(payload, 'UTF8') like '%\"status\":\"{status}\"%'"
        )
    };
    assert_eq!(bench.number(&receipts("accepted")).await, customers);
    assert_eq!(bench.number(&receipts("duplicate")).await, 2 * customers);
    assert_eq!(bench.number(&receipts("rejected")).await, 18);
    assert_eq!(bench.number("select sum(times)::bigint FROM reject").await, 18);
    bench.assert_sound().await;
    for copy in copies {
        assert!(copy.stop().await);
    }
}

#[tokio::test]
async fn a_batch_costs_the_same_statements_whatever_its_size() {
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    let mut sequence = 0;
    let mut next = |subject: &str, payload: Vec<u8>| {
        sequence += 1;
        message(subject, sequence, payload)
    };
    let mut costs = Vec::new();
    for (start, size) in [(0, 2), (1_000, 200)] {
        // Every fate there is, `size` times each: parked, then released; accepted; duplicate; conflict; refused.
        let customers: Vec<u64> = (start..start + size).collect();
        let mut first: Vec<RawMessage> = customers.iter().map(|n| next("pos.v1.SH01.invoice", bill(*n).to_string().into_bytes())).collect();
        first.extend(customers.iter().map(|n| next("pos.v1.SH01.invoice", bill(*n).to_string().into_bytes())));
        let parked = statements::within(Box::pin(handle(&ingest, Documents, first))).await;
        let registrations: Vec<RawMessage> =
            customers.iter().map(|n| message("evt.member.registered.v1.SH01", *n, bench.event_of(&bench.registration(*n)))).collect();
        let released = statements::within(Box::pin(handle(&ingest, MemberNews::<MemberRegistered>::new(), registrations))).await;
        let mut second = Vec::new();
        for number in &customers {
            let another = crate::support::invoice(&format!("B{number}"), json!({ "phone": phone(*number) }));
            for document in [bill(*number), changed(*number), another] {
                second.push(next("pos.v1.SH01.invoice", document.to_string().into_bytes()));
            }
            second.push(next("pos.v1.SH01.invoice", format!("{{{number}").into_bytes()));
        }
        costs.push((parked, released, statements::within(Box::pin(handle(&ingest, Documents, second))).await));
    }
    assert_eq!(costs[0], costs[1]);
    let (parked, released, mixed) = costs[0];
    // The runtime's own are among them: the job's lock and the outbox.
    assert!((8..=11).contains(&parked) && released <= 13 && mixed <= 9, "{costs:?}");
    assert_eq!(bench.documents("accepted").await, 2 * 202);
    bench.assert_sound().await;
    assert!(ingest.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_runtime_role_can_only_do_what_it_must() {
    let bench = Bench::start().await;
    let pool = bench.env.pool("ingest");
    let forbidden = [
        "update document set number = ''",
        "delete from document",
        "delete from customer_key",
        "update arrival set fate = 'duplicate'",
        "delete from arrival",
        "delete from reject",
        "update reject set payload = ''",
        "update customer_key set key = ''",
        "delete from member",
        "truncate parked_key",
    ];
    for statement in forbidden {
        let refused = sqlx::raw_sql(statement).execute(&pool).await.expect_err(statement);
        assert_eq!(refused.as_database_error().and_then(|error| error.code().map(String::from)).as_deref(), Some("42501"), "{statement}");
    }
}
