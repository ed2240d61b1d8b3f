//! AsyncAPI 3.0: the subjects, who sends and who receives, which message stands where. `send` and `receive` are jifen's.

use serde_json::{Map, Value, json};

use super::{Family, Message, catalogue};
use crate::envelope::CONTENT_TYPE;

/// The whole document.
pub fn asyncapi() -> Value {
    let messages = catalogue();
    let (mut channels, mut operations, mut components) = (Map::new(), Map::new(), Map::new());
    for message in &messages {
        components.insert(message.name.clone(), component(message));
        match message.family {
            Family::Reply => {
                let id = channel_of(message);
                channels.insert(format!("{id}.answer"), answer_channel(message));
                operations.insert(id.clone(), request_operation(&id, message));
            }
            Family::Problem => {}
            Family::Request => {
                channels.insert(channel_of(message), channel(message));
            }
            Family::Document | Family::GatewayReceipt => {
                channels.insert(message.name.clone(), channel(message));
                operations.insert(message.name.clone(), operation("receive", message));
            }
            Family::Receipt | Family::Event | Family::Command => {
                channels.insert(message.name.clone(), channel(message));
                operations.insert(message.name.clone(), operation("send", message));
            }
        }
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "jifen wire contract",
            "version": "1.0.0",
            "description": "What stores, gateways and services say to each other over NATS. Changes only by adding.",
            "license": { "name": "Apache-2.0" }
        },
        "defaultContentType": "application/json",
        "servers": {
            "local": {
                "host": "127.0.0.1:14222",
                "protocol": "nats",
                "description": "The embedded server. Here a connection without credentials may act for the stores of the default program."
            }
        },
        "channels": channels,
        "operations": operations,
        "components": { "messages": components }
    })
}

/// The id of a request's channel: its subject.
fn channel_of(message: &Message) -> String {
    message.address.clone()
}

fn component(message: &Message) -> Value {
    let content_type = match message.family {
        Family::Receipt | Family::Event | Family::Command => CONTENT_TYPE,
        Family::Problem => "application/problem+json",
        _ => "application/json",
    };
    json!({
        "name": message.name,
        "summary": message.summary,
        "contentType": content_type,
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": { "$ref": format!("./{}.json", message.name) }
        }
    })
}

fn channel(message: &Message) -> Value {
    let mut channel = json!({
        "address": message.address,
        "description": match message.family {
            Family::Request if message.for_stores => format!("Users of stores ask at {}.<their store's code>.", message.address),
            Family::Request => "For operators and services.".to_owned(),
            _ => message.summary.to_owned(),
        },
        "messages": { "message": { "$ref": format!("#/components/messages/{}", message.name) } }
    });
    let parameters = parameters(message);
    if !parameters.is_empty() {
        channel["parameters"] = Value::Object(parameters);
    }
    channel
}

fn parameters(message: &Message) -> Map<String, Value> {
    let mut parameters = Map::new();
    if message.address.contains("{store}") {
        let text = match message.family {
            Family::Event => "The code of the store concerned, or _.",
            _ => "The store's code: [A-Z0-9][A-Z0-9_-]{0,15}.",
        };
        parameters.insert("store".to_owned(), json!({ "description": text }));
    }
    if message.address.contains("{channel}") {
        parameters
            .insert("channel".to_owned(), json!({ "description": "The way to the member.", "enum": ["sms", "wechat", "app", "email"] }));
    }
    parameters
}

/// Where answers go: the inbox that the request names.
fn answer_channel(reply: &Message) -> Value {
    json!({
        "address": null,
        "description": "The inbox named by the request.",
        "messages": {
            "reply": { "$ref": format!("#/components/messages/{}", reply.name) },
            "problem": { "$ref": "#/components/messages/problem" }
        }
    })
}

fn operation(action: &str, message: &Message) -> Value {
    json!({
        "action": action,
        "summary": message.summary,
        "channel": { "$ref": format!("#/channels/{}", message.name) },
        "messages": [{ "$ref": format!("#/channels/{}/messages/message", message.name) }]
    })
}

fn request_operation(id: &str, reply: &Message) -> Value {
    json!({
        "action": "receive",
        "summary": reply.summary,
        "channel": { "$ref": format!("#/channels/{id}") },
        "messages": [{ "$ref": format!("#/channels/{id}/messages/message") }],
        "reply": {
            "channel": { "$ref": format!("#/channels/{id}.answer") },
            "messages": [
                { "$ref": format!("#/channels/{id}.answer/messages/reply") },
                { "$ref": format!("#/channels/{id}.answer/messages/problem") }
            ]
        }
    })
}
