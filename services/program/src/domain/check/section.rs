//! A table of a file: every key is taken once, with what it must be; what is left is unknown.

use std::collections::BTreeMap;

use toml::Value;

use super::findings::Findings;

/// A table, or the keys of a file that stand in none.
#[derive(Debug)]
pub(super) struct Section {
    /// Its name; empty for the file itself.
    path: String,
    /// Where its first key stands, or its own name if it has none.
    line: u32,
    fields: BTreeMap<String, (u32, Value)>,
    lines: BTreeMap<String, u32>,
    known: Vec<&'static str>,
}

impl Section {
    pub(super) fn new(path: &str, line: u32, fields: Vec<(u32, String, Value)>) -> Self {
        let line = fields.iter().map(|field| field.0).min().unwrap_or(line);
        let lines = fields.iter().map(|(line, key, _)| (key.clone(), *line)).collect();
        let fields = fields.into_iter().map(|(line, key, value)| (key, (line, value))).collect();
        Self { path: path.to_owned(), line, fields, lines, known: Vec::new() }
    }

    /// The key as findings name it.
    pub(super) fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The line of a key, taken or not; the section's own for one that isn't there.
    pub(super) fn line(&self, key: &str) -> u32 {
        self.lines.get(key).copied().unwrap_or(self.line)
    }

    /// Takes a key that must be there.
    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        found: &mut Findings,
        convert: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        match self.read_if(key, found, convert) {
            Some(None) => {
                found.error(self.line, self.key(key), "is missing");
                None
            }
            other => other.flatten(),
        }
    }

    /// Takes a key that may be there: `None` if it is wrong.
    #[expect(clippy::option_option, reason = "wrong, absent and present are three things")]
    pub(super) fn read_if<T>(
        &mut self,
        key: &'static str,
        found: &mut Findings,
        convert: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<Option<T>> {
        self.known.push(key);
        let Some((line, value)) = self.fields.remove(key) else { return Some(None) };
        match convert(&value) {
            Ok(value) => Some(Some(value)),
            Err(message) => {
                found.error(line, self.key(key), message);
                None
            }
        }
    }

    /// The key stands there, taken or not.
    pub(super) fn has(&self, key: &str) -> bool {
        self.lines.contains_key(key)
    }

    /// An error at a key that was read.
    pub(super) fn error(&self, key: &str, found: &mut Findings, message: impl Into<String>) {
        found.error(self.line(key), self.key(key), message);
    }

    /// A warning at a key that was read.
    pub(super) fn warning(&self, key: &str, found: &mut Findings, message: impl Into<String>) {
        found.warning(self.line(key), self.key(key), message);
    }

    /// Takes all keys, whatever their names: line, key, value.
    pub(super) fn take_all(&mut self) -> Vec<(u32, String, Value)> {
        std::mem::take(&mut self.fields).into_iter().map(|(key, (line, value))| (line, key, value)).collect()
    }

    /// Forgets a key: its line if it was there.
    pub(super) fn drop(&mut self, key: &str) -> Option<u32> {
        self.fields.remove(key).map(|(line, _)| line)
    }

    pub(super) fn known(&self) -> Vec<&'static str> {
        self.known.clone()
    }

    /// What nobody took.
    pub(super) fn rest(self) -> impl Iterator<Item = (u32, String)> {
        self.fields.into_iter().map(|(key, (line, _))| (line, key))
    }

    /// What nobody took is unknown.
    pub(super) fn finish(self, found: &mut Findings) {
        let (path, known) = (self.path.clone(), self.known.join(", "));
        for (line, key) in self.rest() {
            found.error(line, format!("{path}.{key}"), format!("unknown key: {path} has {known}"));
        }
    }
}
