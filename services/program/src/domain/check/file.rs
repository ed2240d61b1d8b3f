//! A TOML file with the line of every key.

use std::{collections::BTreeMap, fmt};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use toml::{Spanned, Value};

use super::{findings::Findings, section::Section};

/// A file: its own keys, its tables (`[rates]`), its lists of tables (`[[store]]`).
#[derive(Debug)]
pub(super) struct File {
    /// The keys above the first table.
    pub(super) top: Section,
    tables: BTreeMap<String, (u32, Section)>,
    lists: BTreeMap<String, (u32, Vec<Section>)>,
    known: Vec<&'static str>,
}

impl File {
    /// Reads TOML; a finding says where it is none.
    pub(super) fn parse(content: &str, found: &mut Findings) -> Option<Self> {
        // Where lines end, so that the line of a key is looked up: a table of holidays has hundreds of keys.
        let ends: Vec<usize> = content.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect();
        let line = |offset: usize| 1 + u32::try_from(ends.partition_point(|end| *end < offset)).unwrap_or(u32::MAX - 1);
        let Raw(items) = match toml::from_str(content) {
            Ok(raw) => raw,
            Err(error) => {
                let at = error.span().map_or(0, |span| line(span.start));
                // Proper TOML that isn't read here is a date beside the keys: TOML keeps those apart from all other values.
                let proper = content.parse::<toml::Table>().is_ok();
                let why =
                    if proper { "a date can't stand here".to_owned() } else { format!("not valid TOML: {}", one_line(error.message())) };
                found.error(at, "", why);
                return None;
            }
        };
        let section = |path: &str, at: u32, fields: Vec<(Spanned<String>, Value)>| {
            let fields = fields.into_iter().map(|(key, value)| (line(key.span().start), key.into_inner(), value));
            Section::new(path, at, fields.collect())
        };
        let (mut top, mut tables, mut lists) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        for (key, item) in items {
            let (at, key) = (line(key.span().start), key.into_inner());
            match item {
                Item::Value(value) => top.push((at, key, value)),
                Item::Table(fields) => {
                    tables.insert(key.clone(), (at, section(&key, at, fields)));
                }
                Item::List(list) => {
                    lists.insert(key.clone(), (at, list.into_iter().map(|fields| section(&key, at, fields)).collect()));
                }
            }
        }
        Some(Self { top: Section::new("", 0, top), tables, lists, known: Vec::new() })
    }

    /// The table of this name, which must be there.
    pub(super) fn table(&mut self, name: &'static str, found: &mut Findings) -> Option<Section> {
        self.known.push(name);
        if let Some((_, table)) = self.tables.remove(name) {
            return Some(table);
        }
        let at = self.drop_otherwise(name);
        let message = if at == 0 { format!("is missing: write a table [{name}]") } else { format!("must be a table [{name}]") };
        found.error(at, name, message);
        None
    }

    /// The table of this name, if it is there.
    pub(super) fn table_if(&mut self, name: &'static str, found: &mut Findings) -> Option<Section> {
        self.known.push(name);
        if let Some((_, table)) = self.tables.remove(name) {
            return Some(table);
        }
        let at = self.drop_otherwise(name);
        if at > 0 {
            found.error(at, name, format!("must be a table [{name}]"));
        }
        None
    }

    /// The tables `[[name]]`, at least one of them if `required`.
    pub(super) fn list(&mut self, name: &'static str, required: bool, found: &mut Findings) -> Option<Vec<Section>> {
        self.known.push(name);
        if let Some((_, list)) = self.lists.remove(name) {
            return Some(list);
        }
        let at = self.drop_otherwise(name);
        if at > 0 {
            found.error(at, name, format!("must be written as tables [[{name}]], one for each"));
            None
        } else if required {
            found.error(0, name, format!("is missing: write at least one table [[{name}]]"));
            None
        } else {
            Some(Vec::new())
        }
    }

    /// A key that stands there in another form than it should: its line, 0 if it doesn't.
    fn drop_otherwise(&mut self, name: &str) -> u32 {
        let other = self.tables.remove(name).map(|(at, _)| at).or_else(|| self.lists.remove(name).map(|(at, _)| at));
        other.or_else(|| self.top.drop(name)).unwrap_or(0)
    }

    /// What nobody asked for is unknown.
    pub(super) fn finish(self, found: &mut Findings) {
        let known = self.top.known().into_iter().chain(self.known).collect::<Vec<_>>().join(", ");
        let others = self.tables.into_iter().map(|(key, (at, _))| (at, key)).chain(self.lists.into_iter().map(|(key, (at, _))| (at, key)));
        for (at, key) in others.chain(self.top.rest()) {
            found.error(at, key, format!("unknown key: this file has {known}"));
        }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The whole file, keys in any order.
struct Raw(Vec<(Spanned<String>, Item)>);

type Fields = Vec<(Spanned<String>, Value)>;

/// What stands behind a key of the file.
enum Item {
    Value(Value),
    Table(Fields),
    List(Vec<Fields>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Raw;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("keys and values")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = map.next_entry()? {
                    items.push(item);
                }
                Ok(Raw(items))
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

/// Only a table, else its value: elements of a list.
enum Element {
    Table(Fields),
    Value(Value),
}

macro_rules! visit_scalars {
    ($wrap:expr) => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a value")
        }
        fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
            Ok($wrap(Value::Boolean(value)))
        }
        fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
            Ok($wrap(Value::Integer(value)))
        }
        fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
            Ok($wrap(Value::Float(value)))
        }
        fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
            Ok($wrap(Value::String(value.to_owned())))
        }
    };
}

fn fields<'de, A: MapAccess<'de>>(mut map: A) -> Result<Fields, A::Error> {
    let mut fields = Fields::new();
    while let Some(field) = map.next_entry()? {
        fields.push(field);
    }
    Ok(fields)
}

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct One;
        impl<'de> Visitor<'de> for One {
            type Value = Element;
            visit_scalars!(Element::Value);
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Element, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = seq.next_element()? {
                    values.push(value);
                }
                Ok(Element::Value(Value::Array(values)))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Element, A::Error> {
                fields(map).map(Element::Table)
            }
        }
        deserializer.deserialize_any(One)
    }
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Item;
            visit_scalars!(Item::Value);
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Item, A::Error> {
                let (mut tables, mut values) = (Vec::new(), Vec::new());
                while let Some(element) = seq.next_element()? {
                    match element {
                        Element::Table(fields) => tables.push(fields),
                        Element::Value(value) => values.push(value),
                    }
                }
                // A mixture is no list of tables; which values it held makes no difference to that.
                Ok(if values.is_empty() && !tables.is_empty() { Item::List(tables) } else { Item::Value(Value::Array(values)) })
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Item, A::Error> {
                fields(map).map(Item::Table)
            }
        }
        deserializer.deserialize_any(Any)
    }
}
