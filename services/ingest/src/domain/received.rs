//! From a message to a document, as far as it can be read.

use jifen_contracts::{
    code,
    document::{Fault, KINDS, Opened, number_field, open},
    subject::parse_pos,
};
use jifen_kernel::StoreCode;
use serde_json::{Map, Value};

use super::content::Content;

/// So much of a subject's tokens is kept and shown.
const TOKEN_CHARS: usize = 64;
/// So long is a document's number at most (the contract's limit for all kinds).
const NUMBER_CHARS: usize = 64;

/// A message of a store. Undecodable is one of its outcomes.
#[derive(Debug)]
pub struct Received {
    /// The subject's store, as written but cut and without control characters.
    pub store: String,
    /// The subject's kind, likewise.
    pub kind: String,
    /// The id of the store's CloudEvent, if it sent one.
    pub event_id: Option<String>,
    /// The envelope's trace context, unchecked.
    pub traceparent: Option<String>,
    /// The document's number, if one can be read: also of documents that can't be.
    pub number: Option<String>,
    /// The document, or the first fault found.
    pub content: Result<Content, Fault>,
}

impl Received {
    /// Reads a message; whatever is wrong with it stands in [`Self::content`].
    pub fn read(subject: &str, bytes: &[u8]) -> Self {
        let (store, kind) = parse_pos(subject).unwrap_or_else(|| (subject.strip_prefix("pos.v1.").unwrap_or(subject), ""));
        let (store, kind) = (shown(store), shown(kind));
        let opened = open(bytes);
        let (mut event_id, mut traceparent, mut number) = (None, None, None);
        if let Ok(opened) = &opened {
            (event_id, traceparent) = (opened.event_id.clone(), opened.traceparent.clone());
            number = number_field(&kind).and_then(|field| readable_number(&opened.data, field));
        }
        let content = read_content(&store, &kind, opened);
        Self { store, kind, event_id, traceparent, number, content }
    }

    /// The subject's store, if it is a store code: where the receipt goes.
    pub fn store_code(&self) -> Option<StoreCode> {
        StoreCode::try_new(self.store.as_str()).ok()
    }
}

/// The checks in the order in which a store would want to hear of them.
fn read_content(store: &str, kind: &str, opened: Result<Opened, Fault>) -> Result<Content, Fault> {
    if let Err(fault) = &opened
        && fault.code == code::DOCUMENT_TOO_LARGE
    {
        return Err(fault.clone());
    }
    if !KINDS.contains(&kind) {
        return Err(Fault::new(code::DOCUMENT_UNKNOWN_KIND));
    }
    let opened = opened?;
    let Some(content) = Content::read(kind, &opened.data) else {
        return Err(Fault::new(code::DOCUMENT_UNSUPPORTED).detail(format!("this release does not process {kind} documents")));
    };
    let content = content?;
    if content.store().as_str() != store {
        let detail = format!("the document says {}", content.store());
        return Err(Fault::at(code::DOCUMENT_STORE_MISMATCH, "/store").detail(detail));
    }
    Ok(content)
}

fn readable_number(data: &Map<String, Value>, field: &str) -> Option<String> {
    let number = data.get(field)?.as_str()?;
    let fits = (1..=NUMBER_CHARS).contains(&number.chars().count()) && number.trim() == number && !number.chars().any(char::is_control);
    fits.then(|| number.to_owned())
}

/// A token as it can be stored and shown, whatever a client wrote.
fn shown(token: &str) -> String {
    token.chars().take(TOKEN_CHARS).map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::samples::document;

    fn fault(subject: &str, bytes: &[u8]) -> (&'static str, Option<String>) {
        let fault = Received::read(subject, bytes).content.expect_err("fault");
        (fault.code.code, fault.pointer)
    }

    #[test]
    fn a_good_invoice_is_read_with_its_envelope() {
        let data = document("R1");
        let structured = json!({"specversion": "1.0", "id": "e-1", "traceparent": "00-1", "data": data});
        let received = Received::read("pos.v1.SH01.invoice", structured.to_string().as_bytes());
        assert_eq!(
            (received.event_id.as_deref(), received.traceparent.as_deref(), received.number.as_deref()),
            (Some("e-1"), Some("00-1"), Some("R1"))
        );
        let bare = Received::read("pos.v1.SH01.invoice", data.to_string().as_bytes());
        assert_eq!(bare.content, received.content);
        assert!(bare.content.is_ok() && bare.event_id.is_none());
    }

    #[test]
    fn faults_are_found_in_the_order_size_kind_form_fields_store() {
        let good = document("R1").to_string();
        let huge = vec![b' '; 300 * 1024];
        let mut reopened = document("R1");
        reopened["replaces"] = json!("R1");
        let mut broken = document("R1");
        broken["lines"][0]["amount"] = json!("-1");
        let (reopened, broken) = (reopened.to_string(), broken.to_string());
        let cases: &[(&str, &[u8], &str, Option<&str>)] = &[
            ("pos.v1.SH01.gossip", &huge, "document.too_large", None),
            ("pos.v1.SH01.gossip", b"{", "document.unknown_kind", None),
            ("pos.v1.SH01.invoice.more", good.as_bytes(), "document.unknown_kind", None),
            ("pos.v1.SH01", good.as_bytes(), "document.unknown_kind", None),
            ("pos.v1.SH01.refund", b"{", "document.undecodable", None),
            ("pos.v1.SH01.day_close", b"{}", "document.missing_field", Some("/store")),
            ("pos.v1.SH01.interaction", b"{}", "document.missing_field", Some("/store")),
            ("pos.v1.SH01.vehicle_sale", b"{\"store\":\"SH02\"}", "document.missing_field", Some("/sale_no")),
            ("pos.v1.SH01.invoice", b"[1]", "document.undecodable", None),
            ("pos.v1.SH02.invoice", broken.as_bytes(), "document.bad_amount", Some("/lines/0/amount")),
            ("pos.v1.SH02.invoice", good.as_bytes(), "document.store_mismatch", Some("/store")),
            ("pos.v1.SH01.invoice", reopened.as_bytes(), "document.replaces_itself", Some("/replaces")),
            ("pos.v1.SH01.void", b"{\"store\":\"SH01\"}", "document.missing_field", Some("/void_no")),
        ];
        for (subject, bytes, code, pointer) in cases {
            assert_eq!(fault(subject, bytes), (*code, pointer.map(str::to_owned)), "{subject}");
        }
    }

    #[test]
    fn numbers_are_shown_also_of_what_is_refused() {
        let number = |kind: &str, data: Value| Received::read(&format!("pos.v1.SH01.{kind}"), data.to_string().as_bytes()).number;
        assert_eq!(number("refund", json!({"refund_no": "C1"})).as_deref(), Some("C1"));
        assert_eq!(number("invoice", json!({"invoice_no": "R1", "lines": 7})).as_deref(), Some("R1"));
        for bad in [json!("\u{0}"), json!(" R1"), json!("x".repeat(65)), json!(1), json!("")] {
            assert_eq!(number("invoice", json!({ "invoice_no": bad })), None);
        }
    }

    #[test]
    fn garbage_in_a_subject_is_cut_and_tidied() {
        let received = Received::read(&format!("pos.v1.\u{1}{}.invoice", "x".repeat(100)), b"{}");
        assert_eq!((received.store.chars().count(), received.store.starts_with('\u{FFFD}')), (64, true));
        assert_eq!(received.store_code(), None);
        assert_eq!(Received::read("pos.v1.SH01.x", b"").store_code().expect("store").as_str(), "SH01");
    }
}
