//! Documents, good and bad, made by changing one good document of each kind in one place.

use serde_json::{Value, json};

/// A document of the corpus.
pub struct Case {
    /// What was changed.
    pub what: String,
    /// As the store sends it.
    pub text: String,
}

/// What every field is changed into.
fn anything() -> Vec<Value> {
    let texts = [
        "",
        " ",
        "\t",
        "\u{3000}",
        "\u{a0}x",
        "x\u{3000}",
        " x",
        "x ",
        "x",
        "中文",
        "a\u{0}b",
        "a\u{7f}",
        "a\u{85}b",
        "line\nbreak",
        "a b",
        "*",
        "SH01",
        "sh01",
        "SH-01_A",
        "-SH",
        "ABCDEFGHIJKLMNOP",
        "ABCDEFGHIJKLMNOPQ",
        "maintenance",
        "Öl",
        "double_week",
        "customer",
        "stored_value",
        "nobody",
        "discount",
        "gift",
        "CNY",
        "USD",
        "cny",
        "0",
        "-0",
        "-1",
        "800",
        "800.0",
        "800.00",
        "800.000",
        "00800.10",
        "9999999999.99",
        "12345678901",
        "1e3",
        "NaN",
        "+1",
        ".5",
        "5.",
        "１２",
        "1,000.00",
        "1234567890123456789012345678901234567890",
        "¥5",
        "review",
        "fuel-1",
        "-fuel",
        "_fuel",
        "sms:service",
        "sms:",
        "abcdefghijklmnop:a",
        "abcdefghijklmnopq:a",
    ];
    let mut values: Vec<Value> = texts.iter().map(|text| json!(text)).collect();
    values.extend((63..=66).map(|count| json!("字".repeat(count))));
    values.extend([999, 1000, 1001].map(|count| json!("长".repeat(count))));
    values.extend(phones().into_iter().chain(vins()).chain(plates()).map(Value::from));
    values.extend([31, 32, 33].map(|count| json!("a".repeat(count))));
    values.extend([20, 21].map(|count| json!(vec!["app:promotion"; count])));
    values.extend([
        json!(["sms:service", "SMS:service"]),
        json!(null),
        json!(true),
        json!([]),
        json!({}),
        json!([1]),
        json!(["a"]),
        json!([null]),
        json!([{}]),
        json!(0),
        json!(1),
        json!(-1),
        json!(1.5),
        json!(1_000_000),
        json!(1_000_001),
        json!(10_000_000),
        json!(10_000_001),
        json!(4_294_967_296_u64),
        json!(18_446_744_073_709_551_615_u64),
    ]);
    values
}

pub fn phones() -> Vec<String> {
    let mut all: Vec<String> = [
        "13800138000",
        "+8613800138000",
        "008613800138000",
        "8613800138000",
        "138 0013-8000",
        "+86 138 0013 8000",
        " +8 6-13800138000 ",
        "00 86 13800138000",
        "12800138000",
        "19900138000",
        "1380013800",
        "138001380000",
        "+8713800138000",
        "+86+8613800138000",
        "868613800138000",
        "86138001380",
        "１3800138000",
        "13800138000\u{a0}",
        "1380013800O",
        "021-12345678",
        "+13800138000",
        "0013800138000",
        "13800138000;",
        "- - 13800138000",
    ]
    .map(str::to_owned)
    .into();
    all.extend((19..=23).map(|blanks| format!("{}13800138000", " ".repeat(blanks))));
    all
}

pub fn vins() -> Vec<String> {
    [
        "LSVAU2A37N2183294",
        "lsvau2a37n2183294",
        "LSVAU2A37N218329",
        "LSVAU2A37N21832944",
        "ISVAU2A37N2183294",
        "LSVAU2A37N218329O",
        "LSVAU2A37N21832q4",
        "LSVAU2A37N2183-94",
        "11111111111111111",
        "ＬSVAU2A37N218329",
    ]
    .map(str::to_owned)
    .into()
}

pub fn plates() -> Vec<String> {
    let mut all: Vec<String> = [
        "沪A12345",
        "沪a·1234挂",
        "京AD12345",
        "粤Z 1234港",
        "沪A1234",
        "沪A123456",
        "沪A1234567",
        "AA12345",
        "沪112345",
        "沪A1234I",
        "沪AO2345",
        "沪A123挂5",
        "-沪-A-1-2-3-4-5-",
        "沪A12345•",
        "沪A12345.",
        "沪ſ12345",
        "沪A1234ß",
        "沪ﬀ12345",
        "鿿A12345",
        "\u{3007}A12345",
        "㐀A12345",
        "沪A１2345",
        "使A12345",
        "沪A12345使",
        "沪A123使",
    ]
    .map(str::to_owned)
    .into();
    all.extend((55..=60).map(|dots| format!("沪A12345{}", "·".repeat(dots))));
    all
}

