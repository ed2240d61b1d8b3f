//! A settled bill was cancelled as a whole.

use chrono::{DateTime, FixedOffset};
use jifen_kernel::StoreCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    StoreDocument,
    reader::{Fault, Reader},
    schema,
};

/// `pos.v1.<store>.void`. Its serialised form is the canonical content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Void {
    /// The store of bill and void.
    pub store: StoreCode,
    /// The void's number there, unique for ever.
    #[schemars(schema_with = "schema::short")]
    pub void_no: String,
    /// The bill.
    #[schemars(schema_with = "schema::short")]
    pub invoice_no: String,
    /// When, with its offset; may lie before the bill's own date.
    #[schemars(schema_with = "schema::instant")]
    pub voided_at: DateTime<FixedOffset>,
    /// For people.
    #[serde(default)]
    #[schemars(schema_with = "schema::optional_long")]
    pub reason: Option<String>,
}

impl StoreDocument for Void {
    const KIND: &'static str = "void";
    const NUMBER: &'static str = "void_no";

    fn read(data: &Map<String, Value>) -> Result<Self, Fault> {
        let root = Reader::root(data);
        Ok(Self {
            store: root.store()?,
            void_no: root.required("void_no", root.short("void_no")?)?,
            invoice_no: root.required("invoice_no", root.short("invoice_no")?)?,
            voided_at: root.required("voided_at", root.instant("voided_at")?)?,
            reason: root.long("reason")?,
        })
    }
}
