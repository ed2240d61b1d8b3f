//! Documents that must be refused, each with the code that says why.

use chrono::{Days, NaiveDate};
use serde_json::json;

use super::bills::Bill;

/// How many ways there are of getting one wrong.
pub const WAYS: usize = 14;

/// A document that must be refused.
#[derive(Debug, Clone)]
pub struct Stray {
    /// Where it is sent.
    pub subject: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The code of its receipt.
    pub code: &'static str,
}

impl Stray {
    /// `bill` got wrong in way number `way`.
    pub fn new(way: usize, bill: &Bill, today: NaiveDate) -> Self {
        let mut document = bill.document(false);
        let mut subject = bill.subject();
        let mut raw: Option<Vec<u8>> = None;
        let code = match way % WAYS {
            0 => {
                raw = Some(format!("{{\"store\":\"{}\",\"invoice_no\":\"{}\",", bill.store, bill.number).into_bytes());
                "document.undecodable"
            }
            1 => {
                raw = Some([bill.number.as_bytes(), &[0xb9, 0xa4, 0xca, 0xb1]].concat());
                "document.undecodable"
            }
            2 => {
                document["lines"][0]["amount"] = json!("-120.00");
                "document.bad_amount"
            }
            3 => {
                document["lines"][0]["amount"] = json!(120.5);
                "document.bad_amount"
            }
            4 => {
                document["lines"][0]["category"] = json!("spaceship");
                "document.unknown_category"
            }
            5 => {
                document["lines"][0]["payer"] = json!("nobody");
                "document.unknown_payer"
            }
            6 => {
                document["issued_at"] = json!(format!("{}T10:00:00+08:00", today + Days::new(3)));
                "document.future_date"
            }
            7 => {
                document["issued_at"] = json!("2026-10-01 10:00:00");
                "document.bad_date"
            }
            8 => {
                document["customer"] = json!({});
                "document.no_customer"
            }
            9 => {
                subject = format!("pos.v1.{}.quotation", bill.store);
                // Receipts know documents by their bytes: these must not be the bill's.
                document["quotation"] = json!(true);
                "document.unknown_kind"
            }
            10 => {
                document["lines"] = json!([]);
                "document.missing_field"
            }
            11 => {
                document["store"] = json!("ELSEWHERE");
                "document.store_mismatch"
            }
            12 => {
                document["lines"][0]["description"] = json!("长".repeat(100_000));
                "document.too_large"
            }
            _ => {
                document["customer"] = json!({ "phone": "12345" });
                "document.bad_field"
            }
        };
        Self { subject, bytes: raw.unwrap_or_else(|| document.to_string().into_bytes()), code }
    }
}
