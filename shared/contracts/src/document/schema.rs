//! What a store's document looks like, as JSON Schema: the same limits that the reader enforces, said as patterns. A test
//! holds both against one corpus; change neither without the other.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::reader::{MAX_CODE_CHARS, MAX_CONSENTS, MAX_LINES, MAX_NAME_CHARS, MAX_TEXT_CHARS};

/// Control characters (Unicode Cc).
const CONTROL: &str = r"\u0000-\u001f\u007f-\u009f";
/// White space that is no control character.
const BLANK: &str = r"\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000";
/// A text of white space only: DMS exports fill what they don't know with it.
const UNFILLED: &str = r"^[\u0009-\u000d\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*$";

fn short_pattern() -> String {
    format!("^[^{CONTROL}{BLANK}](?:[^{CONTROL}]*[^{CONTROL}{BLANK}])?$")
}

/// The leap years of one century that begins with none, and of one that begins with one.
const LEAP: &str = "(?:0[48]|[2468][048]|[13579][26])";
const LEAP_2000: &str = "(?:[02468][048]|[13579][26])";

/// A day that exists, in a year of `any_year` or a leap year of `leap_year`.
fn day_pattern(any_year: &str, leap_year: &str) -> String {
    let long = "(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])";
    let short = "(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)";
    let february = "02-(?:0[1-9]|1[0-9]|2[0-8])";
    format!("(?:{any_year}-(?:{long}|{short}|{february})|{leap_year}-02-29)")
}

/// RFC 3339 with its offset, a day that exists, from 2000 to 2199.
fn instant_pattern() -> String {
    let day = day_pattern("(?:20|21)[0-9]{2}", &format!("(?:20{LEAP_2000}|21{LEAP})"));
    let hour_minute = "(?:[01][0-9]|2[0-3]):[0-5][0-9]";
    format!(r"^{day}[Tt ]{hour_minute}:(?:[0-5][0-9]|60)(?:\.[0-9]+)?(?:[Zz]|[+\-\u2212]{hour_minute})$")
}

/// Lets `null` stand for "not given".
fn or_null(mut schema: Schema) -> Schema {
    if let Some(kind) = schema.remove("type") {
        schema.insert("type".to_owned(), json!([kind, "null"]));
    }
    schema
}

/// A number or code: 1 to 64 characters without control characters and outer blanks.
pub(super) fn short(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "maxLength": MAX_CODE_CHARS, "pattern": short_pattern() })
}

/// The same, if given.
pub(super) fn optional_short(generator: &mut SchemaGenerator) -> Schema {
    or_null(short(generator))
}

/// A text of at most 1000 characters, if given.
pub(super) fn optional_long(_: &mut SchemaGenerator) -> Schema {
    or_null(json_schema!({ "type": "string", "maxLength": MAX_TEXT_CHARS, "pattern": r"^[^\u0000]*$" }))
}

/// An instant with its offset.
pub(super) fn instant(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": instant_pattern() })
}

/// A day of the calendar from 1900 to 2199.
pub(super) fn day(_: &mut SchemaGenerator) -> Schema {
    let day = day_pattern("(?:19|20|21)[0-9]{2}", &format!("(?:20{LEAP_2000}|(?:19|21){LEAP})"));
    json_schema!({ "type": "string", "pattern": format!("^{day}$") })
}

/// The same, if given.
pub(super) fn optional_day(generator: &mut SchemaGenerator) -> Schema {
    or_null(day(generator))
}

/// A number or code, empty, or not given.
pub(super) fn filled_short(generator: &mut SchemaGenerator) -> Schema {
    key_of(short(generator))
}

/// A person's name: 1 to 64 characters without control characters, not only blanks.
pub(super) fn name(_: &mut SchemaGenerator) -> Schema {
    let pattern = format!("^[^{CONTROL}]*[^{CONTROL}{BLANK}][^{CONTROL}]*$");
    json_schema!({ "type": "string", "maxLength": MAX_NAME_CHARS, "pattern": pattern })
}

/// True or false, if given.
pub(super) fn optional_flag(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["boolean", "null"] })
}

/// `<channel>:<purpose>`, several, if given.
pub(super) fn consents(_: &mut SchemaGenerator) -> Schema {
    let consent = json!({ "type": "string", "pattern": "^[a-z]{1,16}:[a-z]{1,16}$" });
    json_schema!({ "type": ["array", "null"], "items": consent, "maxItems": MAX_CONSENTS })
}

/// A partner's code.
pub(super) fn partner(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,31}$" })
}

/// `CNY`, also if not given.
pub(super) fn currency(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": ["CNY", null] })
}

/// A list of at most 500, if given.
pub(super) fn optional_list<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["array", "null"], "items": generator.subschema_for::<T>(), "maxItems": MAX_LINES })
}

/// A key of the customer: right, empty, or not given.
pub(super) fn key<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    key_of(generator.subschema_for::<T>())
}

/// The same for the member number.
pub(super) fn member_no(generator: &mut SchemaGenerator) -> Schema {
    filled_short(generator)
}

fn key_of(filled: Schema) -> Schema {
    json_schema!({ "anyOf": [filled, { "type": "string", "pattern": UNFILLED }, { "type": "null" }] })
}

/// At least one key is filled.
pub(super) fn customer(schema: &mut Schema) {
    one_filled(schema, &["member_no", "phone", "vin", "plate"]);
}

/// The same for who buys a car.
pub(super) fn buyer(schema: &mut Schema) {
    one_filled(schema, &["member_no", "phone"]);
}

/// Of these keys at least one is filled: for each key the first of its alternatives.
fn one_filled(schema: &mut Schema, keys: &[&str]) {
    let filled = |key: &str| schema.pointer(&format!("/properties/{key}/anyOf/0")).cloned();
    let one_of_them: Vec<Value> =
        keys.iter().filter_map(|key| Some(json!({ "required": [key], "properties": { *key: filled(key)? } }))).collect();
    schema.insert("anyOf".to_owned(), Value::Array(one_of_them));
}

/// A message as a store sends it: a CloudEvent if its object has `specversion`, else the bare data of definition `data`.
pub(crate) fn bare_or_structured(data: &str) -> Value {
    json!({
        "type": "object",
        "if": { "required": ["specversion"] },
        "then": {
            "required": ["specversion", "id", "data"],
            "properties": {
                "specversion": { "const": "1.0" },
                "id": { "type": "string", "minLength": 1, "maxLength": 256, "pattern": format!("^[^{CONTROL}]*$"), "description": "Repeated in the receipt." },
                "type": { "description": "Not needed: the subject gives the kind." },
                "traceparent": { "description": "W3C trace context: the trace goes on from here." },
                "data": { "$ref": format!("#/$defs/{data}") }
            }
        },
        "else": { "$ref": format!("#/$defs/{data}") }
    })
}
