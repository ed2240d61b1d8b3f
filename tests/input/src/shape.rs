//! Values after a JSON Schema: every property, every alternative, with a liking for the edges. Mostly they fit it.

use serde_json::{Map, Value, json};

use crate::{Dice, spoil};

/// A value for `schema`, whose `$defs` stand in `root`.
pub fn value(dice: &mut Dice, root: &Value, schema: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let found = root.pointer(reference.trim_start_matches('#')).cloned().unwrap_or_default();
        return value(dice, root, &found);
    }
    // Bare or in an envelope: bare.
    if let Some(bare) = schema.get("else") {
        return value(dice, root, bare);
    }
    if let Some(constant) = schema.get("const") {
        return constant.clone();
    }
    for either in ["enum", "anyOf", "oneOf"] {
        if let Some(all) = schema[either].as_array() {
            let one = dice.pick(all).clone();
            return if either == "enum" { one } else { value(dice, root, &one) };
        }
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => dice.pick(kinds).clone(),
        kind => kind.clone(),
    };
    match kind.as_str() {
        Some("object") => object(dice, root, schema),
        Some("array") => (0..*dice.pick(&[0, 1, 2, 25, 1_001])).map(|_| value(dice, root, &schema["items"])).collect(),
        Some("string") => Value::String(text(
            dice,
            schema["format"].as_str(),
            schema["pattern"].as_str().is_some_and(|pattern| pattern.starts_with("^[0-9]")),
        )),
        Some("integer") => {
            json!(*dice.pick(&[0, 1, 2, 50, 200, 201, 500, 501, i64::from(i32::MAX), i64::from(u32::MAX), i64::MAX, i64::MIN, -1]))
        }
        Some("boolean") => json!(dice.chance(50)),
        Some("null") => Value::Null,
        _ => spoil::anything(dice),
    }
}

fn object(dice: &mut Dice, root: &Value, schema: &Value) -> Value {
    let mut object = Map::new();
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    for (key, property) in schema["properties"].as_object().into_iter().flatten() {
        if required.contains(&json!(key)) || dice.chance(60) {
            object.insert(key.clone(), value(dice, root, property));
        }
    }
    if schema["additionalProperties"].is_object() {
        for _ in 0..dice.place(3) {
            let key = spoil::tricky(dice);
            object.insert(key, value(dice, root, &schema["additionalProperties"]));
        }
    }
    Value::Object(object)
}

fn text(dice: &mut Dice, format: Option<&str>, is_amount: bool) -> String {
    let known: &[&str] = match format {
        Some("date") => &["2026-10-01", "2000-02-29", "1900-01-01", "0001-01-01", "9999-12-31"],
        Some("date-time") => {
            &["2026-10-01T10:00:00+08:00", "2026-10-01T02:00:00.123456789Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]
        }
        Some("uuid") => {
            &["01926a3e-5c00-7c1a-9b54-3f6a1d2e4b70", "00000000-0000-0000-0000-000000000000", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"]
        }
        None if is_amount => &["12.50", "0", "0.01", "800.00", "9999999999.99", "13800138000", "1.234"],
        // What most fields are about, so that requests get beyond the first check.
        _ => &["SH01", "M1000000008", "13800138000", "invoice", "沪A12345", "LSVAU2A37N2183294", "sms:service"],
    };
    if dice.chance(80) { (*dice.pick(known)).to_owned() } else { spoil::tricky(dice) }
}
