//! Who says what must be taken: the published schema, and the few rules that no schema can say. Nothing of the reader's.

use std::collections::BTreeSet;

use jifen_contracts::catalogue::Message;
use serde_json::Value;

/// Documents may be so large.
const MAX_BYTES: usize = 256 * 1024;

/// Judges messages of one kind.
#[derive(Debug)]
pub struct Judge {
    schema: jsonschema::Validator,
}

impl Judge {
    /// As any implementation would that has the published schema.
    pub fn of_document(message: &Message) -> Self {
        Self { schema: jsonschema::draft202012::new(&message.schema()).expect("a schema") }
    }

    /// The same, where formats (dates, instants, ids) bind, too.
    pub fn with_formats(message: &Message) -> Self {
        let options = jsonschema::draft202012::options().should_validate_formats(true);
        Self { schema: options.build(&message.schema()).expect("a schema") }
    }

    /// The document's data if it must be taken, else what is wrong with it.
    pub fn document(&self, bytes: &[u8]) -> Result<Value, String> {
        if bytes.len() > MAX_BYTES {
            return Err("too large".to_owned());
        }
        let mut message = Self::json(bytes)?;
        if let Some(error) = self.schema.iter_errors(&message).next() {
            return Err(format!("at {}: {}", error.instance_path(), error.masked()));
        }
        let structured = message.get("specversion").is_some();
        let data = if structured { message["data"].take() } else { message };
        // Of bills, refunds and days; other documents have none of these.
        let written_whole = |value: &Value| value.is_null() || value.is_u64();
        let lines = data["lines"].as_array().map(Vec::as_slice).unwrap_or_default();
        let alone = [&data["odometer_km"], &data["invoices"]["count"], &data["refunds"]["count"]];
        if !alone.into_iter().all(written_whole) || !lines.iter().all(|line| written_whole(&line["line"])) {
            return Err("a whole number written with a point or exponent".to_owned());
        }
        let numbers: BTreeSet<u64> = lines.iter().filter_map(|line| line["line"].as_u64()).collect();
        if numbers.len() < lines.len() {
            return Err("a line's number twice".to_owned());
        }
        if data["replaces"].is_string() && data["replaces"] == data["invoice_no"] {
            return Err("a bill that replaces itself".to_owned());
        }
        match lines.iter().find(|line| fen(&line["principal"]) > fen(&line["amount"])) {
            Some(_) => Err("a principal above its line's amount".to_owned()),
            None => Ok(data),
        }
    }

    /// Any other message that fits its schema.
    pub fn fits(&self, bytes: &[u8]) -> Result<Value, String> {
        let message = Self::json(bytes)?;
        let error = self.schema.iter_errors(&message).next().map(|error| format!("at {}: {}", error.instance_path(), error.masked()));
        error.map_or(Ok(message), Err)
    }

    /// Strict JSON in UTF-8, each key of an object once.
    fn json(bytes: &[u8]) -> Result<Value, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())?;
        let value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if a_key_twice(text) { Err("a key twice".to_owned()) } else { Ok(value) }
    }
}

/// Digits with at most two places, as fen; nothing for what is not there.
fn fen(amount: &Value) -> u64 {
    let Some((whole, places)) = amount.as_str().map(|text| text.split_once('.').unwrap_or((text, ""))) else { return 0 };
    format!("{whole}{places:0<2}").parse().unwrap_or(u64::MAX)
}

/// In a text that is JSON: does a key stand twice in an object? Counts brackets and reads texts, nothing else.
fn a_key_twice(text: &str) -> bool {
    let bytes = text.as_bytes();
    // For each open bracket the keys of its object; none for a list.
    let mut open: Vec<Option<BTreeSet<String>>> = Vec::new();
    let (mut place, mut key_next) = (0, false);
    while place < bytes.len() {
        match bytes[place] {
            b'{' => {
                open.push(Some(BTreeSet::new()));
                key_next = true;
            }
            b'[' => open.push(None),
            b'}' | b']' => drop(open.pop()),
            b',' => key_next = matches!(open.last(), Some(Some(_))),
            b':' => key_next = false,
            b'"' => {
                let start = place;
                place += 1;
                while bytes[place] != b'"' {
                    place += if bytes[place] == b'\\' { 2 } else { 1 };
                }
                if key_next && let Some(Some(keys)) = open.last_mut() {
                    let key = serde_json::from_str(&text[start..=place]).expect("a text");
                    if !keys.insert(key) {
                        return true;
                    }
                }
            }
            _ => {}
        }
        place += 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::a_key_twice;

    #[test]
    fn repeated_keys_are_found_where_they_count() {
        for text in [r#"{"a":1,"a":2}"#, r#"[1,{"x":{"a":[],"\u0061":{}}}]"#, r#"{"a":{"b":1},"c":["{"],"a":0}"#] {
            assert!(a_key_twice(text), "{text}");
        }
        for text in [r#"{"a":{"a":1}}"#, r#"[{"a":1},{"a":1}]"#, r#"{"a":"a","b":["a","a"]}"#, r#"{"a\"":1,"a":",\"a\":"}"#] {
            assert!(!a_key_twice(text), "{text}");
        }
    }
}
