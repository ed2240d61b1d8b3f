//! Some of a settled bill was paid back.

use std::collections::HashSet;

use chrono::{DateTime, FixedOffset};
use jifen_kernel::{Money, StoreCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    StoreDocument,
    reader::{Fault, Reader},
    schema,
};
use crate::code;

/// What is paid back on a line of the bill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RefundLine {
    /// The bill's line; once in a refund. Several refunds of one line add up.
    #[schemars(range(max = 1_000_000))]
    pub line: u32,
    /// How much.
    pub amount: Money,
}

/// `pos.v1.<store>.refund`. Its serialised form is the canonical content. Names no customer: it is whose bill it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Refund {
    /// The store of bill and refund.
    pub store: StoreCode,
    /// The refund's number there, unique for ever.
    #[schemars(schema_with = "schema::short")]
    pub refund_no: String,
    /// The bill.
    #[schemars(schema_with = "schema::short")]
    pub invoice_no: String,
    /// When, with its offset; may lie before the bill's own date.
    #[schemars(schema_with = "schema::instant")]
    pub refunded_at: DateTime<FixedOffset>,
    /// What is paid back, at least one line.
    #[schemars(length(min = 1, max = 500))]
    pub lines: Vec<RefundLine>,
    /// For people.
    #[serde(default)]
    #[schemars(schema_with = "schema::optional_long")]
    pub reason: Option<String>,
}

impl StoreDocument for Refund {
    const KIND: &'static str = "refund";
    const NUMBER: &'static str = "refund_no";

    /// Whether the bill has these lines is asked once the bill is known.
    fn read(data: &Map<String, Value>) -> Result<Self, Fault> {
        let root = Reader::root(data);
        Ok(Self {
            store: root.store()?,
            refund_no: root.required("refund_no", root.short("refund_no")?)?,
            invoice_no: root.required("invoice_no", root.short("invoice_no")?)?,
            refunded_at: root.required("refunded_at", root.instant("refunded_at")?)?,
            lines: read_lines(&root)?,
            reason: root.long("reason")?,
        })
    }
}

fn read_lines(root: &Reader<'_>) -> Result<Vec<RefundLine>, Fault> {
    let readers = root.required("lines", root.objects("lines")?)?;
    if readers.is_empty() {
        return Err(Fault::at(code::DOCUMENT_MISSING_FIELD, "/lines").detail("a refund has at least one line"));
    }
    let mut seen = HashSet::new();
    let mut lines = Vec::with_capacity(readers.len());
    for reader in readers {
        let line = reader.required("line", reader.number("line", 1_000_000)?)?;
        // Adding them up would pay a row twice that was exported twice.
        if !seen.insert(line) {
            return Err(Fault::at(code::DOCUMENT_DUPLICATE_LINE, reader.pointer("line")).detail(format!("line {line} stands twice")));
        }
        lines.push(RefundLine { line, amount: reader.required("amount", reader.money("amount")?)? });
    }
    Ok(lines)
}
