//! The kinds beside the bill.

use serde_json::{Map, Value, json};

use super::{DIGITS, amount, code, customer, instant, invoice, long, optional, phone, plate, unknown};
use crate::Dice;

/// Every kind with a reader.
pub const KINDS: [&str; 8] = ["invoice", "refund", "void", "interaction", "vehicle_sale", "partner_purchase", "sign_up", "day_close"];
/// Of the default program, without those that must be about something.
const INTERACTIONS: [&str; 6] = ["suggestion", "share", "survey", "follow", "check_in", "profile"];

/// A document of SH01 of this kind with this number, before October 2026.
pub fn document(dice: &mut Dice, kind: &str, number: &str) -> Value {
    let mut document = Map::new();
    document.insert("store".into(), json!("SH01"));
    match kind {
        "interaction" => {
            document.insert("interaction_no".into(), json!(number));
            document.insert("occurred_at".into(), json!(instant(dice)));
            document.insert("kind".into(), json!(dice.pick(&INTERACTIONS)));
            document.insert("customer".into(), customer(dice));
            optional(dice, &mut document, "about", |dice| json!(code(dice)));
        }
        "vehicle_sale" => {
            document.insert("sale_no".into(), json!(number));
            document.insert("delivered_at".into(), json!(instant(dice)));
            document.insert("customer".into(), buyer(dice));
            document.insert("vin".into(), json!(vin(dice)));
            optional(dice, &mut document, "series", |dice| json!(code(dice)));
            document.insert("price".into(), json!(amount(dice, 10)));
        }
        "partner_purchase" => {
            document.insert("purchase_no".into(), json!(number));
            document.insert("occurred_at".into(), json!(instant(dice)));
            document.insert("partner".into(), json!(partner(dice)));
            document.insert("customer".into(), customer(dice));
            document.insert("amount".into(), json!(amount(dice, 10)));
        }
        "sign_up" => sign_up(dice, &mut document, number),
        "refund" => {
            document.insert("refund_no".into(), json!(number));
            document.insert("invoice_no".into(), json!(code(dice)));
            document.insert("refunded_at".into(), json!(instant(dice)));
            document.insert("lines".into(), refunded(dice));
            optional(dice, &mut document, "reason", |dice| json!(long(dice)));
        }
        "void" => {
            document.insert("void_no".into(), json!(number));
            document.insert("invoice_no".into(), json!(code(dice)));
            document.insert("voided_at".into(), json!(instant(dice)));
            optional(dice, &mut document, "reason", |dice| json!(long(dice)));
        }
        "day_close" => {
            let day = *dice.pick(&["2026-05-01", "2024-02-29", "2000-01-01", "2025-12-31"]);
            document.insert("day".into(), json!(day));
            document.insert("invoices".into(), totals(dice));
            optional(dice, &mut document, "refunds", totals);
        }
        _ => return invoice(dice, number),
    }
    unknown(dice, &mut document);
    Value::Object(document)
}

fn refunded(dice: &mut Dice) -> Value {
    let (count, first) = (*dice.pick(&[1, 1, 2, 30]), *dice.pick(&[0, 1, 900_000]));
    let line = |place| {
        let mut line = Map::new();
        line.insert("line".into(), json!(first + place));
        line.insert("amount".into(), json!(amount(dice, 10)));
        unknown(dice, &mut line);
        Value::Object(line)
    };
    (0..count).map(line).collect()
}

fn totals(dice: &mut Dice) -> Value {
    let mut totals = Map::new();
    totals.insert("count".into(), json!(*dice.pick(&[0, 1, 42, 1_000_000])));
    totals.insert("sum".into(), json!(amount(dice, 10)));
    for end in ["first", "last"] {
        optional(dice, &mut totals, end, |dice| if dice.chance(20) { json!("\u{3000}") } else { json!(code(dice)) });
    }
    unknown(dice, &mut totals);
    Value::Object(totals)
}

fn sign_up(dice: &mut Dice, document: &mut Map<String, Value>, number: &str) {
    document.insert("sign_up_no".into(), json!(number));
    document.insert("at".into(), json!(instant(dice)));
    document.insert("name".into(), json!(name(dice)));
    document.insert("phone".into(), json!(phone(dice)));
    optional(dice, document, "birthday", |dice| json!(dice.pick(&["1990-05-01", "1992-02-29", "1900-01-01", "2000-02-29", "2199-12-31"])));
    optional(dice, document, "vin", |dice| if dice.chance(20) { json!("\u{3000}") } else { json!(vin(dice)) });
    optional(dice, document, "plate", |dice| if dice.chance(20) { json!("") } else { json!(plate(dice)) });
    optional(dice, document, "consents", |dice| {
        let count = *dice.pick(&[0, 1, 2, 20]);
        (0..count).map(|_| json!(dice.pick(&["sms:service", "wechat:promotion", "a:b", "pigeon:gossip"]))).collect()
    });
    optional(dice, document, "referral_code", |dice| json!(code(dice)));
    optional(dice, document, "store_confirmed", |dice| json!(dice.chance(50)));
}

/// With at least one of both keys; what else stands there is not looked at.
fn buyer(dice: &mut Dice) -> Value {
    let mut keys = Map::new();
    let sure = dice.chance(50);
    if sure || dice.chance(30) {
        keys.insert("phone".into(), json!(phone(dice)));
    }
    if !sure || dice.chance(30) {
        keys.insert("member_no".into(), json!(code(dice)));
    }
    if dice.chance(30) {
        keys.insert("vin".into(), dice.pick(&[json!("nothing"), json!(7), json!(null)]).clone());
    }
    unknown(dice, &mut keys);
    Value::Object(keys)
}

fn vin(dice: &mut Dice) -> String {
    dice.text_of("ABCDEFGHJKLMNPRSTUVWXYZabcdefghjklmnprstuvwxyz0123456789", 17)
}

fn partner(dice: &mut Dice) -> String {
    let rest = *dice.pick(&[0, 1, 6, 31]);
    format!("{}{}", dice.char_of(&format!("az{DIGITS}")), dice.text_of("az09_-", rest))
}

/// 1 to 64 characters, not only blanks.
fn name(dice: &mut Dice) -> String {
    let count = *dice.pick(&[0, 1, 2, 62]);
    let filled = |c: char| if c.is_control() { '·' } else { c };
    let rest: String = (0..count).map(|_| filled(dice.any_char())).collect();
    format!("{}王{rest}", dice.pick(&["", " ", "\u{3000}"]))
}
