//! The settled bill: what points follow.

use std::collections::HashSet;

use chrono::{DateTime, FixedOffset};
use jifen_kernel::{Money, StoreCode, Token};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    StoreDocument,
    customer::Customer,
    reader::{Fault, Reader},
    schema,
};
use crate::code;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $variant:ident = $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        pub enum $name {
            $($(#[$word_doc])* #[serde(rename = $word)] $variant),*
        }

        impl $name {
            fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

words!(
    /// Who pays a line. Only what the customer pays earns.
    Payer {
        /// The customer, out of pocket.
        Customer = "customer",
        /// The maker's warranty.
        Warranty = "warranty",
        /// An insurer.
        Insurance = "insurance",
        /// The maker, otherwise.
        Oem = "oem",
        /// The store itself.
        Internal = "internal",
        /// The store's goodwill.
        Goodwill = "goodwill",
        /// A package bought before.
        Package = "package",
        /// A stored-value card: its principal share earns.
        StoredValue = "stored_value",
        /// A voucher.
        Voucher = "voucher",
        /// Points.
        Points = "points",
    }
);

words!(
    /// Why the whole bill is less than its lines.
    ReductionKind {
        /// A discount.
        Discount = "discount",
        /// Rounding off (抹零).
        Rounding = "rounding",
        /// Points used as cash offset.
        Points = "points",
        /// A voucher on the whole bill.
        Voucher = "voucher",
    }
);

/// A line of the bill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Line {
    /// Its number, unique in the bill.
    #[schemars(range(max = 1_000_000))]
    pub line: u32,
    /// The category of its job: parts fitted in a maintenance job are maintenance.
    pub category: Token,
    /// Who pays it.
    pub payer: Payer,
    /// What it costs.
    pub amount: Money,
    /// Of a stored-value line: the share that the customer once paid in.
    #[serde(default)]
    pub principal: Option<Money>,
    /// For people.
    #[serde(default)]
    #[schemars(schema_with = "schema::optional_long")]
    pub description: Option<String>,
}

/// A deduction from the whole bill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Reduction {
    /// What for.
    pub kind: ReductionKind,
    /// How much.
    pub amount: Money,
}

/// `pos.v1.<store>.invoice`. Its serialised form is the canonical content: equal content, equal text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Invoice {
    /// The issuing store.
    pub store: StoreCode,
    /// Its number there, unique for ever.
    #[schemars(schema_with = "schema::short")]
    pub invoice_no: String,
    /// Settlement, with its offset.
    #[schemars(schema_with = "schema::instant")]
    pub issued_at: DateTime<FixedOffset>,
    /// The work order.
    #[serde(default)]
    #[schemars(schema_with = "schema::optional_short")]
    pub work_order: Option<String>,
    /// The bill that this one replaces.
    #[serde(default)]
    #[schemars(schema_with = "schema::optional_short")]
    pub replaces: Option<String>,
    /// Who it is for.
    pub customer: Customer,
    /// The odometer.
    #[serde(default)]
    #[schemars(range(max = 10_000_000))]
    pub odometer_km: Option<u32>,
    /// The service advisor's staff number.
    #[serde(default)]
    #[schemars(schema_with = "schema::optional_short")]
    pub advisor: Option<String>,
    /// `CNY`.
    #[serde(default = "cny")]
    #[schemars(schema_with = "schema::currency")]
    pub currency: String,
    /// The lines, at least one.
    #[schemars(length(min = 1, max = 500))]
    pub lines: Vec<Line>,
    /// What is taken off the whole bill.
    #[serde(default)]
    #[schemars(schema_with = "schema::optional_list::<Reduction>")]
    pub reductions: Vec<Reduction>,
}

fn cny() -> String {
    "CNY".to_owned()
}

impl StoreDocument for Invoice {
    const KIND: &'static str = "invoice";
    const NUMBER: &'static str = "invoice_no";

    /// Categories are only checked for their form: which ones exist is the program's.
    fn read(data: &Map<String, Value>) -> Result<Self, Fault> {
        let root = Reader::root(data);
        let store = root.store()?;
        let currency = root.text("currency")?.unwrap_or("CNY");
        if currency != "CNY" {
            return Err(Fault::at(code::DOCUMENT_BAD_FIELD, "/currency").detail("currency must be CNY"));
        }
        let invoice_no = root.required("invoice_no", root.short("invoice_no")?)?;
        let replaces = root.short("replaces")?;
        if replaces.as_ref() == Some(&invoice_no) {
            return Err(Fault::at(code::DOCUMENT_REPLACES_ITSELF, "/replaces"));
        }
        Ok(Self {
            store,
            invoice_no,
            issued_at: root.required("issued_at", root.instant("issued_at")?)?,
            work_order: root.short("work_order")?,
            replaces,
            customer: Customer::read(&root)?,
            odometer_km: root.number("odometer_km", 10_000_000)?,
            advisor: root.short("advisor")?,
            currency: currency.to_owned(),
            lines: read_lines(&root)?,
            reductions: read_reductions(&root)?,
        })
    }
}

