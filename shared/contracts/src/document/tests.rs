//! The smaller documents: every fault has its code and place. Bills have their tests beside them.

use serde_json::{Map, Value, json};

use super::*;

fn with(good: &Value, pointer: &str, value: &Value) -> Map<String, Value> {
    let mut document = good.clone();
    match document.pointer_mut(pointer) {
        Some(place) => *place = value.clone(),
        None => document[pointer.trim_start_matches('/')] = value.clone(),
    }
    document.as_object().expect("an object").clone()
}

/// A good document, and what its places must not be set to: value, code, and where that is said if not at the place itself.
fn check<T: StoreDocument>(good: &Value, cases: &[(&str, Value, &str)]) {
    let read = T::read(good.as_object().expect("an object")).ok();
    assert!(read.is_some(), "{good}");
    for (pointer, value, expected) in cases {
        let fault = T::read(&with(good, pointer, value)).err().unwrap_or_else(|| panic!("{} {pointer} = {value} is read", T::KIND));
        assert_eq!((fault.code.code, fault.pointer.as_deref()), (*expected, Some(*pointer)), "{} {value}", T::KIND);
        let said = value.as_str().unwrap_or_default();
        assert!(said.len() < 6 || !fault.detail.contains(said), "{}: the value is quoted", fault.detail);
    }
}

#[test]
fn an_interaction_is_read_or_refused() {
    let good = json!({
        "store": "SH01", "interaction_no": "I-9", "kind": "review", "occurred_at": "2026-10-01T10:21:33+08:00",
        "customer": {"member_no": "M1", "phone": ""}, "about": "R20261001-0007", "new": 1,
    });
    let cases = [
        ("/store", json!("sh01"), "document.bad_field"),
        ("/interaction_no", Value::Null, "document.missing_field"),
        ("/kind", json!("Review!"), "document.unknown_interaction"),
        ("/kind", json!(7), "document.bad_field"),
        ("/kind", Value::Null, "document.missing_field"),
        ("/occurred_at", json!("2026-10-01T10:21:33"), "document.bad_date"),
        ("/customer", Value::Null, "document.no_customer"),
        ("/customer", json!({"phone": " "}), "document.no_customer"),
        ("/customer/phone", json!("12345"), "document.bad_field"),
        ("/about", json!("R1\u{0}"), "document.bad_field"),
    ];
    check::<Interaction>(&good, &cases);
}

#[test]
fn a_vehicle_sale_is_read_or_refused() {
    let good = json!({
        "store": "SH01", "sale_no": "V-1", "delivered_at": "2026-10-01T10:21:33+08:00", "customer": {"phone": "13800138000", "vin": 7},
        "vin": "lsvau2a37n2183294", "series": "X5", "price": "186000.00",
    });
    let cases = [
        ("/sale_no", json!(" V"), "document.bad_field"),
        ("/delivered_at", json!(7), "document.bad_date"),
        ("/customer", json!({"vin": "LSVAU2A37N2183294", "plate": "沪A12345"}), "document.no_buyer"),
        ("/customer", json!([]), "document.bad_field"),
        ("/vin", json!(""), "document.bad_field"),
        ("/vin", json!("LSVAU2A37N218329O"), "document.bad_field"),
        ("/vin", Value::Null, "document.missing_field"),
        ("/price", json!("-1"), "document.bad_amount"),
        ("/price", Value::Null, "document.missing_field"),
        ("/series", json!(5), "document.bad_field"),
    ];
    check::<VehicleSale>(&good, &cases);
}

#[test]
fn a_partner_purchase_is_read_or_refused() {
    let good = json!({
        "store": "SH01", "purchase_no": "F-1", "partner": "fuel-1", "occurred_at": "2026-10-01T10:21:33+08:00",
        "customer": {"plate": "沪A12345"}, "amount": "300.00",
    });
    let cases = [
        ("/purchase_no", json!(""), "document.bad_field"),
        ("/partner", json!("Fuel"), "document.unknown_partner"),
        ("/partner", json!("-fuel"), "document.unknown_partner"),
        ("/partner", json!("f".repeat(33)), "document.unknown_partner"),
        ("/partner", json!(["fuel"]), "document.bad_field"),
        ("/amount", json!("300.001"), "document.bad_amount"),
        ("/amount", json!(300), "document.bad_amount"),
    ];
    check::<PartnerPurchase>(&good, &cases);
}

fn sign_up() -> Value {
    json!({
        "store": "SH01", "sign_up_no": "S-1", "at": "2026-10-01T10:21:33+08:00", "name": " 王小明 ", "phone": "138 0013 8000",
        "birthday": "1992-02-29", "vin": "", "plate": " ", "consents": ["sms:service"], "referral_code": "R7K2M", "store_confirmed": true,
    })
}

