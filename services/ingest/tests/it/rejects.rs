//! Refused documents: receipts, the list, handing in again.

use jifen_contracts::{
    endpoint::{RejectsList, RejectsRequest, Resubmit, ResubmitRequest},
    event::DocumentRejected,
};
use jifen_runtime::{ask, crypto::sha256};
use serde_json::{Value, json};

use crate::support::{Bench, bill, invoice, phone, program};

fn broken(pointer: &str, value: Value) -> Vec<u8> {
    let mut document = bill(9);
    *document.pointer_mut(pointer).expect("place") = value;
    document.to_string().into_bytes()
}

/// Subject, bytes, code, pointer, and where the receipt goes.
type Bad = (&'static str, Vec<u8>, &'static str, Option<&'static str>, &'static str);

fn bad_documents() -> Vec<Bad> {
    let (sh01, good) = ("pos.v1.SH01.invoice", bill(9).to_string().into_bytes());
    let with = |key: &str, value: Value| {
        let mut document = bill(9);
        document[key] = value;
        document.to_string().into_bytes()
    };
    let many: Vec<Value> = (0..501).map(|line| json!({"line": line, "category": "repair", "payer": "customer", "amount": "1"})).collect();
    vec![
        (sh01, b"{\"store\":".to_vec(), "document.undecodable", None, "SH01"),
        (sh01, b"\xb1\xa3\xd1\xf8".to_vec(), "document.undecodable", None, "SH01"),
        (sh01, b"{\"a\":NaN}".to_vec(), "document.undecodable", None, "SH01"),
        (sh01, b"{\"a\":1e999}".to_vec(), "document.undecodable", None, "SH01"),
        (sh01, b"[]".to_vec(), "document.undecodable", None, "SH01"),
        (sh01, Vec::new(), "document.undecodable", None, "SH01"),
        (sh01, with("description", json!("x".repeat(300 * 1024))), "document.too_large", None, "SH01"),
        (sh01, br#"{"specversion":"0.3","id":"x","data":{}}"#.to_vec(), "document.bad_envelope", None, "SH01"),
        (sh01, br#"{"specversion":"1.0","id":"\u0000","data":{}}"#.to_vec(), "document.bad_envelope", None, "SH01"),
        (sh01, b"{}".to_vec(), "document.missing_field", Some("/store"), "SH01"),
        (sh01, broken("/lines/0/amount", json!("-1.00")), "document.bad_amount", Some("/lines/0/amount"), "SH01"),
        (sh01, broken("/lines/0/amount", json!("NaN")), "document.bad_amount", Some("/lines/0/amount"), "SH01"),
        (sh01, broken("/lines/0/amount", json!("1e999")), "document.bad_amount", Some("/lines/0/amount"), "SH01"),
        (sh01, broken("/lines/0/amount", json!("1234567890".repeat(4))), "document.bad_amount", Some("/lines/0/amount"), "SH01"),
        (sh01, broken("/lines/0/amount", json!(800)), "document.bad_amount", Some("/lines/0/amount"), "SH01"),
        (sh01, broken("/lines/0/payer", json!("nobody")), "document.unknown_payer", Some("/lines/0/payer"), "SH01"),
        (sh01, broken("/lines/0/category", json!("boat")), "document.unknown_category", Some("/lines/0/category"), "SH01"),
        (sh01, broken("/issued_at", json!("2026-10-01T10:21:33")), "document.bad_date", Some("/issued_at"), "SH01"),
        (sh01, broken("/issued_at", json!("2199-10-01T10:21:33Z")), "document.future_date", Some("/issued_at"), "SH01"),
        (sh01, broken("/issued_at", json!("2000-01-01T00:00:00+14:00")), "document.bad_date", Some("/issued_at"), "SH01"),
        (sh01, broken("/invoice_no", json!("\u{0}")), "document.bad_field", Some("/invoice_no"), "SH01"),
        (sh01, broken("/customer", json!({})), "document.no_customer", Some("/customer"), "SH01"),
        (sh01, with("lines", json!(many)), "document.too_many_lines", Some("/lines"), "SH01"),
        (sh01, with("replaces", json!("R00009")), "document.replaces_itself", Some("/replaces"), "SH01"),
        ("pos.v1.SH02.invoice", good.clone(), "document.store_mismatch", Some("/store"), "SH02"),
        ("pos.v1.SH99.invoice", broken("/store", json!("SH99")), "document.unknown_store", Some("/store"), "SH99"),
        ("pos.v1.SH01.refund", br#"{"store":"SH01","refund_no":"C1"}"#.to_vec(), "document.missing_field", Some("/invoice_no"), "SH01"),
        ("pos.v1.SH01.day_close", br#"{"store":"SH01","day":"2026-10-01"}"#.to_vec(), "document.missing_field", Some("/invoices"), "SH01"),
        ("pos.v1.SH01.gossip", good.clone(), "document.unknown_kind", None, "SH01"),
        ("pos.v1.SH01", good.clone(), "document.unknown_kind", None, "SH01"),
        ("pos.v1.SH01.invoice.twice", good.clone(), "document.unknown_kind", None, "SH01"),
        ("pos.v1.sh01.invoice", good.clone(), "document.store_mismatch", Some("/store"), "_"),
        ("pos.v1.门店.发票", good, "document.unknown_kind", None, "_"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_documents_get_a_receipt_are_found_again_and_stop_nobody() {
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    bench.register(&(0..3).map(|number| bench.registration(number)).collect::<Vec<_>>()).await;
    bench.settled().await;
    assert!(ingest.stop().await);
    let bad = bad_documents();
    // Before, among and after them: good ones, in the same batch.
    bench.publish(&[bill(0)]).await;
    let documents: Vec<(&str, Vec<u8>)> = bad.iter().map(|(subject, bytes, ..)| (*subject, bytes.clone())).collect();
    bench.publish_on(&documents[..15]).await;
    bench.publish(&[bill(1)]).await;
    bench.publish_on(&documents[15..]).await;
    bench.publish(&[bill(2)]).await;
    let ingest = bench.copy().await;
    let receipts = bench.receipts(bad.len() + 3).await;
    assert_eq!(bench.accepted(3).await.len(), 3);
    let refused: Vec<_> = receipts.iter().filter(|(_, receipt)| receipt.status.as_str() == "rejected").collect();
    assert_eq!(refused.len(), bad.len());
    for (subject, bytes, code, pointer, store) in &bad {
        let (sha256, kind) = (hex::encode(sha256(bytes)), subject.splitn(4, '.').nth(3).unwrap_or_default());
        let found = refused.iter().find(|(to, receipt)| to == store && receipt.sha256 == sha256 && receipt.kind == kind);
        let (_, receipt) = found.unwrap_or_else(|| panic!("no receipt: {subject} {code}"));
        assert_eq!((receipt.code.as_deref(), receipt.pointer.as_deref()), (Some(*code), *pointer), "{subject}");
        assert!(!receipt.text.zh.is_empty());
    }
    let events = bench.events::<DocumentRejected>(bad.len()).await;
    let reply = ask::<RejectsList>(&bench.env.nats("local").await, &RejectsRequest::default()).await.expect("list");
    assert_eq!(usize::try_from(reply.total).expect("total"), bad.len());
    for (_, receipt) in refused {
        let listed =
            reply.rejects.iter().find(|reject| reject.sha256 == receipt.sha256 && Some(reject.code.as_str()) == receipt.code.as_deref());
        let listed = listed.unwrap_or_else(|| panic!("{receipt:?}"));
        assert_eq!(
            (listed.document.as_deref(), listed.pointer.as_deref(), listed.times),
            (receipt.document.as_deref(), receipt.pointer.as_deref(), 1)
        );
        assert!(events.iter().any(|event| event.data.reject_id == listed.reject_id && event.data.code == listed.code));
    }
    let boat = reply.rejects.iter().find(|reject| reject.code == "document.unknown_category").expect("boat");
    assert!(boat.detail.contains("boat"), "an unknown category is named: {}", boat.detail);
    assert_eq!(bench.number("select count(*) FROM reject where position(convert_to('13800138000', 'UTF8') in payload) > 0").await, 0);
    // A good one with the number of the bad ones collides with nothing.
    bench.register(&[bench.registration(9)]).await;
    bench.settled().await;
    bench.publish(&[bill(9)]).await;
    bench.accepted(4).await;
    bench.assert_sound().await;
    assert!(ingest.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_has_pages_and_a_store_sees_its_own() {
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    let documents: Vec<_> = (0..5).map(|i| ("pos.v1.SH01.invoice", format!("{{{i}").into_bytes())).collect();
    bench.publish_on(&documents).await;
    bench.publish_on(&[("pos.v1.SH02.gossip", b"{}".to_vec()), ("pos.v1.SH01.invoice", b"{0".to_vec())]).await;
    bench.settled().await;
    let nats = bench.env.nats("local").await;
    let all = ask::<RejectsList>(&nats, &RejectsRequest::default()).await.expect("list");
    assert_eq!((all.total, all.rejects.len()), (6, 6));
    assert_eq!(all.rejects.iter().map(|reject| reject.times).max(), Some(2), "the same bytes are one row, counted");
    let page = RejectsRequest { limit: Some(4), ..RejectsRequest::default() };
    let first = ask::<RejectsList>(&nats, &page).await.expect("page").rejects;
    let rest = ask::<RejectsList>(&nats, &RejectsRequest { before: Some(first[3].reject_id), ..page }).await.expect("page").rejects;
    assert_eq!([first, rest].concat(), all.rejects);
    let by_code = RejectsRequest { code: Some("document.unknown_kind".into()), ..RejectsRequest::default() };
    assert_eq!(ask::<RejectsList>(&nats, &by_code).await.expect("list").total, 1);
    // One of many is found by its number.
    let mut boat = bill(7);
    boat["lines"][0]["category"] = "boat".into();
    bench.publish(&[boat]).await;
    bench.settled().await;
    let by_number = |kind: &str| RejectsRequest {
        kind: Some(kind.to_owned()),
        document: Some("R00007".to_owned()),
        limit: Some(1),
        ..RejectsRequest::default()
    };
    let found = ask::<RejectsList>(&nats, &by_number("invoice")).await.expect("by number");
    assert_eq!((found.total, found.rejects[0].code.as_str()), (1, "document.unknown_category"));
    assert_eq!(ask::<RejectsList>(&nats, &by_number("void")).await.expect("by number").total, 0);
    // A store's own subject means the store, also if it doesn't say so.
    let store = bench.env.nats("SH02").await;
    let answer = store.request("api.ingest.reject.list.SH02", "{}".into()).await.expect("answer");
    let own: jifen_contracts::endpoint::RejectsReply = serde_json::from_slice(&answer.payload).expect("reply");
    assert_eq!((own.total, own.rejects[0].store.as_str()), (1, "SH02"));
    assert!(ingest.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_is_handed_in_again_when_the_rules_are_mended() {
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    bench.register(&[bench.registration(1), bench.registration(2)]).await;
    bench.settled().await;
    let mut boat = bill(1);
    boat["lines"][0]["category"] = json!("boat");
    let mut new_store = bill(2);
    new_store["store"] = json!("SH09");
    let mut stranger = invoice("R-STRANGER", json!({"phone": phone(3)}));
    stranger["lines"][0]["category"] = json!("boat");
    bench.publish(&[boat, stranger]).await;
    bench.publish_on(&[("pos.v1.SH09.invoice", new_store.to_string().into_bytes()), ("pos.v1.SH01.invoice", b"{".to_vec())]).await;
    bench.receipts(4).await;
    let nats = bench.env.nats("local").await;
    let rejects = ask::<RejectsList>(&nats, &RejectsRequest::default()).await.expect("list").rejects;
    let id_of = |number: Option<&str>| rejects.iter().find(|reject| reject.document.as_deref() == number).expect("reject").reject_id;
    let (boat, stranger, store, garbage) = (id_of(Some("R00001")), id_of(Some("R-STRANGER")), id_of(Some("R00002")), id_of(None));
    let again = |operation: &str, reject_id| ResubmitRequest { operation_id: operation.to_owned(), reject_id };

    let refused = ask::<Resubmit>(&nats, &again("op-1", boat)).await.expect("answer");
    assert_eq!((refused.status.as_str(), refused.code.as_deref()), ("rejected", Some("document.unknown_category")));
    ingest.cx().programs.learn([program(2, &["SH01", "SH09"], &["maintenance", "boat"])]);
    assert_eq!(ask::<Resubmit>(&nats, &again("op-1", boat)).await.expect("answer"), refused, "an operation has one answer for ever");
    for (operation, reject_id, status) in
        [("op-2", boat, "accepted"), ("op-3", store, "accepted"), ("op-4", stranger, "parked"), ("op-5", garbage, "rejected")]
    {
        assert_eq!(ask::<Resubmit>(&nats, &again(operation, reject_id)).await.expect(operation).status, status, "{operation}");
    }
    assert_eq!(ask::<Resubmit>(&nats, &again("op-6", boat)).await.expect_err("settled").code, "document.not_rejected");
    let unknown = again("op-7", bench.ids.next(crate::support::at("2026-10-01T00:00:00Z")));
    assert_eq!(ask::<Resubmit>(&nats, &unknown).await.expect_err("unknown").code, "document.not_found");

    let accepted = bench.accepted(2).await;
    assert_eq!((accepted["R00001"].program_version, accepted["R00002"].store.as_str()), (2, "SH09"));
    let mut expected = [
        "R00001 rejected document.unknown_category",
        "R00001 accepted",
        "R00002 accepted",
        "R-STRANGER parked document.parked",
        "rejected document.undecodable",
    ];
    expected.sort_unstable();
    assert_eq!(bench.told(4, 5).await, expected);
    // It counts as arrived when it first came.
    assert_eq!(
        bench
            .number("select count(*) FROM document d join ingest.reject r on r.document = d.number and r.received_at = d.received_at")
            .await,
        3
    );
    let rejects = ask::<RejectsList>(&nats, &RejectsRequest::default()).await.expect("list").rejects;
    let settled: Vec<bool> = [boat, stranger, store, garbage]
        .iter()
        .map(|id| rejects.iter().any(|r| r.reject_id == *id && r.resubmitted_at.is_some()))
        .collect();
    assert_eq!(settled, [true, true, true, false]);
    // A released one that was handed in again goes the way of any other.
    bench.register(&[bench.registration(3)]).await;
    bench.accepted(3).await;
    bench.assert_sound().await;
    assert!(ingest.stop().await);
}
