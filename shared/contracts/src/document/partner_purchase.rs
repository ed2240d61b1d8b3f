//! What a member bought from a partner outside the group: fuel, a car wash.

use chrono::{DateTime, FixedOffset};
use jifen_kernel::{Money, StoreCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    StoreDocument,
    customer::Customer,
    reader::{Fault, Reader},
    schema,
};
use crate::code;

/// `pos.v1.<store>.partner_purchase`. Its serialised form is the canonical content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PartnerPurchase {
    /// The store that says so.
    pub store: StoreCode,
    /// Its number there, unique for ever.
    #[schemars(schema_with = "schema::short")]
    pub purchase_no: String,
    /// One of the program's partners.
    #[schemars(schema_with = "schema::partner")]
    pub partner: String,
    /// When, with its offset.
    #[schemars(schema_with = "schema::instant")]
    pub occurred_at: DateTime<FixedOffset>,
    /// Who bought.
    pub customer: Customer,
    /// What was paid.
    pub amount: Money,
}

/// True for 1 to 32 of `a-z 0-9 _ -`, beginning with a letter or digit.
pub fn is_partner_code(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-';
    (1..=32).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with(['_', '-'])
}

impl StoreDocument for PartnerPurchase {
    const KIND: &'static str = "partner_purchase";
    const NUMBER: &'static str = "purchase_no";

    /// The partner's code is only checked for its form: which ones exist is the program's.
    fn read(data: &Map<String, Value>) -> Result<Self, Fault> {
        let root = Reader::root(data);
        let store = root.store()?;
        let purchase_no = root.required("purchase_no", root.short("purchase_no")?)?;
        let partner = root.required("partner", root.text("partner")?)?;
        if !is_partner_code(partner) {
            let detail = "unknown partner: a code is 1 to 32 of a-z 0-9 _ -, beginning with a letter or digit";
            return Err(Fault::at(code::DOCUMENT_UNKNOWN_PARTNER, "/partner").detail(detail));
        }
        Ok(Self {
            store,
            purchase_no,
            partner: partner.to_owned(),
            occurred_at: root.required("occurred_at", root.instant("occurred_at")?)?,
            customer: Customer::read(&root)?,
            amount: root.required("amount", root.money("amount")?)?,
        })
    }
}