pub fn instants() -> Vec<String> {
    let mut all: Vec<String> = [
        "2026-10-01T10:21:33+08:00",
        "2026-10-01T02:21:33Z",
        "2026-10-01t02:21:33z",
        "2026-10-01 02:21:33Z",
        "2026-10-01_02:21:33Z",
        "2026-10-01T02:21:33",
        "2026-10-01",
        "2026-10-01T02:21:33.5Z",
        "2026-10-01T02:21:33.123456789012Z",
        "2026-10-01T02:21:33.Z",
        "2026-10-01T02:21:33,5Z",
        "2026-10-01T02:21:60Z",
        "2026-10-01T02:21:61Z",
        "2026-10-01T24:00:00Z",
        "2026-10-01T23:60:00Z",
        "2026-10-01T02:21Z",
        "2026-10-01T02:21:33+0800",
        "2026-10-01T02:21:33+08",
        "2026-10-01T02:21:33+23:59",
        "2026-10-01T02:21:33+24:00",
        "2026-10-01T02:21:33+08:60",
        "2026-10-01T02:21:33-00:00",
        "2026-10-01T02:21:33\u{2212}08:00",
        " 2026-10-01T02:21:33Z",
        "2026-10-01T02:21:33Z ",
        "2026-13-01T02:21:33Z",
        "2026-00-01T02:21:33Z",
        "2026-10-00T02:21:33Z",
        "2026-10-32T02:21:33Z",
        "1999-12-31T23:59:59Z",
        "2000-01-01T00:00:00+14:00",
        "2199-12-31T23:59:59-12:00",
        "2200-01-01T00:00:00Z",
        "+262142-01-01T00:00:00Z",
        "20261001T022133Z",
        "1790821293",
        "２026-10-01T02:21:33Z",
    ]
    .map(str::to_owned)
    .into();
    // Every day that some year may have, in every year.
    for year in 1999..=2201 {
        all.push(format!("{year}-02-29T00:00:00Z"));
    }
    for month in 1..=12 {
        all.extend([28, 29, 30, 31].map(|day| format!("2026-{month:02}-{day:02}T00:00:00Z")));
    }
    all
}

/// Days of the calendar, and what looks like one.
pub fn days() -> Vec<String> {
    let mut all: Vec<String> = [
        "1990-05-01",
        "1990-5-1",
        "1990-05-1",
        "90-05-01",
        "+1990-05-01",
        "1990/05/01",
        "19900501",
        " 1990-05-01",
        "1990-05-01 ",
        "1990-04-31",
    ]
    .map(str::to_owned)
    .into();
    for year in 1899..=2201 {
        all.push(format!("{year}-02-29"));
    }
    all.extend(["1899-12-31", "1900-01-01", "2199-12-31", "2200-01-01", "0000-01-01", "10000-01-01"].map(str::to_owned));
    all
}

