//! Documents that nobody can object to, in every spelling that the contract allows.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use crate::Dice;

mod documents;

pub use documents::{KINDS, document};

const DIGITS: &str = "0123456789";
/// Categories of the default program.
pub const CATEGORIES: [&str; 3] = ["maintenance", "repair", "parts"];
const PAYERS: [&str; 10] =
    ["customer", "warranty", "insurance", "oem", "internal", "goodwill", "package", "stored_value", "voucher", "points"];

/// A bill of SH01 with this number, before October 2026.
pub fn invoice(dice: &mut Dice, number: &str) -> Value {
    let mut bill = Map::new();
    bill.insert("store".into(), json!("SH01"));
    bill.insert("invoice_no".into(), json!(number));
    bill.insert("issued_at".into(), json!(instant(dice)));
    bill.insert("customer".into(), customer(dice));
    optional(dice, &mut bill, "work_order", |dice| json!(code(dice)));
    optional(dice, &mut bill, "advisor", |dice| json!(code(dice)));
    optional(dice, &mut bill, "odometer_km", |dice| json!(*dice.pick(&[0, 1, 9_999_999, 10_000_000])));
    optional(dice, &mut bill, "currency", |_| json!("CNY"));
    bill.insert("lines".into(), lines(dice));
    optional(dice, &mut bill, "reductions", |dice| {
        let count = if dice.chance(2) { 500 } else { dice.place(4) };
        (0..count)
            .map(|_| json!({ "kind": dice.pick(&["discount", "rounding", "points", "voucher"]), "amount": amount(dice, 10) }))
            .collect()
    });
    unknown(dice, &mut bill);
    Value::Object(bill)
}

