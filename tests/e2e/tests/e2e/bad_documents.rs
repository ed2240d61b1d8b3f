//! Documents as broken as stores send them: each gets a receipt and is found again with its reason, and none stops the others.

use std::collections::BTreeMap;

use chrono::{Days, TimeDelta};
use jifen_e2e::{Client, PATIENCE, System, alone, now, today, until};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::documents::{invoice, phone, register};

/// A document that must be refused.
struct Bad {
    /// What is wrong.
    name: String,
    /// Where it is sent.
    subject: String,
    /// What is sent.
    bytes: Vec<u8>,
    /// With which code.
    code: &'static str,
    /// Pointing where.
    pointer: Option<&'static str>,
}

const HERE: &str = "pos.v1.SH01.invoice";

fn day() -> String {
    (today() - Days::new(2)).to_string()
}

/// A good bill of customer 0 with this number.
fn bill(number: &str) -> Value {
    invoice("SH01", number, &format!("{}T10:00:00+08:00", day()), &json!({ "phone": phone(0) }), "maintenance", "120.00")
}

/// Bytes that are no document at all.
fn garbage() -> Vec<Bad> {
    let good = bill("GARBAGE").to_string();
    let amount = |raw: &str| good.replacen("\"120.00\"", raw, 1).into_bytes();
    let digits = "1234567890".repeat(4);
    let gbk = [b"{\"store\":\"SH01\",\"description\":\"".as_slice(), &[0xb9, 0xa4, 0xca, 0xb1, 0xb7, 0xd1], b"\"}"].concat();
    let cut = good.as_bytes()[..good.len() / 2].to_vec();
    let list: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", vec![]),
        ("a blank", b" ".to_vec()),
        ("not JSON", b"store=SH01&invoice_no=1".to_vec()),
        ("XML", "<invoice><store>SH01</store></invoice>".into()),
        ("cut off", cut),
        ("two in one", format!("{good}{good}").into_bytes()),
        ("a comma too many", good.replacen("}]", "},]", 1).into_bytes()),
        ("a list", format!("[{good}]").into_bytes()),
        ("a text", b"\"R1\"".to_vec()),
        ("a number", b"42".to_vec()),
        ("null", b"null".to_vec()),
        ("NaN", amount("NaN")),
        ("Infinity", amount("-Infinity")),
        ("1e999", amount("1e999")),
        ("GBK", gbk),
        ("UTF-16", good.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("bytes", (0..=255).collect()),
        ("half a surrogate", good.replacen("SH01", "\\ud800", 1).into_bytes()),
        ("deep nesting", [b"{\"a\":".repeat(20_000), b"1".to_vec(), b"}".repeat(20_000)].concat()),
        ("deep lists", b"[".repeat(100_000)),
    ];
    let undecodable = list.into_iter().map(|(name, bytes)| Bad {
        name: name.to_owned(),
        subject: HERE.to_owned(),
        bytes,
        code: "document.undecodable",
        pointer: None,
    });
    let mut all: Vec<Bad> = undecodable.collect();
    // A bare number is no amount, however it is written: digits would be lost on the way.
    for (name, raw) in
        [("a 40-digit number", digits.as_str()), ("a float", "120.5"), ("minus zero", "-0"), ("true", "true"), ("a list", "[]")]
    {
        let name = format!("an amount that is {name}");
        all.push(Bad { name, subject: HERE.into(), bytes: amount(raw), code: "document.bad_amount", pointer: Some("/lines/0/amount") });
    }
    let mut huge = bill("HUGE");
    huge["lines"][0]["description"] = json!("长".repeat(100_000));
    let mut bad = |name: &str, subject: &str, bytes: Vec<u8>, code| {
        all.push(Bad { name: name.into(), subject: subject.into(), bytes, code, pointer: None });
    };
    bad("300 KB", HERE, huge.to_string().into_bytes(), "document.too_large");
    bad("as large as the broker takes", HERE, vec![b'x'; 1024 * 1024], "document.too_large");
    let envelope = |envelope: Value| envelope.to_string().into_bytes();
    bad("an envelope without data", HERE, envelope(json!({ "specversion": "1.0", "id": "1" })), "document.bad_envelope");
    bad("an envelope of tomorrow", HERE, envelope(json!({ "specversion": "2.0", "id": "1", "data": bill("E") })), "document.bad_envelope");
    bad("an envelope without id", HERE, envelope(json!({ "specversion": "1.0", "data": bill("E") })), "document.bad_envelope");
    bad("a NUL in the id", HERE, envelope(json!({ "specversion": "1.0", "id": "\u{0}", "data": bill("E") })), "document.bad_envelope");
    bad("data as text", HERE, envelope(json!({ "specversion": "1.0", "id": "1", "data": bill("E").to_string() })), "document.bad_envelope");
    all
}

