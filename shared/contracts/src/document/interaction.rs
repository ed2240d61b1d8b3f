//! What a member did apart from spending: a review, a suggestion, a check-in.

use chrono::{DateTime, FixedOffset};
use jifen_kernel::{StoreCode, Token};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    StoreDocument,
    customer::Customer,
    reader::{Fault, Reader},
    schema,
};
use crate::code;

/// `pos.v1.<store>.interaction`. Its serialised form is the canonical content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Interaction {
    /// The store that says so.
    pub store: StoreCode,
    /// Its number there, unique for ever.
    #[schemars(schema_with = "schema::short")]
    pub interaction_no: String,
    /// One of the program's kinds.
    pub kind: Token,
    /// When, with its offset.
    #[schemars(schema_with = "schema::instant")]
    pub occurred_at: DateTime<FixedOffset>,
    /// Who did it.
    pub customer: Customer,
    /// What it is about: an invoice of the store, an event's code.
    #[serde(default)]
    #[schemars(schema_with = "schema::optional_short")]
    pub about: Option<String>,
}

impl StoreDocument for Interaction {
    const KIND: &'static str = "interaction";
    const NUMBER: &'static str = "interaction_no";

    /// The kind is only checked for its form: which ones exist is the program's.
    fn read(data: &Map<String, Value>) -> Result<Self, Fault> {
        let root = Reader::root(data);
        let store = root.store()?;
        let interaction_no = root.required("interaction_no", root.short("interaction_no")?)?;
        let kind = Token::try_new(root.required("kind", root.text("kind")?)?)
            .map_err(|why| Fault::at(code::DOCUMENT_UNKNOWN_INTERACTION, "/kind").detail(format!("unknown interaction: {why}")))?;
        Ok(Self {
            store,
            interaction_no,
            kind,
            occurred_at: root.required("occurred_at", root.instant("occurred_at")?)?,
            customer: Customer::read(&root)?,
            about: root.short("about")?,
        })
    }
}