/// A document of this kind, bare or in an envelope.
pub fn message(dice: &mut Dice, kind: &str, number: &str) -> Value {
    let document = document(dice, kind, number);
    if dice.chance(60) {
        return document;
    }
    let mut envelope = Map::new();
    envelope.insert("specversion".into(), json!("1.0"));
    envelope.insert("id".into(), json!(dice.pick(&[&*format!("e-{number}"), "号", " ", &"x".repeat(256)])));
    envelope.insert("data".into(), document);
    optional(dice, &mut envelope, "type", |dice| dice.pick(&[json!("till.bill.v3"), json!(7), json!([])]).clone());
    optional(dice, &mut envelope, "traceparent", |dice| {
        json!(dice.pick(&["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "00-0-0-0", "", "ﬀ\u{0}"]))
    });
    unknown(dice, &mut envelope);
    Value::Object(envelope)
}

/// Left out, null, or there.
fn optional(dice: &mut Dice, object: &mut Map<String, Value>, key: &str, value: impl FnOnce(&mut Dice) -> Value) {
    match dice.place(4) {
        0 => {}
        1 => drop(object.insert(key.to_owned(), Value::Null)),
        _ => {
            let value = value(dice);
            object.insert(key.to_owned(), value);
        }
    }
}

/// What we don't know we don't mind.
fn unknown(dice: &mut Dice, object: &mut Map<String, Value>) {
    if dice.chance(30) {
        let key = dice.pick(&["备注", "", "__proto__", "Store", "lines ", "$ref", "a\u{0}b"]);
        let value =
            dice.pick(&[json!(null), json!(1e300), json!("\u{202e}\u{0}"), json!([[[]]]), json!({ "a": { "a": {} } }), json!(-1)]).clone();
        object.insert((*key).to_owned(), value);
    }
}

/// RFC 3339 in all its spellings, days that exist.
fn instant(dice: &mut Dice) -> String {
    let date = match dice.place(5) {
        0 => "2000-01-01".to_owned(),
        1 => format!("20{:02}-02-29", dice.number(0, 6) * 4),
        2 => format!("20{:02}-12-31", dice.number(0, 25)),
        _ => format!("2026-{:02}-{:02}", dice.number(1, 9), dice.number(1, 30).min(28)),
    };
    let separator = dice.char_of("Tt ");
    let time = match dice.place(4) {
        0 => "23:59:60".to_owned(),
        1 => "00:00:00".to_owned(),
        _ => format!("{:02}:{:02}:{:02}", dice.number(0, 23), dice.number(0, 59), dice.number(0, 59)),
    };
    let places = *dice.pick(&[0, 0, 0, 1, 3, 9, 12]);
    let fraction = if places == 0 { String::new() } else { format!(".{}", dice.text_of(DIGITS, places)) };
    let offset = match dice.place(4) {
        0 => dice.char_of("Zz").to_string(),
        1 => format!("{}{:02}:{:02}", dice.char_of("+-\u{2212}"), dice.number(0, 23), dice.number(0, 59)),
        _ => "+08:00".to_owned(),
    };
    format!("{date}{separator}{time}{fraction}{offset}")
}

/// A number or code: 1 to 64 characters without control characters and outer blanks.
pub fn code(dice: &mut Dice) -> String {
    let count = *dice.pick(&[1, 2, 8, 63, 64]);
    let mut text = String::new();
    for place in 0..count {
        let outer = place == 0 || place + 1 == count;
        let c = if dice.chance(70) { dice.char_of("Aa0-_.*>/#%\u{200b}\u{202e}字🚗é") } else { dice.any_char() };
        let fits = !(c.is_control() || outer && c.is_whitespace());
        text.push(if fits { c } else { 'x' });
    }
    text
}

/// At most 1000 characters without NUL.
fn long(dice: &mut Dice) -> String {
    let count = *dice.pick(&[0, 1, 10, 999, 1_000]);
    (0..count).map(|_| Some(dice.any_char()).filter(|c| *c != '\0').unwrap_or('\n')).collect()
}

/// Digits, up to `digits` before the point, in all spellings.
fn amount(dice: &mut Dice, digits: usize) -> String {
    let count = 1 + dice.place(digits);
    let whole = if dice.chance(20) { "0".repeat(count) } else { dice.text_of(DIGITS, count) };
    match dice.place(3) {
        0 => whole,
        places => format!("{whole}.{}", dice.text_of(DIGITS, places)),
    }
}

fn customer(dice: &mut Dice) -> Value {
    let mut keys = Map::new();
    let sure = dice.place(4);
    for (place, key) in ["member_no", "phone", "vin", "plate"].into_iter().enumerate() {
        if place == sure || dice.chance(30) {
            let value = match key {
                "member_no" => code(dice),
                "phone" => phone(dice),
                "vin" => dice.text_of("ABCDEFGHJKLMNPRSTUVWXYZabcdefghjklmnprstuvwxyz0123456789", 17),
                _ => plate(dice),
            };
            keys.insert(key.to_owned(), json!(value));
        } else if dice.chance(50) {
            keys.insert(key.to_owned(), dice.pick(&[json!(null), json!(""), json!(" "), json!("\u{3000}\t")]).clone());
        }
    }
    unknown(dice, &mut keys);
    Value::Object(keys)
}

fn phone(dice: &mut Dice) -> String {
    let prefix = dice.pick(&["", "+86", "0086", "86"]);
    let digits = format!("{prefix}1{}{}", dice.char_of("3456789"), dice.text_of(DIGITS, 9));
    let mut text = String::new();
    for digit in digits.chars() {
        // 32 bytes in all.
        if dice.chance(20) && text.len() + digits.len() < 30 {
            text.push(dice.char_of(" -"));
        }
        text.push(digit);
        if text.len() + digits.len() > 45 {
            return digits;
        }
    }
    if text.len() > 32 { digits } else { text }
}

fn plate(dice: &mut Dice) -> String {
    let serial = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghjklmnpqrstuvwxyz0123456789";
    let count = *dice.pick(&[4, 5]);
    let last = if dice.chance(30) { dice.char_of("挂学警港澳使领") } else { dice.char_of(serial) };
    let plain = format!("{}{}{}{last}", dice.char_of("沪京粤新使"), dice.char_of("ABIOZaz"), dice.text_of(serial, count));
    plain.chars().flat_map(|c| [Some(c), dice.chance(20).then(|| dice.char_of(" -·•"))]).flatten().collect()
}

fn lines(dice: &mut Dice) -> Value {
    let count = *dice.pick(&[1, 1, 2, 3, 5, 30]);
    let first = *dice.pick(&[0, 1, 900_000]);
    (0..count)
        .map(|place| {
            let mut line = Map::new();
            line.insert("line".into(), json!(first + place));
            line.insert("category".into(), json!(dice.pick(&CATEGORIES)));
            line.insert("payer".into(), json!(dice.pick(&PAYERS)));
            let cost = amount(dice, 9);
            // A digit more in front than the principal's: never below it.
            line.insert("amount".into(), json!(format!("9{cost}")));
            optional(dice, &mut line, "principal", |_| json!(cost));
            optional(dice, &mut line, "description", |dice| json!(long(dice)));
            unknown(dice, &mut line);
            Value::Object(line)
        })
        .collect()
}

/// The same JSON in another spelling: blanks anywhere, characters escaped or not.
pub fn spell(dice: &mut Dice, value: &Value) -> String {
    let mut text = String::new();
    write(dice, value, &mut text);
    text
}

fn blanks(dice: &mut Dice, text: &mut String) {
    if dice.chance(10) {
        let count = 1 + dice.place(3);
        text.push_str(&dice.text_of(" \t\r\n", count));
    }
}

fn write(dice: &mut Dice, value: &Value, text: &mut String) {
    blanks(dice, text);
    match value {
        Value::Array(items) => {
            text.push('[');
            for (place, item) in items.iter().enumerate() {
                text.push_str(if place == 0 { "" } else { "," });
                write(dice, item, text);
            }
            text.push(']');
        }
        Value::Object(object) => {
            text.push('{');
            for (place, (key, value)) in object.iter().enumerate() {
                text.push_str(if place == 0 { "" } else { "," });
                blanks(dice, text);
                quote(dice, key, text);
                blanks(dice, text);
                text.push(':');
                write(dice, value, text);
            }
            text.push('}');
        }
        Value::String(said) => quote(dice, said, text),
        plain => text.push_str(&plain.to_string()),
    }
    blanks(dice, text);
}

fn quote(dice: &mut Dice, said: &str, text: &mut String) {
    let escape_much = dice.chance(5);
    text.push('"');
    for c in said.chars() {
        if c < ' ' || matches!(c, '"' | '\\') || (escape_much && dice.chance(50)) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(text, "\\u{unit:04x}");
            }
        } else {
            text.push(c);
        }
    }
    text.push('"');
}