/// JSON that says something wrong.
fn wrong_fields() -> Vec<Bad> {
    let ahead = (now() + TimeDelta::hours(25)).to_rfc3339();
    let many: Vec<Value> =
        (1..=501).map(|line| json!({ "line": line, "category": "repair", "payer": "customer", "amount": "1" })).collect();
    let twice = [1, 1].map(|line| json!({ "line": line, "category": "repair", "payer": "customer", "amount": "1" }));
    let cases: Vec<(&'static str, Value, &'static str)> = vec![
        ("/lines/0/amount", json!("-120.00"), "document.bad_amount"),
        ("/lines/0/amount", json!("-0.00"), "document.bad_amount"),
        ("/lines/0/amount", json!("NaN"), "document.bad_amount"),
        ("/lines/0/amount", json!("1e999"), "document.bad_amount"),
        ("/lines/0/amount", json!("0.001"), "document.bad_amount"),
        ("/lines/0/amount", json!("1,000.00"), "document.bad_amount"),
        ("/lines/0/amount", json!("￥100"), "document.bad_amount"),
        ("/lines/0/amount", json!("１２０"), "document.bad_amount"),
        ("/lines/0/amount", json!(""), "document.bad_amount"),
        ("/lines/0/amount", json!("1234567890".repeat(4)), "document.bad_amount"),
        ("/lines/0/amount", Value::Null, "document.missing_field"),
        ("/reductions", json!("none"), "document.bad_field"),
        ("/lines/0/category", json!("spaceship"), "document.unknown_category"),
        ("/lines/0/category", json!("保养"), "document.unknown_category"),
        ("/lines/0/category", json!(["maintenance"]), "document.bad_field"),
        ("/lines/0/payer", json!("nobody"), "document.unknown_payer"),
        ("/lines/0/line", json!(-1), "document.bad_field"),
        ("/lines/0/line", json!(1.5), "document.bad_field"),
        ("/lines", json!([]), "document.missing_field"),
        ("/lines", json!({ "1": {} }), "document.bad_field"),
        ("/lines/0", json!("maintenance 120.00"), "document.bad_field"),
        ("/lines", json!(many), "document.too_many_lines"),
        ("/lines/1/line", json!(twice), "document.duplicate_line"),
        ("/invoice_no", json!("R\u{0}1"), "document.bad_field"),
        ("/invoice_no", json!("x".repeat(65)), "document.bad_field"),
        ("/invoice_no", json!(12), "document.bad_field"),
        ("/invoice_no", Value::Null, "document.missing_field"),
        ("/store", json!("SH02"), "document.store_mismatch"),
        ("/store", json!("sh01"), "document.bad_field"),
        ("/store", json!("*"), "document.bad_field"),
        ("/store", json!("SH01\u{0}"), "document.bad_field"),
        ("/issued_at", json!(ahead), "document.future_date"),
        ("/issued_at", json!(format!("{} 10:00:00", day())), "document.bad_date"),
        ("/issued_at", json!(format!("{}T10:00:00", day())), "document.bad_date"),
        ("/issued_at", json!("2026-02-30T10:00:00+08:00"), "document.bad_date"),
        ("/issued_at", json!(1_790_000_000), "document.bad_date"),
        ("/customer", json!({}), "document.no_customer"),
        ("/customer", json!({ "phone": "", "plate": " " }), "document.no_customer"),
        ("/customer", json!("13800138000"), "document.bad_field"),
        ("/customer/phone", json!("12345"), "document.bad_field"),
        ("/currency", json!("USD"), "document.bad_field"),
        ("/replaces", json!(7), "document.bad_field"),
    ];
    let each = cases.into_iter().enumerate().map(|(number, (pointer, value, code))| {
        let name = format!("{pointer} = {}", value.to_string().chars().take(60).collect::<String>());
        let mut document = bill(&format!("W{number}"));
        let place = if pointer == "/lines/1/line" { "/lines" } else { pointer };
        if let Some(found) = document.pointer_mut(place) {
            *found = value;
        } else {
            document[place.trim_start_matches('/')] = value;
        }
        Bad { name, subject: HERE.into(), bytes: document.to_string().into_bytes(), code, pointer: Some(pointer) }
    });
    each.collect()
}