#[test]
fn a_sign_up_is_read_or_refused() {
    let cases = [
        ("/sign_up_no", Value::Null, "document.missing_field"),
        ("/at", json!("yesterday"), "document.bad_date"),
        ("/name", json!(" "), "document.bad_field"),
        ("/name", json!("王\t小明"), "document.bad_field"),
        ("/name", json!("王".repeat(65)), "document.bad_field"),
        ("/phone", json!(""), "document.bad_field"),
        ("/phone", Value::Null, "document.missing_field"),
        ("/birthday", json!("1993-02-29"), "document.bad_field"),
        ("/birthday", json!("1990-5-1"), "document.bad_field"),
        ("/birthday", json!("1899-12-31"), "document.bad_field"),
        ("/vin", json!("LSV"), "document.bad_field"),
        ("/consents", json!("wechat:service"), "document.bad_field"),
        ("/consents", json!(vec!["sms:service"; 21]), "document.bad_field"),
        ("/consents/0", json!("sms"), "document.bad_field"),
        ("/store_confirmed", json!("true"), "document.bad_field"),
    ];
    check::<SignUp>(&sign_up(), &cases);
}

#[test]
fn what_a_sign_up_leaves_out_is_not_given() {
    let good = sign_up();
    let read = |data: &Map<String, Value>| SignUp::read(data).expect("a sign-up");
    let whole = read(good.as_object().expect("an object"));
    assert_eq!((whole.name.expose(), whole.phone.expose(), whole.store_confirmed), ("王小明", "13800138000", true));
    assert_eq!((whole.vin, whole.plate, whole.birthday), (None, None, "1992-02-29".parse().ok()));
    let mut least = good.as_object().expect("an object").clone();
    for field in ["birthday", "vin", "plate", "consents", "referral_code", "store_confirmed"] {
        least.remove(field);
    }
    let least = read(&least);
    assert_eq!((least.consents, least.referral_code, least.store_confirmed), (None, None, false));
    assert!(!format!("{:?}", SignUp::read(good.as_object().expect("an object"))).contains("138001"), "it prints masked");
}

#[test]
fn a_refund_is_read_or_refused() {
    let good = json!({
        "store": "SH01", "refund_no": "C-1", "invoice_no": "R1", "refunded_at": "2026-10-03T10:21:33+08:00",
        "lines": [{"line": 1, "amount": "200.00"}, {"line": 2, "amount": "0"}], "reason": null, "customer": 7,
    });
    let cases = [
        ("/refund_no", Value::Null, "document.missing_field"),
        ("/invoice_no", json!(""), "document.bad_field"),
        ("/invoice_no", Value::Null, "document.missing_field"),
        ("/refunded_at", json!("2026-10-03"), "document.bad_date"),
        ("/lines", json!([]), "document.missing_field"),
        ("/lines", Value::Null, "document.missing_field"),
        ("/lines/1/line", json!(1), "document.duplicate_line"),
        ("/lines/0/line", json!("1"), "document.bad_field"),
        ("/lines/0/amount", json!("-1"), "document.bad_amount"),
        ("/lines/0/amount", Value::Null, "document.missing_field"),
        ("/reason", json!("长".repeat(1_001)), "document.bad_field"),
    ];
    check::<Refund>(&good, &cases);
}

#[test]
fn a_void_is_read_or_refused() {
    let good = json!({"store": "SH01", "void_no": "V-1", "invoice_no": "R1", "voided_at": "2026-10-03T10:21:33+08:00"});
    let cases = [
        ("/void_no", json!(" V"), "document.bad_field"),
        ("/invoice_no", Value::Null, "document.missing_field"),
        ("/voided_at", Value::Null, "document.missing_field"),
        ("/reason", json!(["x"]), "document.bad_field"),
    ];
    check::<Void>(&good, &cases);
}

#[test]
fn a_day_close_is_read_or_refused() {
    let good = json!({
        "store": "SH01", "day": "2026-10-01", "invoices": {"count": 2, "sum": "51234.50", "first": "R1", "last": "R2"},
        "refunds": {"count": 0, "sum": "0", "first": "", "last": null},
    });
    let cases = [
        ("/day", json!("2026-02-30"), "document.bad_field"),
        ("/day", Value::Null, "document.missing_field"),
        ("/invoices", Value::Null, "document.missing_field"),
        ("/invoices", json!([]), "document.bad_field"),
        ("/invoices/count", json!(-1), "document.bad_field"),
        ("/invoices/count", json!(1_000_001), "document.bad_field"),
        ("/invoices/sum", json!(51234), "document.bad_amount"),
        ("/refunds/count", Value::Null, "document.missing_field"),
        ("/refunds/first", json!(7), "document.bad_field"),
    ];
    check::<DayClose>(&good, &cases);
    let close = DayClose::read(good.as_object().expect("an object")).expect("a close");
    assert_eq!(close.refunds.and_then(|refunds| refunds.first), None, "an empty text says nothing");
}
