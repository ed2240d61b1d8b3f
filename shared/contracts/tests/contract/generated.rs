//! `schemas/` is what the types say, and the list of messages is whole.

use std::{collections::BTreeSet, fs};

use jifen_contracts::{
    catalogue::{self, Family, catalogue},
    document::KINDS,
    subject,
};
use serde_json::Value;

use super::{schemas, validator};

#[test]
fn the_committed_files_are_the_generated_ones() {
    let files = catalogue::files();
    let advice = "run `cargo run -p jifen-contracts --example schemas` and look at the difference: a shape only changes by adding";
    for (name, text) in &files {
        let found = fs::read_to_string(schemas().join(name)).unwrap_or_default();
        assert!(found == *text, "schemas/{name} is not what the types say: {advice}");
    }
    for entry in fs::read_dir(schemas()).expect("schemas") {
        let name = entry.expect("entry").file_name().to_string_lossy().into_owned();
        assert!(name == "examples" || files.contains_key(&name), "schemas/{name} belongs to no message: {advice}");
    }
}

#[test]
fn every_schema_is_one() {
    let meta = jsonschema::draft202012::meta::validator();
    for message in catalogue() {
        let schema = message.schema();
        assert!(meta.is_valid(&schema), "{}", message.name);
        validator(&schema);
    }
}

/// The macro calls of a source file: the text between `macro!(` and the end of the call's first line that holds `needle`.
fn called(source: &str, call: &str) -> Vec<String> {
    source.split(call).skip(1).filter_map(|rest| rest.split_once(");").map(|(arguments, _)| arguments.to_owned())).collect()
}

/// The files of a module's folder and of those in it, one after the other.
fn sources(folder: &str) -> String {
    fn read(path: &std::path::Path) -> String {
        let entries = fs::read_dir(path).expect("the folder").map(|entry| entry.expect("entry").path());
        entries.map(|path| if path.is_dir() { read(&path) } else { fs::read_to_string(path).expect("source") }).collect()
    }
    read(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder))
}

#[test]
fn every_event_and_endpoint_is_in_the_list() {
    let names: BTreeSet<String> = catalogue().into_iter().map(|message| message.name).collect();
    let events = called(&sources("event"), "\nevent!(");
    assert!(events.len() > 5, "the source is read");
    for event in events {
        let words: Vec<&str> = event.split('"').collect();
        let name = format!("event.{}.{}", words[1], words[3]);
        assert!(names.contains(&name), "{name} has no line in the catalogue");
    }
    let endpoints = called(&sources("endpoint"), "\nendpoint!(");
    assert!(endpoints.len() > 5, "the source is read");
    for endpoint in endpoints {
        let subject = endpoint.split('"').find(|word| word.starts_with("api.")).expect("a subject");
        assert!(names.contains(&format!("{subject}.request")), "{subject} has no line in the catalogue");
    }
}

#[test]
fn names_and_addresses_are_in_order() {
    let all = catalogue();
    let names: BTreeSet<&str> = all.iter().map(|message| message.name.as_str()).collect();
    assert_eq!(names.len(), all.len(), "names are unique");
    for message in &all {
        let streamed = subject::stream_of(&message.address).is_some();
        let request = matches!(message.family, Family::Request | Family::Reply);
        assert_eq!(request, message.address.starts_with("api."), "{}", message.name);
        assert_eq!(!request && message.family != Family::Problem, streamed, "{} belongs to a stream", message.name);
        if message.family == Family::Document {
            let kind = message.address.rsplit('.').next().unwrap_or_default();
            assert!(KINDS.contains(&kind), "{}", message.address);
        }
    }
}

#[test]
fn asyncapi_is_whole() {
    let document = catalogue::asyncapi();
    assert_eq!(document["asyncapi"], "3.0.0");
    let files = catalogue::files();
    let mut checked = 0;
    visit(&document, &mut |reference| {
        checked += 1;
        match reference.strip_prefix('#') {
            Some(pointer) => assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere"),
            None => assert!(files.contains_key(reference.trim_start_matches("./")), "{reference} leads nowhere"),
        }
    });
    assert!(checked > 100, "{checked} references");
    let operations = document["operations"].as_object().expect("operations");
    let mut used = BTreeSet::new();
    visit(&document["channels"], &mut |reference| {
        used.insert(reference.rsplit('/').next().unwrap_or_default().to_owned());
    });
    for message in catalogue() {
        assert!(used.contains(&message.name), "{} stands in no channel", message.name);
        let operation = match message.family {
            Family::Request | Family::Reply => Some(message.address.clone()),
            Family::Problem => None,
            _ => Some(message.name.clone()),
        };
        assert!(operation.is_none_or(|operation| operations.contains_key(&operation)), "{} is in no operation", message.name);
    }
    let receives = |name: &str| operations[name]["action"] == "receive";
    assert!(receives("document.invoice") && receives("api.points.account.get") && !receives("event.points.earned"));
}

fn visit(value: &Value, seen: &mut impl FnMut(&str)) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                match value.as_str() {
                    Some(reference) if key == "$ref" => seen(reference),
                    _ => visit(value, seen),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| visit(item, seen)),
        _ => {}
    }
}