/// Good bills at wrong places.
fn wrong_subjects() -> Vec<Bad> {
    let long = format!("pos.v1.{}.invoice", "X".repeat(100));
    let mismatch = ("document.store_mismatch", Some("/store"));
    let kind = ("document.unknown_kind", None);
    let cases: Vec<(&str, (&str, Option<&str>))> = vec![
        ("pos.v1.SH02.invoice", mismatch),
        ("pos.v1.sh01.invoice", mismatch),
        ("pos.v1.店.invoice", mismatch),
        ("pos.v1.SH*.invoice", mismatch),
        ("pos.v1.*.invoice", mismatch),
        ("pos.v1._.invoice", mismatch),
        (&long, mismatch),
        ("pos.v1.SH01.quotation", kind),
        ("pos.v1.SH01.Invoice", kind),
        ("pos.v1.SH01.invoice.again", kind),
        ("pos.v1.SH01", kind),
        ("pos.v1.SH01.refund", ("document.missing_field", Some("/refund_no"))),
    ];
    let mut unknown = bill("S-UNKNOWN");
    unknown["store"] = json!("SH99");
    let each = cases.into_iter().enumerate().map(|(number, (subject, verdict))| (subject, bill(&format!("S{number}")), verdict));
    each.chain([("pos.v1.SH99.invoice", unknown, ("document.unknown_store", Some("/store")))])
        .map(|(subject, document, (code, pointer))| Bad {
            name: subject.to_owned(),
            subject: subject.to_owned(),
            bytes: document.to_string().into_bytes(),
            code,
            pointer,
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_document_is_answered_kept_and_stops_nobody() {
    let _alone = alone().await;
    let mut system = System::new();
    system.start().await;
    let client = system.client().await;
    let members = [register(&client, 0, "SH01").await, register(&client, 1, "SH02").await];
    let bad: Vec<Bad> = [garbage(), wrong_fields(), wrong_subjects()].into_iter().flatten().collect();

    // A good one after each bad one, of two members.
    let mut good = Vec::new();
    let mut sent = Vec::new();
    for (number, case) in bad.iter().enumerate() {
        sent.push(client.publish(&case.subject, &case.bytes).await);
        let mut bill = bill(&format!("GOOD{number}"));
        bill["customer"]["phone"] = json!(phone(number % 2));
        good.push(client.send_invoice(&bill).await);
    }
    let receipts = receipts(&client, bad.len() * 2).await;
    for sha256 in &good {
        assert_eq!(told(&receipts, sha256), ("accepted", None, None), "a good document");
    }
    for (case, sha256) in bad.iter().zip(&sent) {
        assert_eq!(told(&receipts, sha256), ("rejected", Some(case.code), case.pointer), "{}", case.name);
    }
    system.quiet(&client).await;
    assert_eq!(client.end("RECEIPTS").await, u64::try_from(bad.len() * 2).expect("a count"), "one receipt a document");
    each_is_found_again(&client, &bad, &sent).await;
    for (number, member_no) in members.iter().enumerate() {
        let own = (bad.len() + 1 - number) / 2;
        let account = client.ask("api.points.account.get", &json!({ "member_no": member_no })).await.expect("an account");
        assert_eq!(account["active"], 100 + own * 180, "{account}");
    }
    let doctor = system.run(&["doctor"]).await;
    assert!(doctor.status.success() && doctor.stdout.contains("no dead letters"), "{doctor:?}");
    the_corrected_document_is_taken(&client).await;
    system.stop(Signal::SIGTERM).await;
}

/// Receipts by the bytes that they are about, once there are so many.
async fn receipts(client: &Client, count: usize) -> BTreeMap<String, Value> {
    let all = until("all receipts", PATIENCE, async || {
        let all = client.all("RECEIPTS").await;
        (all.len() >= count).then_some(all)
    })
    .await;
    all.iter().map(|receipt| (receipt.data()["sha256"].as_str().expect("a hash").to_owned(), receipt.data().clone())).collect()
}

fn told<'a>(receipts: &'a BTreeMap<String, Value>, sha256: &str) -> (&'a str, Option<&'a str>, Option<&'a str>) {
    let receipt = receipts.get(sha256).unwrap_or_else(|| panic!("no receipt for {sha256}"));
    (receipt["status"].as_str().expect("a status"), receipt["code"].as_str(), receipt["pointer"].as_str())
}

/// By the endpoint, with code, pointer and size.
async fn each_is_found_again(client: &Client, bad: &[Bad], sent: &[String]) {
    let reply = client.ask("api.ingest.reject.list", &json!({ "limit": 500 })).await.expect("rejects");
    assert_eq!(reply["total"], bad.len(), "each once");
    let rejects = reply["rejects"].as_array().expect("a list");
    for (case, sha256) in bad.iter().zip(sent) {
        let kind = case.subject.strip_prefix("pos.v1.").and_then(|rest| rest.split_once('.')).map_or("", |(_, kind)| kind);
        let store = case.subject.split('.').nth(2).expect("a token").chars().take(64).collect::<String>();
        let found = |reject: &&Value| reject["sha256"] == **sha256 && reject["kind"] == kind && reject["store"] == *store;
        let reject = rejects.iter().find(found).unwrap_or_else(|| panic!("{} is not found again", case.name));
        assert_eq!((reject["code"].as_str(), reject["pointer"].as_str()), (Some(case.code), case.pointer), "{}: {reject}", case.name);
        assert_eq!(
            (reject["bytes"].as_u64(), reject["times"].as_u64()),
            (Some(case.bytes.len() as u64), Some(1)),
            "{}: {reject}",
            case.name
        );
    }
    // And by its store and code.
    let only = json!({ "store": "SH99", "code": "document.unknown_store" });
    assert_eq!(client.ask("api.ingest.reject.list", &only).await.expect("rejects")["total"], 1);
}

/// What was refused leaves nothing behind: the corrected document comes under the same number and is taken.
async fn the_corrected_document_is_taken(client: &Client) {
    for number in ["GARBAGE", "HUGE", "W0"] {
        let receipt = client.receipt(&client.send_invoice(&bill(number)).await).await;
        assert_eq!(receipt["status"], "accepted", "{number}: {receipt}");
    }
}
