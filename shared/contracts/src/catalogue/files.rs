//! The generated files: byte for byte the same on every machine.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Message, asyncapi::asyncapi, catalogue, openapi::openapi};

/// What belongs into `schemas/`, by file name.
pub fn files() -> BTreeMap<String, String> {
    let mut files: BTreeMap<String, String> =
        catalogue().iter().map(|message| (format!("{}.json", message.name), print(schema_file(message)))).collect();
    files.insert("asyncapi.json".to_owned(), print(asyncapi()));
    files.insert("openapi.json".to_owned(), print(openapi()));
    files
}

fn schema_file(message: &Message) -> Value {
    let mut schema = message.schema();
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["$id"] = json!(format!("urn:jifen:schema:v1:{}", message.name));
    schema["title"] = json!(message.name);
    if schema.get("description").is_none() {
        schema["description"] = json!(message.summary);
    }
    schema
}

/// Keys in order, whatever order the map of this build keeps, and a line break at the end.
fn print(value: Value) -> String {
    // An object of texts and lists of texts always prints.
    let text = serde_json::to_string_pretty(&sorted(value)).unwrap_or_default();
    format!("{text}\n")
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let by_key: BTreeMap<String, Value> = object.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            Value::Object(by_key.into_iter().collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}