/// A document of each kind that nobody can object to, with every field.
pub fn good(kind: &str) -> Value {
    match kind {
        "invoice" => json!({
            "store": "SH01", "invoice_no": "R20261001-0007", "issued_at": "2026-10-01T10:21:33+08:00", "work_order": "W-77",
            "replaces": "R20260930-0001",
            "customer": { "member_no": "M1000000008", "phone": "13800138000", "vin": "LSVAU2A37N2183294", "plate": "沪A12345" },
            "odometer_km": 30210, "advisor": "A017", "currency": "CNY",
            "lines": [
                { "line": 1, "category": "maintenance", "payer": "customer", "amount": "800.00", "description": "小保养" },
                { "line": 2, "category": "maintenance", "payer": "stored_value", "amount": "9999999999.99", "principal": "500.00" }
            ],
            "reductions": [{ "kind": "discount", "amount": "20.00" }]
        }),
        "interaction" => json!({
            "store": "SH01", "interaction_no": "I-9", "kind": "review", "occurred_at": "2026-10-01T10:21:33+08:00",
            "customer": { "member_no": "M1000000008", "phone": "13800138000", "vin": "LSVAU2A37N2183294", "plate": "沪A12345" },
            "about": "R20261001-0007"
        }),
        "vehicle_sale" => json!({
            "store": "SH01", "sale_no": "V-1", "delivered_at": "2026-10-01T10:21:33+08:00",
            "customer": { "member_no": "M1000000008", "phone": "13800138000" },
            "vin": "LSVAU2A37N2183294", "series": "X5", "price": "186000.00"
        }),
        "partner_purchase" => json!({
            "store": "SH01", "purchase_no": "F-1", "partner": "fuel-1", "occurred_at": "2026-10-01T10:21:33+08:00",
            "customer": { "member_no": "M1000000008", "phone": "13800138000", "vin": "LSVAU2A37N2183294", "plate": "沪A12345" },
            "amount": "300.00"
        }),
        "sign_up" => json!({
            "store": "SH01", "sign_up_no": "S-1", "at": "2026-10-01T10:21:33+08:00", "name": "王小明", "phone": "13800138000",
            "birthday": "1990-05-01", "vin": "LSVAU2A37N2183294", "plate": "沪A12345", "consents": ["sms:service", "wechat:promotion"],
            "referral_code": "K7M2Q9", "store_confirmed": true
        }),
        "refund" => json!({
            "store": "SH01", "refund_no": "C20261003-0001", "invoice_no": "R20261001-0007", "refunded_at": "2026-10-03T10:21:33+08:00",
            "lines": [{ "line": 1, "amount": "200.00" }, { "line": 2, "amount": "9999999999.99" }], "reason": "退换机油"
        }),
        "void" => json!({
            "store": "SH01", "void_no": "V20261003-0001", "invoice_no": "R20261001-0007", "voided_at": "2026-10-03T10:21:33+08:00",
            "reason": "重复开单"
        }),
        "day_close" => json!({
            "store": "SH01", "day": "2026-10-01",
            "invoices": { "count": 42, "sum": "51234.50", "first": "R20261001-0001", "last": "R20261001-0042" },
            "refunds": { "count": 1, "sum": "200.00", "first": "C20261001-0001", "last": "C20261001-0001" }
        }),
        other => panic!("no document of kind {other}"),
    }
}

/// The kinds with a reader.
pub const KINDS: [&str; 8] = ["invoice", "refund", "void", "interaction", "vehicle_sale", "partner_purchase", "sign_up", "day_close"];

/// Every place of a good document, and some that it has not.
fn places(good: &Value) -> Vec<String> {
    let mut places = vec!["/unknown".to_owned()];
    let lacking = [("/customer", "unknown"), ("/lines/0", "principal"), ("/lines/0", "unknown"), ("/invoices", "unknown")];
    places.extend(lacking.iter().filter(|(parent, _)| good.pointer(parent).is_some()).map(|(parent, key)| format!("{parent}/{key}")));
    walk(good, "", &mut places);
    places
}

fn walk(value: &Value, place: &str, places: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(object) => object.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(index, item)| (index.to_string(), item)).collect(),
        _ => Vec::new(),
    };
    for (key, child) in children {
        let place = format!("{place}/{key}");
        walk(child, &place, places);
        places.push(place);
    }
}

fn with(good: &Value, place: &str, value: Option<&Value>) -> Value {
    let mut document = good.clone();
    let (parent, key) = place.rsplit_once('/').expect("a place");
    match document.pointer_mut(parent).expect("a parent") {
        Value::Object(object) => {
            object.remove(key);
            object.extend(value.map(|value| (key.to_owned(), value.clone())));
        }
        Value::Array(items) => {
            let index: usize = key.parse().expect("index");
            items.remove(index);
            items.splice(index..index, value.cloned());
        }
        _ => unreachable!("places have parents"),
    }
    document
}

/// All cases of a kind.
pub fn cases(kind: &str) -> Vec<Case> {
    let good = good(kind);
    let mut cases = vec![Case { what: "nothing".to_owned(), text: good.to_string() }];
    let anything = anything();
    for place in places(&good) {
        cases.push(Case { what: format!("{place} left out"), text: with(&good, &place, None).to_string() });
        let times = match place.as_str() {
            "/issued_at" | "/occurred_at" | "/delivered_at" | "/at" | "/refunded_at" | "/voided_at" => instants(),
            "/birthday" | "/day" => days(),
            // Of so many a few, elsewhere.
            _ => instants().into_iter().step_by(9).chain(days().into_iter().step_by(31)).collect(),
        };
        let times: Vec<Value> = times.into_iter().map(Value::from).collect();
        cases.extend(
            anything
                .iter()
                .chain(&times)
                .map(|value| Case { what: format!("{place} = {value:.60}"), text: with(&good, &place, Some(value)).to_string() }),
        );
    }
    // Each key of the customer alone, so that it alone decides.
    let keys = [("phone", phones()), ("vin", vins()), ("plate", plates()), ("member_no", [" ", "1", "1 "].map(str::to_owned).into())];
    for (key, spellings) in keys.into_iter().filter(|_| good.get("customer").is_some()) {
        for spelling in spellings {
            let document = with(&good, "/customer", Some(&json!({ key: spelling, "unknown": "1" })));
            cases.push(Case { what: format!("only {key} = {spelling:?}"), text: document.to_string() });
        }
    }
    if kind == "invoice" {
        cases.extend(lists());
    }
    cases.extend(envelopes(&good));
    cases
}

