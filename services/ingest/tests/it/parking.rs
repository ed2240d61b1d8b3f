//! Documents of nobody: parked, released, lapsed, under review.

use jifen_contracts::{
    endpoint::{Assign, AssignRequest, DocumentRequest, DocumentStatus},
    event::{InvoiceAccepted, MemberRegistered},
};
use jifen_ingest::{Documents, MemberNews, MissedPairs};
use jifen_runtime::{ask, job::run_once};
use jifen_testkit::{DEADLINE, eventually};
use serde_json::json;

use crate::support::{Bench, VIN, at, bill, day, document_message, handle, invoice, member, message, phone, program};

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_releases_what_waits_for_its_phone() {
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    bench.publish(&[json!({"specversion": "1.0", "id": "till-1", "traceparent": trace, "data": bill(1)})]).await;
    bench.publish(&[bill(1), bill(2)]).await;
    let waiting = ["R00001 duplicate document.duplicate", "R00001 parked document.parked", "R00002 parked document.parked"];
    assert_eq!(bench.told(0, 3).await, waiting);
    let asked = DocumentRequest { store: "SH01".into(), kind: "invoice".into(), document: "R00001".into() };
    let nats = bench.env.nats("local").await;
    let parked = ask::<DocumentStatus>(&nats, &asked).await.expect("status");
    assert_eq!(
        (parked.status.as_str(), parked.code.as_deref(), parked.member_id, parked.program_version),
        ("parked", Some("document.parked"), None, None)
    );
    for secret in [phone(1).as_str(), "王小明"] {
        let sql = format!("select count(*) FROM document where position(convert_to('{secret}', 'UTF8') in content) > 0");
        assert_eq!(bench.number(&sql).await, 0, "the content rests sealed");
    }

    // The rules that are known at the release stamp it.
    ingest.cx().programs.learn([program(2, &["SH01"], &["maintenance"])]);
    bench.register(&[bench.registration(1)]).await;
    let event = &bench.events::<InvoiceAccepted>(1).await[0];
    assert_eq!((event.data.member_id, event.data.program_version, event.data.received_at), (member(1), 2, parked.received_at));
    assert_eq!(event.correlationid.as_deref(), Some("till-1"));
    assert!(event.causationid.is_some() && event.causationid.as_deref() != Some("till-1"), "the registration caused it");
    assert!(
        event.traceparent.as_deref().is_some_and(|text| text.contains("4bf92f3577b34da6a3ce929d0e0e4736")),
        "in the document's own trace"
    );
    let receipts = bench.receipts(4).await;
    let (_, first) = receipts.iter().find(|(_, receipt)| receipt.event_id.as_deref() == Some("till-1")).expect("first");
    let (_, second) = &receipts[3];
    assert_eq!((second.status.as_str(), second.event_id.as_deref(), &second.sha256), ("accepted", Some("till-1"), &first.sha256));
    assert_eq!((bench.documents("parked").await, bench.number("select count(*) FROM document where content is not null").await), (1, 1));

    // Late news of the same registration, and the document again, change nothing.
    bench.register(&[bench.registration(1)]).await;
    bench.publish(&[bill(1)]).await;
    bench.settled().await;
    assert_eq!(bench.told(4, 1).await[0], "R00001 duplicate document.duplicate");
    bench.assert_sound().await;
    assert!(ingest.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vehicle_releases_only_what_its_owner_owned_then() {
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    let on = |number: &str, issued_at: &str| {
        let mut document = invoice(number, json!({ "vin": VIN }));
        document["issued_at"] = json!(issued_at);
        document
    };
    // Midnight in Shanghai is the border.
    bench.publish(&[on("BEFORE", "2026-09-30T15:59:59Z"), on("AFTER", "2026-09-30T16:00:00Z")]).await;
    bench.settled().await;
    bench.register(&[bench.with_vin(bench.registration(1), VIN, "2026-10-01")]).await;
    bench.settled().await;
    let accepted = bench.accepted(1).await;
    assert_eq!((accepted["AFTER"].member_id, accepted["AFTER"].business_date), (member(1), day("2026-10-01")));
    bench.publish(&[on("BEFORE-2", "2026-09-30T10:00:00Z"), on("AFTER-2", "2026-10-02T00:00:00Z")]).await;
    bench.settled().await;
    assert_eq!(bench.told(3, 2).await, ["AFTER-2 accepted", "BEFORE-2 parked document.parked"]);
    assert_eq!((bench.documents("accepted").await, bench.documents("parked").await), (2, 2));
    bench.assert_sound().await;
    assert!(ingest.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ninetieth_day_is_the_last() {
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    bench.publish(&[bill(1), bill(2)]).await;
    bench.settled().await;
    // 1 October + 90 days = 30 December, which ends at 16:00 UTC.
    let on = |number, registered_at: &str| MemberRegistered { registered_at: at(registered_at), ..bench.registration(number) };
    bench.register(&[on(1, "2026-12-30T15:59:59Z"), on(2, "2026-12-30T16:00:00Z")]).await;
    bench.settled().await;
    assert_eq!(bench.told(2, 2).await, ["R00001 accepted", "R00002 rejected document.lapsed"]);
    let asked = DocumentRequest { store: "SH01".into(), kind: "invoice".into(), document: "R00002".into() };
    let lapsed = ask::<DocumentStatus>(&bench.env.nats("local").await, &asked).await.expect("status");
    assert_eq!((lapsed.status.as_str(), lapsed.code.as_deref(), lapsed.member_id), ("lapsed", Some("document.lapsed"), None));
    bench.publish(&[bill(2)]).await;
    assert_eq!(bench.told(4, 1).await[0], "R00002 duplicate document.duplicate");
    bench.settled().await;
    bench.assert_sound().await;
    assert!(ingest.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_disagree_wait_for_a_person() {
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    let owner = bench.with_vin(bench.registration(2), VIN, "2026-01-01");
    // Known before, and becoming known together.
    let late = "LSVAU2A37N2183295";
    bench.publish(&[invoice("LATE", json!({"phone": phone(3), "vin": late}))]).await;
    bench.settled().await;
    bench.register(&[bench.registration(1), owner]).await;
    bench.settled().await;
    bench.publish(&[invoice("BOTH", json!({"phone": phone(1), "vin": VIN, "plate": "沪A12345"}))]).await;
    bench.settled().await;
    assert_eq!(bench.told(0, 2).await, ["BOTH parked document.keys_disagree", "LATE parked document.parked"]);
    let both_at_once = [bench.registration(3), bench.with_vin(bench.registration(4), late, "2026-01-01")];
    let events = both_at_once.iter().map(|registration| message("evt.member.registered.v1.SH01", 9, bench.event_of(registration)));
    handle(&ingest, MemberNews::<MemberRegistered>::new(), events.collect()).await;
    assert_eq!(bench.told(2, 1).await[0], "LATE parked document.keys_disagree");
    // A further key of the same document releases nothing any more.
    let mut plate_owner = bench.registration(5);
    plate_owner.vehicles = vec![jifen_contracts::event::VehicleKeys {
        vin: None,
        plate: Some(bench.hash(jifen_runtime::crypto::LookupKind::Plate, "沪A12345")),
        owned_since: day("2026-01-01"),
        series: None,
        new_on: None,
    }];
    bench.register(&[plate_owner]).await;
    bench.settled().await;
    run_once(ingest.cx(), &MissedPairs).await.expect("sweep");
    assert_eq!((bench.documents("parked").await, bench.documents("accepted").await), (2, 0));
    // A person chooses: one of those whom the document names, once.
    let store_user = bench.env.nats("local").await;
    let assign = |operation: &str, document: &str, member_no: &str| AssignRequest {
        operation_id: operation.to_owned(),
        store: "SH01".to_owned(),
        kind: "invoice".to_owned(),
        document: document.to_owned(),
        member_no: member_no.to_owned(),
    };
    let chosen = bench.registration(2).member_no;
    let stranger = ask::<Assign>(&store_user, &assign("a1", "BOTH", &bench.registration(3).member_no)).await;
    assert_eq!(stranger.expect_err("not named").code, "document.not_theirs");
    let unknown = ask::<Assign>(&store_user, &assign("a2", "NONE", &chosen)).await;
    assert_eq!(unknown.expect_err("not there").code, "document.not_in_review");
    let (one, other) = (assign("a3", "BOTH", &chosen), assign("a4", "BOTH", &bench.registration(1).member_no));
    let answers = tokio::join!(ask::<Assign>(&store_user, &one), ask::<Assign>(&store_user, &other));
    assert!(answers.0.is_ok() != answers.1.is_ok(), "exactly one wins: {answers:?}");
    assert_eq!(bench.told(3, 1).await[0], "BOTH accepted");
    bench.settled().await;
    assert_eq!((bench.documents("parked").await, bench.documents("accepted").await), (1, 1));
    bench.assert_sound().await;
    assert!(ingest.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn registrations_and_invoices_never_miss_each_other() {
    const PAIRS: u64 = 150;
    let bench = Bench::start().await;
    let copies = [bench.copy().await, bench.copy().await];
    let (invoices, registrations) = (bench.env.js("local").await, bench.env.js("member").await);
    // Each customer has two bills, by phone and by VIN; the registration comes at the same moment as they do.
    let vin = |number: u64| format!("LSVAU2A37N2{number:06}");
    let publish_invoices = async {
        for number in 0..PAIRS {
            for document in [bill(number), invoice(&format!("V{number:05}"), json!({ "vin": vin(number) }))] {
                jifen_testkit::publish_pos(&invoices, "pos.v1.SH01.invoice", document.to_string()).await.expect("published");
            }
        }
    };
    let publish_registrations = async {
        for number in 0..PAIRS {
            let registration = bench.with_vin(bench.registration(number), &vin(number), "2026-01-01");
            let subject = jifen_contracts::EventType::subject(&registration);
            registrations.publish(subject, bench.event_of(&registration).into()).await.expect("publish").await.expect("ack");
        }
    };
    tokio::join!(publish_invoices, publish_registrations);
    bench.settled().await;
    let expected = i64::try_from(2 * PAIRS).expect("count");
    assert_eq!((bench.documents("parked").await, bench.documents("accepted").await), (0, expected));
    assert!(bench.number("select count(*) FROM outbox where subject like 'receipt.%'").await >= expected);
    run_once(copies[0].cx(), &MissedPairs).await.expect("sweep");
    bench.assert_sound().await;
    for copy in copies {
        assert!(copy.stop().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_on_thousands_of_bills_is_released_in_parts() {
    const BILLS: u64 = 2_500;
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    let bills: Vec<_> = (1..=BILLS).map(|n| document_message(n, &invoice(&format!("R{n:05}"), json!({"phone": phone(1)})))).collect();
    for batch in bills.chunks(500) {
        handle(&ingest, Documents, batch.to_vec()).await;
    }
    bench.register(&[bench.registration(1)]).await;
    bench.settled().await;
    let expected = i64::try_from(BILLS).expect("count");
    assert_eq!((bench.documents("accepted").await, bench.documents("parked").await), (expected, 0));
    bench.assert_sound().await;
    assert!(ingest.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pair_that_both_sides_missed_is_swept_and_counted() {
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    bench.publish(&[bill(1)]).await;
    bench.settled().await;
    // As only a bug could leave it.
    let broken = "update ingest.customer_key set member_id = '00000000-0000-0000-0000-000000000001', member_no = 'M1', sequence = 1,
                         known_at = '2026-10-02', changed_at = now() - interval '59 seconds' where key like 'phone:%'";
    sqlx::raw_sql(broken).execute(bench.env.admin_pool()).await.expect("broken");
    run_once(ingest.cx(), &MissedPairs).await.expect("sweep");
    assert_eq!(bench.documents("parked").await, 1, "a moment's grace for releases under way");
    eventually(DEADLINE, || async {
        run_once(ingest.cx(), &MissedPairs).await.expect("sweep");
        (bench.documents("accepted").await == 1).then_some(())
    })
    .await;
    assert_eq!(bench.accepted(1).await["R00001"].member_id, member(1));
    assert_eq!(bench.number("select count(*) FROM parked_key").await, 0);
    bench.assert_sound().await;
    assert!(ingest.stop().await);
}
