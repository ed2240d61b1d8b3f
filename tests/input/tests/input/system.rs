//! All services on real servers, and whatever may be sent to them: every document gets its receipt, every request its answer,
//! and nobody is worse off after it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Datelike, TimeDelta};
use jifen_contracts::{
    Problem,
    catalogue::{Family, Message, catalogue},
    code,
    receipt::Receipt,
};
use jifen_input::{Dice, Judge, corpus, good, seeds, shape, spoil};
use jifen_kernel::{Clock, SystemClock};
use jifen_testkit::wire::{Answer, Wire};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::services::System;

/// Documents of one run.
const DOCUMENTS: u64 = 600;
/// What is larger, the broker itself refuses.
const BROKERS_LIMIT: usize = 1024 * 1024;
/// Requests to each endpoint.
const REQUESTS: u64 = 25;
/// Members who are known; the generator's others are nobody.
pub const KNOWN: [&str; 2] = ["13800000001", "13800000002"];

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_corpus_comes_to_what_is_written_beside_it() {
    let system = System::start().await;
    let mut wire = Wire::connect(&system.env, "local").await;
    let cases = corpus::cases();
    let mut sent = BTreeMap::new();
    for (name, case) in &cases {
        let bytes = case.bytes(&format!("C-{name}"));
        let twin = sent.insert(sha256(&bytes), (name, case));
        assert!(twin.is_none(), "{name} is the same as {:?}", twin.map(|(name, _)| name));
        wire.publish(case.subject.as_bytes(), "", None, &bytes).await;
    }
    wire.flush().await;
    let receipts = system.receipts(cases.len()).await;
    let mut wrong = Vec::new();
    for (sha256, (name, case)) in sent {
        let Receipt { code, pointer, .. } = receipts.get(&sha256).unwrap_or_else(|| panic!("{name} has no receipt")).clone();
        let code = code.or_else(|| Some("document.accepted".to_owned()));
        if (code.as_deref(), &pointer) != (Some(&*case.expect), &case.at) {
            wrong.push(format!("{name} ({}): {} at {:?}, but {code:?} at {pointer:?}", case.what, case.expect, case.at));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    system.sound(0).await;
}

/// What the program and the clock have to say about a document that is in order by itself.
fn is_ours(kind: &str, data: &Value) -> bool {
    let field = match kind {
        "invoice" => "issued_at",
        "vehicle_sale" => "delivered_at",
        "refund" => "refunded_at",
        "void" => "voided_at",
        _ => "occurred_at",
    };
    let Ok(at) = DateTime::parse_from_rfc3339(data[field].as_str().unwrap_or_default()) else { return false };
    let ahead = at > SystemClock.now() + TimeDelta::hours(24);
    // The first program begins with the year 2000 in Shanghai.
    let before = (at.naive_utc() + TimeDelta::hours(8)).year() < 2000;
    let mut categories = data["lines"].as_array().into_iter().flatten().map(|line| line["category"].as_str().unwrap_or_default());
    let known = match kind {
        "interaction" => {
            let named = data["kind"].as_str().unwrap_or_default();
            ALONE.contains(&named) || ABOUT_SOMETHING.contains(&named) && !data["about"].is_null()
        }
        // The default program has no partner.
        "partner_purchase" => false,
        // Its invoice has not come: they wait.
        "refund" | "void" => true,
        _ => categories.all(|category| CATEGORIES.contains(&category)),
    };
    data["store"] == "SH01" && known && !ahead && !before
}

/// Interactions of the default program.
const ALONE: [&str; 6] = ["suggestion", "share", "survey", "follow", "check_in", "profile"];
/// Those that are about something.
const ABOUT_SOMETHING: [&str; 2] = ["review", "event"];

/// The kind of a round: mostly bills.
fn kind_of(seed: u64) -> &'static str {
    match seed % 8 {
        0 => "interaction",
        1 => "vehicle_sale",
        2 => "partner_purchase",
        3 => "refund",
        4 => "void",
        _ => "invoice",
    }
}

/// Of the default program.
const CATEGORIES: [&str; 11] = [
    "maintenance",
    "repair",
    "parts",
    "accessory",
    "extended_warranty",
    "package",
    "other",
    "vehicle",
    "stored_value_top_up",
    "pass_through",
    "insurance_premium",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_document_comes_to_what_the_judge_says() {
    let system = System::start().await;
    let mut wire = Wire::connect(&system.env, "local").await;
    for phone in KNOWN {
        system.register(&mut wire, phone).await;
    }
    system.idle().await;
    let judges: BTreeMap<String, Judge> = catalogue()
        .iter()
        .filter(|message| message.family == Family::Document)
        .map(|message| (message.name.trim_start_matches("document.").to_owned(), Judge::of_document(message)))
        .collect();
    let mut sent = BTreeMap::new();
    let mut numbers = BTreeSet::new();
    for seed in seeds(DOCUMENTS) {
        let mut dice = Dice::new(seed);
        let kind = kind_of(seed);
        let mut message = good::message(&mut dice, kind, &format!("F{seed}"));
        if let Some(customer) = message.pointer_mut("/customer").filter(|_| dice.chance(60)) {
            *customer = json!({ "phone": dice.pick(&KNOWN) });
        }
        let bytes = spoil::message(&mut dice, &message);
        if bytes.len() > BROKERS_LIMIT {
            continue;
        }
        // The same bytes again are a duplicate or rejected once more: the first tells. But not where they are of another kind.
        let found = sent.entry(sha256(&bytes)).or_insert((seed, kind, bytes.clone(), 0));
        if found.1 == kind {
            wire.publish(format!("pos.v1.SH01.{kind}").as_bytes(), "", None, &bytes).await;
            found.3 += 1;
        }
    }
    let mut most = good::invoice(&mut Dice::new(0), "THE-MOST");
    most["customer"] = json!({ "phone": KNOWN[0] });
    most["reductions"] = json!([]);
    let line = |number| json!({ "line": number, "category": "maintenance", "payer": "customer", "amount": "9999999999.99" });
    most["lines"] = (1..=500).map(line).collect();
    let most = most.to_string().into_bytes();
    wire.publish(b"pos.v1.SH01.invoice", "", None, &most).await;
    sent.insert(sha256(&most), (0, "invoice", most, 1));
    wire.flush().await;
    let count = sent.values().map(|(.., times)| times).sum();
    let receipts = system.receipts(count).await;
    for (sha256, (seed, kind, bytes, _)) in sent {
        let receipt = receipts.get(&sha256).unwrap_or_else(|| panic!("SEED={seed}: no receipt"));
        let code = receipt.code.as_deref().unwrap_or("document.accepted");
        let verdict = judges[kind].document(&bytes);
        let shown = || String::from_utf8_lossy(&bytes[..bytes.len().min(2_000)]).into_owned();
        let taken = receipt.status.as_str() != "rejected" || code == "document.conflict";
        let expected = verdict.as_ref().is_ok_and(|data| is_ours(kind, data));
        assert_eq!(taken, expected, "SEED={seed}: {kind}: {code} at {:?}, but {verdict:?}\n{}", receipt.pointer, shown());
        assert!(code::ALL.iter().any(|known| known.code == code), "SEED={seed}: {code} is no stable code");
        if let Some(data) = verdict.as_ref().ok().filter(|_| expected) {
            let number = ["invoice_no", "interaction_no", "sale_no", "refund_no", "void_no"].map(|field| data[field].to_string());
            let new = numbers.insert((kind, number));
            assert!(!new || receipt.status.as_str() != "duplicate", "SEED={seed}: a first document is a duplicate");
        }
    }
    system.register(&mut wire, "13800000003").await;
    system.sound(0).await;
}

/// The problem that was answered instead of a reply, if one was: with a stable code, which its header says, too, and never that
/// something broke.
pub fn problem_of(seed: u64, subject: &str, answer: &Answer) -> Option<Problem> {
    let headers = String::from_utf8_lossy(&answer.headers).to_lowercase();
    let status = headers.split("nats-service-error-code:").nth(1).and_then(|rest| rest.lines().next())?;
    let problem: Problem = serde_json::from_slice(&answer.payload)
        .unwrap_or_else(|error| panic!("SEED={seed}: {subject}: {error}: {}", String::from_utf8_lossy(&answer.payload)));
    assert!(
        code::ALL.iter().any(|known| known.code == problem.code && known.status == problem.status),
        "SEED={seed}: {subject}: {problem}"
    );
    assert_eq!(status.trim(), problem.status.to_string(), "SEED={seed}: {subject}");
    assert!(problem.status < 500 && !problem.is_transient(), "SEED={seed}: {subject} fails: {problem}");
    Some(problem)
}

/// Who may ask.
fn user_of(subject: &str) -> &'static str {
    if subject.starts_with("api.member.contacts.") { "notification" } else { "operator" }
}

/// A request by its schema, sometimes spoilt.
fn request(dice: &mut Dice, schema: &Value) -> Vec<u8> {
    let mut value = shape::value(dice, schema, schema);
    match dice.place(4) {
        0 | 1 => value.to_string().into_bytes(),
        2 => {
            spoil::value(dice, &mut value);
            value.to_string().into_bytes()
        }
        _ => spoil::message(dice, &value),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_is_answered() {
    let system = System::start().await;
    let messages: BTreeMap<String, Message> = catalogue().into_iter().map(|message| (message.name.clone(), message)).collect();
    let mut wires = BTreeMap::new();
    for user in ["operator", "notification", "SH01"] {
        wires.insert(user, Wire::connect(&system.env, user).await);
    }
    system.register(wires.get_mut("operator").expect("a connection"), KNOWN[0]).await;
    let requests = messages.values().filter(|message| message.family == Family::Request);
    let (mut replies, mut problems) = (0, BTreeSet::new());
    for message in requests.filter(|message| message.address != "api.program.version.apply") {
        let subject = &message.address;
        let (judge, schema) = (Judge::with_formats(message), message.schema());
        let reply = Judge::with_formats(&messages[&format!("{subject}.reply")]);
        for seed in seeds(REQUESTS) {
            let mut dice = Dice::new(seed);
            let bytes = request(&mut dice, &schema);
            if bytes.len() > BROKERS_LIMIT {
                continue;
            }
            let (user, to) = if message.for_stores && dice.chance(40) {
                ("SH01", format!("{subject}.SH01"))
            } else {
                (user_of(subject), subject.clone())
            };
            let wire = wires.get_mut(user).expect("a connection");
            let answer = wire.ask(to.as_bytes(), None, &bytes).await;
            match problem_of(seed, subject, &answer) {
                None => {
                    replies += 1;
                    reply.fits(&answer.payload).unwrap_or_else(|why| panic!("SEED={seed}: {subject} answers out of its schema: {why}"));
                    // Nothing at all asks for nothing in particular, and a store need not name itself.
                    let shape = judge.fits(if bytes.is_empty() { b"{}" } else { &bytes });
                    let harmless = |why: &str| why.contains("\"store\" is a required") || why.contains("is not a \"");
                    shape.map_or_else(|why| assert!(harmless(&why), "SEED={seed}: {subject} answers what is invalid: {why}"), |_| ());
                }
                Some(problem) => drop(problems.insert(problem.code)),
            }
        }
    }
    assert!(replies > 50 && problems.len() > 4, "beyond the first check: {replies} replies, {problems:?}");
    system.register(wires.get_mut("operator").expect("a connection"), KNOWN[1]).await;
    system.sound(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_gateways_say_is_read_or_set_aside() {
    let system = System::start().await;
    let mut wire = Wire::connect(&system.env, "local").await;
    let message = catalogue().into_iter().find(|message| message.name == "gateway.receipt").expect("message");
    let schema = message.schema();
    let mut sent = 0;
    for seed in seeds(100) {
        let mut dice = Dice::new(seed);
        let value = shape::value(&mut dice, &schema, &schema);
        let bytes = spoil::message(&mut dice, &value);
        wire.publish(b"gateway.v1.sms.receipt", "", None, &bytes).await;
        sent += 1;
    }
    wire.flush().await;
    // Nothing was sent, so that none of them is about anything: each is an operator's to see.
    system.sound(sent).await;
}
