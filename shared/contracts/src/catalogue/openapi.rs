//! OpenAPI 3.1: the HTTP door, for whoever has no NATS client. The same documents and receipts, so the schemas are the same.

use serde_json::{Map, Value, json};

use super::{Family, Message, catalogue};

/// The whole document.
pub fn openapi() -> Value {
    let messages = catalogue();
    let mut paths: Map<String, Value> = messages.iter().filter(|message| message.family == Family::Document).map(path).collect();
    paths.insert("/v1/documents/{kind}/{number}".to_owned(), status_path());
    let embedded = ["receipt", "problem", "api.ingest.document.status.reply"];
    let of_documents = messages.iter().filter(|message| message.family == Family::Document || embedded.contains(&message.name.as_str()));
    let schemas: Map<String, Value> = of_documents.map(|message| (message.name.clone(), component(message))).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "jifen HTTP door",
            "version": "1.0.0",
            "description": "Documents of stores by HTTP instead of NATS: the same content, the same receipts. One token a store. Changes only by adding.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" }
        },
        "servers": [{ "url": "http://127.0.0.1:18080" }],
        "security": [{ "store": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "store": { "type": "http", "scheme": "bearer", "description": "`jifen store credentials CODE` prints it." }
            },
            "schemas": schemas
        }
    })
}

fn component(message: &Message) -> Value {
    let mut schema = message.schema();
    if message.name == "receipt" {
        // The content alone: HTTP needs no envelope around it.
        schema = json!({ "$ref": "#/$defs/Receipt", "$defs": schema["$defs"].take() });
    }
    let place = format!("#/components/schemas/{}/$defs/", message.name);
    moved(&mut schema, &place);
    schema
}

/// References into a schema's own definitions, as they read inside the whole document.
fn moved(value: &mut Value, place: &str) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                match value {
                    Value::String(text) if key == "$ref" => {
                        if let Some(name) = text.strip_prefix("#/$defs/") {
                            *text = format!("{place}{name}");
                        }
                    }
                    other => moved(other, place),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| moved(item, place)),
        _ => {}
    }
}

fn schema_of(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn problem(description: &str) -> Value {
    json!({ "description": description, "content": { "application/problem+json": { "schema": schema_of("problem") } } })
}

fn path(message: &Message) -> (String, Value) {
    let kind = message.address.rsplit('.').next().unwrap_or_default();
    let receipt =
        |description: &str| json!({ "description": description, "content": { "application/json": { "schema": schema_of("receipt") } } });
    let operation = json!({
        "operationId": format!("submit_{kind}"),
        "summary": message.summary,
        "parameters": [{
            "name": "Idempotency-Key", "in": "header", "required": false, "schema": { "type": "string", "minLength": 1, "maxLength": 128 },
            "description": "Becomes the CloudEvent's id. The same key with the same content gets the same answer; with other content 422. Without one the document's own identity (store, kind, number) keeps it from counting twice."
        }],
        "requestBody": {
            "required": true,
            "description": "At most 256 KiB.",
            "content": {
                "application/json": { "schema": schema_of(&message.name) },
                "application/cloudevents+json": { "schema": schema_of(&message.name) }
            }
        },
        "responses": {
            "200": receipt("Accepted, or a duplicate of what was accepted: it counts once."),
            "202": {
                "description": "The document is safe. It waits for its customer (`parked`: the receipt), or its receipt is late (`pending`): ask at Location.",
                "headers": { "Location": { "schema": { "type": "string" } } },
                "content": { "application/json": { "schema": { "anyOf": [schema_of("receipt"), pending()] } } }
            },
            "400": problem("Not JSON, or a wrong header."),
            "401": problem("The token is missing or wrong."),
            "403": problem("The token is another store's."),
            "404": problem("There is no such kind."),
            "408": problem("The body came too slowly."),
            "413": problem("Larger than 256 KiB."),
            "415": problem("Neither application/json nor application/cloudevents+json."),
            "422": problem("The document is refused: `code` says why, `pointer` where. Or the key was used for other content."),
            "429": problem("Too many requests of this store are under way: see Retry-After."),
            "503": problem("The document could not be delivered and was not taken: see Retry-After.")
        }
    });
    (format!("/v1/documents/{kind}"), json!({ "post": operation }))
}

fn pending() -> Value {
    json!({
        "type": "object", "required": ["status", "kind"],
        "properties": { "status": { "const": "pending" }, "kind": { "type": "string" }, "document": { "type": ["string", "null"] } }
    })
}

fn status_path() -> Value {
    let text = |name: &str| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } });
    let refused = json!({
        "type": "object", "required": ["status", "code"],
        "properties": { "status": { "const": "rejected" }, "code": { "type": "string" }, "pointer": { "type": ["string", "null"] }, "received_at": { "type": "string" } }
    });
    let schema = json!({ "anyOf": [schema_of("api.ingest.document.status.reply"), refused] });
    json!({ "get": {
        "operationId": "document_status",
        "summary": "What became of a document of the token's store?",
        "parameters": [text("kind"), text("number")],
        "responses": {
            "200": { "description": "Accepted, parked, lapsed or rejected.", "content": { "application/json": { "schema": schema } } },
            "401": problem("The token is missing or wrong."),
            "404": problem("There is no such kind, or no such document yet."),
            "429": problem("Too many requests of this store are under way: see Retry-After."),
            "503": problem("Nobody can answer now: see Retry-After.")
        }
    } })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every reference, wherever it stands.
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                for (key, value) in object {
                    if let (true, Some(text)) = (key == "$ref", value.as_str()) {
                        found.push(text.to_owned());
                    }
                    references(value, found);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_document_has_a_path() {
        let document = openapi();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 20, "{found:?}");
        for reference in found {
            let pointer = reference.strip_prefix('#').expect("inside the document");
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
        for message in catalogue().iter().filter(|message| message.family == Family::Document) {
            let kind = message.address.rsplit('.').next().expect("a kind");
            assert!(document["paths"].get(format!("/v1/documents/{kind}")).is_some(), "{kind}");
        }
    }
}
