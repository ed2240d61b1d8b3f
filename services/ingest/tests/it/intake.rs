//! Documents that are in order, duplicates and conflicts.

use jifen_contracts::{
    KeyedHash, code,
    endpoint::{DocumentRequest, DocumentStatus, Empty, IngestCounts},
    event::InvoiceAccepted,
};
use jifen_ingest::Documents;
use jifen_kernel::Money;
use jifen_runtime::{ask, crypto::LookupKind};
use jifen_testkit::{DEADLINE, eventually};
use serde_json::json;

use crate::support::{Bench, VIN, at, bill, day, document_message, handle, invoice, member, phone, program};

#[tokio::test(flavor = "multi_thread")]
async fn an_invoice_of_a_member_is_accepted_and_says_nothing_personal() {
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    bench.register(&[bench.registration(7)]).await;
    bench.settled().await;
    let data = invoice("R1", json!({"phone": phone(7), "vin": VIN}));
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let structured = json!({"specversion": "1.0", "id": "till-1", "traceparent": trace, "data": data});
    bench.publish(&[structured]).await;

    let event = &bench.events::<InvoiceAccepted>(1).await[0];
    assert_eq!((event.causationid.as_deref(), event.correlationid.as_deref()), (Some("till-1"), Some("till-1")));
    assert!(event.traceparent.as_deref().is_some_and(|text| text.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-")));
    let accepted = &event.data;
    assert_eq!((accepted.member_id, accepted.member_no.as_str(), accepted.invoice_no.as_str()), (member(7), "M7", "R1"));
    assert_eq!((accepted.issued_at, accepted.business_date, accepted.program_version), (at("2026-10-01T02:21:33Z"), day("2026-10-01"), 1));
    assert_eq!((accepted.vehicle.clone(), accepted.advisor.as_deref()), (Some(bench.hash(LookupKind::Vin, VIN)), Some("A017")));
    assert_eq!((accepted.lines[0].amount, accepted.reductions[0].amount), (Money::from_fen(80_000), Money::from_fen(2_000)));
    let text = serde_json::to_string(accepted).expect("json");
    assert!(!text.contains(&phone(7)) && !text.contains(VIN) && !text.contains("王小明"), "{text}");

    let (store, receipt) = &bench.receipts(1).await[0];
    assert_eq!((store.as_str(), receipt.status.as_str(), receipt.kind.as_str()), ("SH01", "accepted", "invoice"));
    assert_eq!((receipt.document.as_deref(), receipt.event_id.as_deref(), receipt.sha256.len()), (Some("R1"), Some("till-1"), 64));
    assert_eq!((receipt.code.as_deref(), &receipt.text), (None, &code::DOCUMENT_ACCEPTED.text()));

    let nats = bench.env.nats("local").await;
    let asked = DocumentRequest { store: "SH01".into(), kind: "invoice".into(), document: "R1".into() };
    let status = ask::<DocumentStatus>(&nats, &asked).await.expect("status");
    assert_eq!(
        (status.status.as_str(), status.code, status.member_id, status.program_version),
        ("accepted", None, Some(member(7)), Some(1))
    );
    assert!(status.accepted_at.is_some() && status.received_at == accepted.received_at);
    for unknown in ["R2", "\0"] {
        let asked = DocumentRequest { document: unknown.into(), ..asked.clone() };
        assert_eq!(ask::<DocumentStatus>(&nats, &asked).await.expect_err("unknown").code, "document.not_found");
    }
    // The claim keeps nothing of the content.
    assert_eq!(bench.number("select count(*) FROM document where content is null and sha256 is null and event_id is null").await, 1);
    bench.assert_sound().await;
    assert!(ingest.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_again_is_a_duplicate_and_other_content_a_conflict_in_one_batch_and_later() {
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    bench.register(&[bench.registration(1), bench.registration(2)]).await;
    bench.settled().await;
    let mut changed = bill(1);
    changed["lines"][0]["amount"] = json!("801.00");
    // The same content, written otherwise.
    let mut respelled = bill(1);
    respelled["customer"]["phone"] = json!("+86 138-0000-0001");
    respelled["lines"][0]["amount"] = json!("800");
    let wrapped = json!({"specversion": "1.0", "id": "again", "data": bill(1)});
    let batch = [bill(1), respelled, changed.clone(), wrapped, bill(2)];
    // Handed out in another order than the stream's.
    let messages = [4, 2, 0, 3, 1].map(|place: usize| document_message(u64::try_from(place).expect("place"), &batch[place]));
    handle(&ingest, Documents, messages.into()).await;
    let first = bench.receipts(5).await.into_iter().map(|(_, receipt)| receipt.status.as_str()).collect::<Vec<_>>();
    assert_eq!(first, ["accepted", "duplicate", "rejected", "duplicate", "accepted"]);
    bench.publish(&[bill(1), changed]).await;
    assert_eq!(bench.told(5, 2).await, ["R00001 duplicate document.duplicate", "R00001 rejected document.conflict"]);
    bench.settled().await;
    let accepted = bench.accepted(2).await;
    assert_eq!(accepted["R00001"].lines[0].amount, Money::from_fen(80_000), "the first content stands");
    let counts = ask::<IngestCounts>(&bench.env.nats("local").await, &Empty {}).await.expect("counts").counts;
    let expected = [("accepted", 2), ("duplicate", 3), ("lapsed", 0), ("parked", 0), ("rejected/document.conflict", 1)];
    assert_eq!(counts, expected.map(|(word, count)| (word.to_owned(), count)).into());
    bench.assert_sound().await;
    assert!(ingest.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_finds_its_member() {
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    let mut owner = bench.with_vin(bench.registration(1), VIN, "2026-10-01");
    owner.vehicles[0].plate = Some(bench.hash(LookupKind::Plate, "沪A12345"));
    bench.register(&[owner, bench.registration(2)]).await;
    bench.settled().await;
    let documents = [
        invoice("BY-NO", json!({"member_no": "M1", "phone": phone(2)})),
        invoice("BY-PHONE", json!({"member_no": "M9", "phone": phone(2), "plate": "沪B99999"})),
        invoice("BY-VIN", json!({"vin": VIN.to_lowercase(), "phone": phone(3)})),
        invoice("BY-PLATE", json!({"plate": "沪A·12345"})),
    ];
    bench.publish(&documents).await;
    let accepted = bench.accepted(4).await;
    let members: Vec<_> = ["BY-NO", "BY-PHONE", "BY-VIN", "BY-PLATE"].map(|number| accepted[number].member_id).into();
    assert_eq!(members, [member(1), member(2), member(1), member(1)]);
    let plate: Option<KeyedHash> = Some(bench.hash(LookupKind::Plate, "沪A12345"));
    assert_eq!(accepted["BY-PLATE"].vehicle, plate);
    bench.assert_sound().await;
    assert!(ingest.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_program_documents_and_members_wait() {
    let bench = Bench::start().await;
    let ingest = jifen_ingest::service().start(bench.config()).await.expect("ingest starts");
    bench.register(&[bench.registration(1)]).await;
    bench.publish_on(&[("pos.v1.SH01.invoice", b"{".to_vec())]).await;
    bench.publish(&[bill(1)]).await;
    // Both consumers have handed their messages out more than once before the rules come.
    let js = bench.env.js("provisioner").await;
    eventually(DEADLINE, || async {
        let handed = js.get_stream("POS").await.ok()?.consumer_info("ingest_documents").await.ok()?;
        (handed.delivered.consumer_sequence > 2).then_some(())
    })
    .await;
    assert_eq!(bench.number("select count(*) FROM document").await + bench.number("select count(*) FROM reject").await, 0);
    ingest.cx().programs.learn([program(1, &["SH01"], &["maintenance"])]);
    // Each waits on its own, so any may be first, and the invoice may have been parked in between.
    bench.accepted(1).await;
    bench.settled().await;
    assert_eq!(bench.number("select count(*) FROM reject where code = 'document.undecodable'").await, 1);
    bench.assert_sound().await;
    assert!(ingest.stop().await);
}