fn read_lines(root: &Reader<'_>) -> Result<Vec<Line>, Fault> {
    let readers = root.required("lines", root.objects("lines")?)?;
    if readers.is_empty() {
        return Err(Fault::at(code::DOCUMENT_MISSING_FIELD, "/lines").detail("a bill has at least one line"));
    }
    let mut seen = HashSet::new();
    let mut lines = Vec::with_capacity(readers.len());
    for reader in readers {
        let line = reader.required("line", reader.number("line", 1_000_000)?)?;
        if !seen.insert(line) {
            return Err(Fault::at(code::DOCUMENT_DUPLICATE_LINE, reader.pointer("line")).detail(format!("line {line} stands twice")));
        }
        let category = reader.required("category", reader.text("category")?)?;
        let category = Token::try_new(category).map_err(|why| {
            Fault::at(code::DOCUMENT_UNKNOWN_CATEGORY, reader.pointer("category")).detail(format!("unknown category: {why}"))
        })?;
        let payer = reader.required("payer", reader.text("payer")?)?;
        let payer = Payer::from_word(payer).ok_or_else(|| Fault::at(code::DOCUMENT_UNKNOWN_PAYER, reader.pointer("payer")))?;
        let amount = reader.required("amount", reader.money("amount")?)?;
        let principal = reader.money("principal")?;
        if principal.is_some_and(|principal| principal > amount) {
            return Err(Fault::at(code::DOCUMENT_BAD_AMOUNT, reader.pointer("principal")).detail("the principal exceeds the line's amount"));
        }
        lines.push(Line { line, category, payer, amount, principal, description: reader.long("description")? });
    }
    Ok(lines)
}

fn read_reductions(root: &Reader<'_>) -> Result<Vec<Reduction>, Fault> {
    let readers = root.objects("reductions")?.unwrap_or_default();
    let read = |reader: Reader<'_>| {
        let kind = reader.required("kind", reader.text("kind")?)?;
        let kind = ReductionKind::from_word(kind).ok_or_else(|| {
            Fault::at(code::DOCUMENT_BAD_FIELD, reader.pointer("kind")).detail("kind must be discount, rounding, points or voucher")
        })?;
        Ok(Reduction { kind, amount: reader.required("amount", reader.money("amount")?)? })
    };
    readers.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::document::{MAX_DOCUMENT_BYTES, open};

    fn good() -> Value {
        json!({
            "store": "SH01", "invoice_no": "R1", "issued_at": "2026-10-01T10:21:33+08:00",
            "customer": {"phone": "+86 138 0013 8000", "plate": ""},
            "lines": [{"line": 1, "category": "maintenance", "payer": "customer", "amount": "800.00"},
                      {"line": 2, "category": "parts", "payer": "warranty", "amount": "120.5"}],
            "reductions": [{"kind": "discount", "amount": "20"}],
            "something_new": {"we": "ignore"}
        })
    }

    fn read(value: &Value) -> Result<Invoice, Fault> {
        Invoice::read(&open(value.to_string().as_bytes())?.data)
    }

    #[test]
    fn bare_and_structured_read_alike_and_equal_content_has_one_form() {
        let bare = read(&good()).expect("bare");
        let structured = read(&json!({"specversion": "1.0", "id": "x", "data": good()})).expect("structured");
        assert_eq!(serde_json::to_string(&bare).expect("json"), serde_json::to_string(&structured).expect("json"));
        assert_eq!(bare.lines[1].amount, Money::from_fen(12_050));
    }

    #[test]
    fn every_fault_has_its_code_and_place() {
        let cases: &[(&str, Value, &str)] = &[
            ("/lines/0/amount", json!("-1"), "document.bad_amount"),
            ("/lines/0/amount", json!(800.0), "document.bad_amount"),
            ("/lines/0/amount", json!("1234567890123456789012345678901234567890"), "document.bad_amount"),
            ("/lines/0/payer", json!("nobody"), "document.unknown_payer"),
            ("/lines/0/category", json!("Öl"), "document.unknown_category"),
            ("/lines/1/line", json!(1), "document.duplicate_line"),
            ("/lines", json!([]), "document.missing_field"),
            ("/lines", json!("x"), "document.bad_field"),
            ("/lines/0/line", json!(-1), "document.bad_field"),
            ("/issued_at", json!("2026-10-01T10:21:33"), "document.bad_date"),
            ("/issued_at", json!("+262142-01-01T00:00:00Z"), "document.bad_date"),
            ("/invoice_no", json!(""), "document.bad_field"),
            ("/invoice_no", Value::Null, "document.missing_field"),
            ("/customer", json!({}), "document.no_customer"),
            ("/customer/phone", json!("12345"), "document.bad_field"),
            ("/currency", json!("USD"), "document.bad_field"),
            ("/reductions/0/kind", json!("gift"), "document.bad_field"),
            ("/replaces", json!("R1"), "document.replaces_itself"),
            ("/store", json!("*"), "document.bad_field"),
        ];
        for (pointer, value, expected) in cases {
            let mut document = good();
            if let Some(place) = document.pointer_mut(pointer) {
                *place = value.clone();
            } else if let Some(object) = document.as_object_mut() {
                object.insert(pointer.trim_start_matches('/').to_owned(), value.clone());
            }
            let fault = read(&document).expect_err(pointer);
            assert_eq!((fault.code.code, fault.pointer.as_deref()), (*expected, Some(*pointer)), "{value}");
        }
    }

    #[test]
    fn what_is_no_document_is_undecodable() {
        for bytes in [&b"\xb1\xa3\xd1\xf8"[..], b"", b"[]", b"{\"a\":NaN}", b"{\"a\":1e999}", b"{", &b"[".repeat(10_000)] {
            assert_eq!(open(bytes).expect_err("fault").code, code::DOCUMENT_UNDECODABLE);
        }
        assert_eq!(open(&vec![b' '; MAX_DOCUMENT_BYTES + 1]).expect_err("fault").code, code::DOCUMENT_TOO_LARGE);
        for id in ["", "\\u0000"] {
            let envelope = format!("{{\"specversion\":\"1.0\",\"id\":\"{id}\",\"data\":{{}}}}");
            assert_eq!(open(envelope.as_bytes()).expect_err("fault").code, code::DOCUMENT_BAD_ENVELOPE);
        }
    }
}
