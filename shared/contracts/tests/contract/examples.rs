//! The examples are written by hand, once, and must decode for ever.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use jifen_contracts::catalogue::{Family, Message, catalogue};
use serde_json::Value;

use super::{schemas, validator};

/// File name (`<message>[--<what>].json`) and text.
fn examples() -> BTreeMap<String, String> {
    let entries = fs::read_dir(schemas().join("examples")).expect("schemas/examples");
    let read = |entry: fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        (name, fs::read_to_string(entry.path()).expect("text"))
    };
    entries.map(|entry| read(entry.expect("entry"))).collect()
}

fn message_of<'a>(messages: &'a [Message], file: &str) -> &'a Message {
    let stem = file.strip_suffix(".json").unwrap_or_else(|| panic!("schemas/examples/{file} is no JSON file"));
    let name = stem.split("--").next().unwrap_or_default();
    messages.iter().find(|message| message.name == name).unwrap_or_else(|| panic!("schemas/examples/{file} is of no message"))
}

/// Without nulls, which say no more than a missing field.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(object) => Value::Object(
            object.into_iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key, without_nulls(value))).collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

#[test]
fn every_example_decodes_and_fits_its_schema() {
    let messages = catalogue();
    for (file, text) in examples() {
        let message = message_of(&messages, &file);
        let example: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        let understood = message.decode(text.as_bytes()).unwrap_or_else(|error| panic!("{file} does not decode: {error}"));
        if let Err(error) = validator(&message.schema()).validate(&example) {
            panic!("{file} does not fit its schema at {}: {error}", error.instance_path());
        }
        // What jifen says is said in full: a field that the types drop would be a field nobody can rely on.
        if !matches!(message.family, Family::Document | Family::GatewayReceipt | Family::Request) {
            assert_eq!(without_nulls(understood), without_nulls(example), "{file}: the types understand something else");
        }
    }
}

#[test]
fn every_message_has_an_example() {
    let messages = catalogue();
    let shown: BTreeSet<String> = examples().keys().map(|file| message_of(&messages, file).name.clone()).collect();
    let missing: Vec<&str> = messages.iter().map(|message| message.name.as_str()).filter(|name| !shown.contains(*name)).collect();
    assert!(missing.is_empty(), "no example of {missing:?}");
}

#[test]
fn a_wrong_message_is_found() {
    let messages = catalogue();
    let examples = examples();
    let earned = messages.iter().find(|message| message.name == "event.points.earned").expect("message");
    let other = &examples["event.points.accrual_settled.json"];
    assert!(earned.decode(other.as_bytes()).is_err());
    assert!(!validator(&earned.schema()).is_valid(&serde_json::from_str(other).expect("json")));
}
