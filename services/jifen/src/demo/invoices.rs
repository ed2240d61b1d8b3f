//! The sample group's bills: good ones, repeated ones, and every way in which a DMS gets one wrong.

use chrono::{Days, NaiveDate};
use rand::{Rng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};

use super::people::{Person, STORES};

/// A good bill of `person`, as the store's DMS writes it.
pub fn good(rng: &mut StdRng, number: usize, person: &Person, day: NaiveDate) -> Value {
    let at = format!("{day}T{:02}:{:02}:{:02}+08:00", rng.random_range(8..19), rng.random_range(0..60), rng.random_range(0..60));
    // Some customers go to the store across town.
    let store = if rng.random_bool(0.1) { STORES.choose(rng).copied().unwrap_or(person.store) } else { person.store };
    let customer = match rng.random_range(0..10) {
        0..=5 => json!({ "phone": person.phone, "vin": person.vin, "plate": person.plate }),
        6..=7 => json!({ "phone": format!("+86 {}", person.phone), "plate": "" }),
        8 => json!({ "vin": person.vin }),
        _ => json!({ "plate": person.plate, "phone": person.phone }),
    };
    let lines = lines(rng, person.spends);
    let mut bill = json!({
        "store": store, "invoice_no": number_of(number, day), "issued_at": at, "work_order": format!("W{number:05}"), "replaces": null,
        "customer": customer, "odometer_km": rng.random_range(1_000..150_000), "advisor": format!("A{:03}", rng.random_range(1..30)),
        "currency": "CNY", "lines": lines,
    });
    if rng.random_bool(0.2) {
        bill["reductions"] = json!([{ "kind": if rng.random_bool(0.5) { "discount" } else { "rounding" }, "amount": format!("{}.{:02}", rng.random_range(0..20), rng.random_range(0..100)) }]);
    }
    bill
}

/// The number on the bill: unique over days, so that tomorrow's demo adds to today's.
pub fn number_of(number: usize, day: NaiveDate) -> String {
    format!("R{}-{number:05}", day.format("%Y%m%d"))
}

fn lines(rng: &mut StdRng, spends: u32) -> Vec<Value> {
    let count = rng.random_range(1..=4);
    let categories = ["maintenance", "maintenance", "maintenance", "repair", "repair", "parts", "accessory", "other", "pass_through"];
    let payers = ["customer", "customer", "customer", "customer", "customer", "customer", "warranty", "insurance", "internal"];
    let mut lines = Vec::with_capacity(count);
    for line in 1..=count {
        let yuan = rng.random_range(spends / 10..=spends);
        lines.push(json!({
            "line": line, "category": categories.choose(rng).copied(), "payer": payers.choose(rng).copied(),
            "amount": format!("{yuan}.{:02}", rng.random_range(0..100)), "description": "工时及配件",
        }));
    }
    lines
}

/// The bill again with other content that earns the same: whichever comes first counts, the other is a conflict.
pub fn conflicting(bill: &Value) -> Value {
    let mut other = bill.clone();
    other["odometer_km"] = json!(bill["odometer_km"].as_u64().unwrap_or(0) + 1);
    other
}

/// Where a broken document is sent, and its bytes.
pub struct Broken {
    /// The subject.
    pub subject: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// How many kinds of broken documents there are.
pub const BROKEN_KINDS: usize = 18;

/// A document that is wrong in way number `way`.
pub fn broken(way: usize, bill: &Value, today: NaiveDate) -> Broken {
    let store = bill["store"].as_str().unwrap_or("SH01").to_owned();
    let mut document = bill.clone();
    let mut subject = format!("pos.v1.{store}.invoice");
    let mut raw: Option<Vec<u8>> = None;
    match way % BROKEN_KINDS {
        0 => raw = Some(b"{\"store\":\"SH01\",\"invoice_no\":".to_vec()),
        1 => raw = Some(bill.to_string().replacen("\"amount\":\"", "\"amount\":NaN,\"x\":\"", 1).into_bytes()),
        2 => raw = Some(bill.to_string().replacen("\"amount\":\"", "\"amount\":1e999,\"x\":\"", 1).into_bytes()),
        // The description in GBK, as an old DMS exports it.
        3 => raw = Some([b"{\"store\":\"SH01\",\"description\":\"".as_slice(), &[0xb9, 0xa4, 0xca, 0xb1], b"\"}"].concat()),
        4 => document["lines"][0]["amount"] = json!("-120.00"),
        5 => document["lines"][0]["amount"] = json!(120.5),
        6 => document["lines"][0]["amount"] = json!("1234567890123456789012345678901234567890"),
        7 => document["lines"][0]["description"] = json!("长".repeat(100_000)),
        8 => {
            document["store"] = json!("SH99");
            "pos.v1.SH99.invoice".clone_into(&mut subject);
        }
        9 => document["store"] = json!(if store == "SH01" { "SH02" } else { "SH01" }),
        10 => document["lines"][0]["category"] = json!("spaceship"),
        11 => document["lines"][0]["payer"] = json!("nobody"),
        12 => document["issued_at"] = json!(format!("{}T10:00:00+08:00", today + Days::new(3))),
        13 => document["issued_at"] = json!("2026-10-01 10:00:00"),
        14 => document["customer"] = json!({}),
        15 => subject = format!("pos.v1.{store}.quotation"),
        16 => document["lines"] = json!([]),
        _ => document["customer"] = json!({ "phone": "12345" }),
    }
    Broken { subject, bytes: raw.unwrap_or_else(|| document.to_string().into_bytes()) }
}