fn lists() -> Vec<Case> {
    let lines = |count: u32| {
        let line = |number| json!({ "line": number, "category": "repair", "payer": "customer", "amount": "1" });
        with(&good("invoice"), "/lines", Some(&(1..=count).map(line).collect())).to_string()
    };
    let reductions = |count: usize| {
        with(&good("invoice"), "/reductions", Some(&json!(vec![json!({ "kind": "rounding", "amount": "0.01" }); count]))).to_string()
    };
    let mut cases: Vec<Case> = [0, 1, 499, 500, 501].map(|count| Case { what: format!("{count} lines"), text: lines(count) }).into();
    cases.extend([0, 500, 501].map(|count| Case { what: format!("{count} reductions"), text: reductions(count) }));
    cases
}

fn envelopes(good: &Value) -> Vec<Case> {
    let envelope = |what: &str, value: Value| Case { what: format!("an envelope, {what}"), text: value.to_string() };
    let mut cases = vec![
        envelope("good", json!({ "specversion": "1.0", "id": "x", "data": good })),
        envelope("with other attributes", json!({ "specversion": "1.0", "id": "x", "type": 5, "traceparent": null, "data": good })),
        envelope("data wrong", json!({ "specversion": "1.0", "id": "x", "data": with(good, "/store", None) })),
        envelope("data missing", json!({ "specversion": "1.0", "id": "x" })),
        envelope("data null", json!({ "specversion": "1.0", "id": "x", "data": null })),
        envelope("data a list", json!({ "specversion": "1.0", "id": "x", "data": [] })),
        envelope("id missing", json!({ "specversion": "1.0", "data": good })),
    ];
    for id in
        [json!(""), json!(" "), json!(7), json!(null), json!("号".repeat(256)), json!("号".repeat(257)), json!("a\u{0}"), json!("a\u{9f}")]
    {
        cases.push(envelope(&format!("id {id:.20}"), json!({ "specversion": "1.0", "id": id, "data": good })));
    }
    for version in [json!("1.1"), json!("0.3"), json!(1.0), json!(null), json!("")] {
        cases.push(envelope(&format!("specversion {version}"), json!({ "specversion": version, "id": "x", "data": good })));
    }
    let mut both = good.clone();
    both["specversion"] = json!("1.0");
    cases.push(envelope("on the bare object", both));
    cases.extend(
        ["[]", "null", "\"text\"", "5", "true", "{}"].map(|text| Case { what: format!("no document: {text}"), text: text.to_owned() }),
    );
    cases
}

/// What no JSON Schema can say: the reader refuses, the schema accepts. Each with its reason; anything else on which the
/// two differ is a fault of one of them.
pub fn beyond_a_schema() -> Vec<(&'static str, Case)> {
    let case = |what: &str, text: String| Case { what: what.to_owned(), text };
    let good = good("invoice");
    let twice = with(&good, "/lines/1/line", Some(&json!(1))).to_string();
    let itself = with(&good, "/replaces", Some(&json!("R20261001-0007"))).to_string();
    let more = with(&good, "/lines/1/amount", Some(&json!("499.99"))).to_string();
    let numbers = |written: &str| good.to_string().replace("30210", written);
    let large = with(&good, "/unknown", Some(&json!("x".repeat(256 * 1024)))).to_string();
    vec![
        ("items of a list can't be compared with each other", case("a line's number twice", twice)),
        ("two fields can't be compared with each other", case("a principal above its line's amount", more)),
        ("two fields can't be compared with each other", case("a bill that replaces itself", itself)),
        ("1.0 is a whole number to a schema; the reader wants it written as one", case("30210.0", numbers("30210.0"))),
        ("1e3 is a whole number to a schema; the reader wants it written as one", case("3e4", numbers("3e4"))),
        ("a schema doesn't see the message's size", case("more than 256 KiB", large)),
    ]
}
