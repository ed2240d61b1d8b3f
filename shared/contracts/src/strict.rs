//! What comes from outside, as JSON that says one thing: an object, in UTF-8, in which each key stands once.
//!
//! Of two equal keys, parsers take the first, the last or both. A bill whose amount stands twice says two things, and what
//! a till has signed may not be what we post: it is refused. So is a list where an object belongs, which a derived reader
//! would take for the object's fields in their order.

use std::fmt;

use jifen_kernel::Money;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Why bytes are no such object. Quotes nothing of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoObject {
    /// From this byte on.
    #[error("not UTF-8 at byte {0}")]
    NotUtf8(usize),
    /// At this line and column.
    #[error("not valid JSON at line {0} column {1}")]
    NotJson(usize, usize),
    /// At this line and column.
    #[error("a key stands twice in its object at line {0} column {1}")]
    KeyTwice(usize, usize),
    /// A list, a text, a number.
    #[error("not a JSON object")]
    AnotherType,
}

/// Reads an object; nothing may follow.
pub fn object(bytes: &[u8]) -> Result<Map<String, Value>, NoObject> {
    let text = std::str::from_utf8(bytes).map_err(|e| NoObject::NotUtf8(e.valid_up_to()))?;
    match parse(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(NoObject::AnotherType),
        // The parser itself finds wrong data only where our own visitor says so.
        Err(e) if e.is_data() => Err(NoObject::KeyTwice(e.line(), e.column())),
        Err(e) => Err(NoObject::NotJson(e.line(), e.column())),
    }
}

/// For a field: a list of objects, each of them written as one.
pub(crate) fn objects<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Vec<T>, D::Error> {
    let objects = Vec::<Map<String, Value>>::deserialize(from)?;
    objects.into_iter().map(|object| serde_json::from_value(Value::Object(object)).map_err(D::Error::custom)).collect()
}

/// For a field: an object written as one, not as the list of its values.
pub(crate) fn one_object<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<T, D::Error> {
    let object = Map::<String, Value>::deserialize(from)?;
    serde_json::from_value(Value::Object(object)).map_err(D::Error::custom)
}

/// For a field: an amount as a document may have it; sums elsewhere may be longer.
pub(crate) fn amount<'de, D: Deserializer<'de>>(from: D) -> Result<Money, D::Error> {
    Money::try_new(&String::deserialize(from)?).map_err(D::Error::custom)
}

/// The same where there may be none.
pub(crate) fn optional_amount<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Money>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    text.map(|text| Money::try_new(&text).map_err(D::Error::custom)).transpose()
}

fn parse(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str::<Strict>(text).map(|strict| strict.0)
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any).map(Self)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((key, Strict(value))) = entries.next_entry::<String, Strict>()? {
            if object.insert(key, value).is_some() {
                return Err(A::Error::custom("a key stands twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_once_is_read_as_anywhere() {
        let text = r#" {"a":[1,-2,3.5,18446744073709551615,null,true,"\ud83d\ude97"],"b":{"a":{}},"":""} "#;
        assert_eq!(parse(text).expect("json"), serde_json::from_str::<Value>(text).expect("json"));
    }

    #[test]
    fn a_key_that_stands_twice_is_refused_however_it_is_written() {
        for text in [r#"{"a":1,"a":1}"#, r#"{"a":1,"\u0061":2}"#, r#"[{"b":{"c":0,"d":1,"c":2}}]"#] {
            assert!(parse(text).is_err_and(|error| error.is_data()), "{text}");
        }
    }

    #[test]
    fn what_is_no_object_says_why() {
        let why = |bytes: &[u8]| object(bytes).expect_err("no object");
        assert_eq!(why(b"{\"a\":\"\xff\"}"), NoObject::NotUtf8(6));
        assert_eq!(why(b"{"), NoObject::NotJson(1, 1));
        assert_eq!(why(b"[]"), NoObject::AnotherType);
        assert!(matches!(why(br#"{"a":1,"a":1}"#), NoObject::KeyTwice(1, _)));
    }

    /// The parser's own way to carry raw text through is no way around the reader.
    #[test]
    fn no_key_is_magic() {
        let text = r#"{"$serde_json::private::RawValue":"{\"a\":1}"}"#;
        assert_eq!(parse(text).expect("json")["a"], Value::Null);
    }
}
