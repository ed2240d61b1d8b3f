//! What the broker hands on unread: headers and subjects in any bytes. They are a till's own matter, and must neither cost a
//! document nor the connection on which the documents of all others come.

use jifen_testkit::wire::Wire;
use serde_json::{Value, json};

use crate::support::{Bench, bill};

/// 工时 as GBK has it: no UTF-8.
const GBK: &[u8] = b"\xb9\xa4\xca\xb1";
const INVOICE: &[u8] = b"pos.v1.SH01.invoice";

/// Header blocks that a till or a mischief may send.
fn header_blocks() -> Vec<(&'static str, Vec<u8>)> {
    let block = |lines: &[&[u8]]| [&b"NATS/1.0"[..], b"\r\n", &lines.concat(), b"\r\n"].concat();
    vec![
        ("none", block(&[])),
        ("a value in GBK", block(&[b"X-Till: ", GBK, b"\r\n"])),
        ("a name in GBK", block(&[GBK, b": 1\r\n"])),
        ("a name in UTF-8", block(&["柜台: 1\r\n".as_bytes()])),
        ("a name with a blank", block(&[b"X Till: 1\r\n"])),
        ("no name", block(&[b": 1\r\n"])),
        ("a line without colon", block(&[b"X-Till 1\r\n"])),
        ("a folded line", block(&[b"X-Till: 1\r\n 2\r\n"])),
        ("a bare CR in a value", block(&[b"X-Till: a\rb\r\n"])),
        ("a NUL in a value", block(&[b"X-Till: a\0b\r\n"])),
        ("lines ended by LF", b"NATS/1.0\nX-Till: 1\n\n".to_vec()),
        ("no version line", b"X-Till: 1\r\n\r\n".to_vec()),
        ("another version", b"NATS/9.9\r\n\r\n".to_vec()),
        ("garbage", [GBK, b"\r\n\r\n"].concat()),
        ("one byte", b"\xff".to_vec()),
        ("a status that is no number", b"NATS/1.0 gone\r\n\r\n".to_vec()),
        ("the broker's word for no messages", b"NATS/1.0 404 No Messages\r\n\r\n".to_vec()),
        ("the broker's word for a heartbeat", b"NATS/1.0 100 Idle Heartbeat\r\n\r\n".to_vec()),
        ("the broker's word for the consumer's end", b"NATS/1.0 409 Consumer Deleted\r\n\r\n".to_vec()),
        ("the broker's word for nobody", b"NATS/1.0 503\r\n\r\n".to_vec()),
    ]
}

/// Subjects of SH01 that are no kind of document.
fn subjects() -> Vec<Vec<u8>> {
    let kinds: [&[u8]; 6] = [GBK, b"inv\xffoice", "invoice\u{3000}".as_bytes(), "invoice\u{a0}x".as_bytes(), b"invoice\x0b", b"\x01"];
    kinds.map(|kind| [&b"pos.v1.SH01."[..], kind].concat()).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_text_cost_neither_their_document_nor_anybody_elses() {
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    let mut wire = Wire::connect(&bench.env, "SH01").await;
    let (mut expected, mut number) = (Vec::new(), 0);
    let mut next = || {
        number += 1;
        (format!("R{number:05}"), bill(number).to_string().into_bytes())
    };
    // Nobody is a member here: a document that is read is parked.
    for (what, headers) in header_blocks() {
        let (document, bytes) = next();
        let ack = wire.ask(INVOICE, Some(&headers), &bytes).await;
        assert!(json_of(&ack.payload)["seq"].is_u64(), "{what} is stored");
        expected.push(format!("{document} parked document.parked"));
    }
    for subject in subjects() {
        for headers in [None, Some(&header_blocks()[1].1)] {
            let (_, bytes) = next();
            wire.ask(&subject, headers.map(Vec::as_slice), &bytes).await;
            expected.push("rejected document.unknown_kind".to_owned());
        }
    }
    let (document, bytes) = next();
    wire.ask(INVOICE, None, &bytes).await;
    expected.push(format!("{document} parked document.parked"));
    expected.sort();
    assert_eq!(bench.told(0, expected.len()).await, expected);

    bench.settled().await;
    let consumer = bench.env.js("provisioner").await.get_stream_no_info("POS").await.expect("stream");
    let info = consumer.consumer_info("ingest_documents").await.expect("consumer");
    assert_eq!(info.num_redelivered, 0, "no message came twice");
    assert_eq!(connections(&ingest), 1, "the connection held");
    bench.assert_sound().await;
    assert!(ingest.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_answered_whatever_its_headers_are() {
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    let mut wire = Wire::connect(&bench.env, "SH01").await;
    let asked = json!({ "kind": "invoice", "document": "R1" }).to_string();
    for (what, headers) in header_blocks() {
        let answer = wire.ask(b"api.ingest.document.status.SH01", Some(&headers), asked.as_bytes()).await;
        assert_eq!(json_of(&answer.payload)["code"], "document.not_found", "{what}");
    }
    assert_eq!(connections(&ingest), 1, "the connection held");
    assert!(ingest.stop().await);
}

fn connections(running: &jifen_runtime::Running) -> u64 {
    running.cx().nats.statistics().connects.load(std::sync::atomic::Ordering::Relaxed)
}

fn json_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(bytes)))
}
