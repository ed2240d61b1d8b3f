//! Documents by hand, in `corpus/*.json`: what was met, or thought of, each with what must become of it. A case is
//! `corpus/bill.json`, or a document of `corpus/of/`, with one change; add a line where you find another.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};

/// A case as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What is special.
    pub what: String,
    /// Where it is published.
    #[serde(default = "here")]
    pub subject: String,
    /// It is no bill but a document of this kind.
    #[serde(default)]
    of: Option<String>,
    /// Values by JSON pointer, put into the bill.
    #[serde(default)]
    set: BTreeMap<String, Value>,
    /// Places taken out of the bill.
    #[serde(default)]
    remove: Vec<String>,
    /// The bill is wrapped into this envelope as its `data`.
    #[serde(default)]
    envelope: Option<Value>,
    /// In the bill's text, the first for the second.
    #[serde(default)]
    replace: Option<(String, String)>,
    /// A text instead of the bill.
    #[serde(default)]
    text: Option<String>,
    /// Bytes instead of the bill, hex.
    #[serde(default)]
    hex: Option<String>,
    /// Filled up with blanks to so many bytes.
    #[serde(default)]
    pad: usize,
    /// The code of its receipt; `document.parked` for a good one, whose customer nobody knows, `document.awaits_invoice`
    /// for what corrects no bill that is known.
    pub expect: String,
    /// Where the receipt points to.
    #[serde(default)]
    pub at: Option<String>,
}

fn here() -> String {
    "pos.v1.SH01.invoice".to_owned()
}

impl Case {
    /// What is published; `number` is the bill's unless the case has one of its own.
    pub fn bytes(&self, number: &str) -> Vec<u8> {
        if let Some(hex) = &self.hex {
            return hex::decode(hex).expect("hex");
        }
        let mut bytes = self.text.clone().unwrap_or_else(|| self.bill(number)).into_bytes();
        bytes.resize(bytes.len().max(self.pad), b' ');
        bytes
    }

    fn bill(&self, number: &str) -> String {
        let (file, field) = match self.of.as_deref() {
            None => ("bill.json".to_owned(), "invoice_no"),
            Some(kind) => (format!("of/{kind}.json"), number_field(kind)),
        };
        let mut bill: Value = serde_json::from_str(&read(&file)).expect("a document");
        bill[field] = json!(number);
        for place in &self.remove {
            let (parent, key) = place.rsplit_once('/').expect("a place");
            let parent = bill.pointer_mut(parent).and_then(Value::as_object_mut);
            assert!(parent.and_then(|parent| parent.remove(key)).is_some(), "{}: the bill has no {place}", self.what);
        }
        for (place, value) in &self.set {
            let (parent, key) = place.rsplit_once('/').expect("a place");
            match bill.pointer_mut(parent).unwrap_or_else(|| panic!("{}: the bill has no {parent}", self.what)) {
                Value::Array(items) => items[key.parse::<usize>().expect("an index")] = value.clone(),
                parent => parent[key] = value.clone(),
            }
        }
        if let Some(envelope) = &self.envelope {
            let mut envelope = envelope.clone();
            envelope["data"] = bill;
            bill = envelope;
        }
        let text = bill.to_string();
        match &self.replace {
            None => text,
            Some((from, to)) => {
                assert!(text.contains(from), "{}: the bill has no {from}", self.what);
                text.replacen(from, to, 1)
            }
        }
    }
}

fn number_field(kind: &str) -> &'static str {
    match kind {
        "interaction" => "interaction_no",
        "vehicle_sale" => "sale_no",
        "partner_purchase" => "purchase_no",
        "refund" => "refund_no",
        "void" => "void_no",
        other => panic!("no document of kind {other}"),
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn read(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap_or_else(|error| panic!("corpus/{name}: {error}"))
}

/// All cases, by file and place.
pub fn cases() -> Vec<(String, Case)> {
    let mut names: Vec<String> = fs::read_dir(folder())
        .expect("the corpus")
        .map(|entry| entry.expect("a file").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let mut all = Vec::new();
    for name in names.iter().filter(|name| !matches!(name.as_str(), "bill.json" | "of")) {
        let mut cases: Vec<Case> = serde_json::from_str(&read(name)).unwrap_or_else(|error| panic!("corpus/{name}: {error}"));
        let stem = name.trim_end_matches(".json");
        for case in &mut cases {
            if let Some(kind) = case.of.as_deref().filter(|_| case.subject == here()) {
                case.subject = format!("pos.v1.SH01.{kind}");
            }
        }
        all.extend(cases.into_iter().enumerate().map(|(place, case)| (format!("{stem}-{place}"), case)));
    }
    all
}
