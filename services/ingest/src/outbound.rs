//! From ingest's words to the contract's.

use chrono::{DateTime, Utc};
use jifen_contracts::{
    code::Code,
    document::{Fault, Invoice},
    event::{AcceptedLine, AcceptedReduction, DocumentRejected, InvoiceAccepted},
    receipt::{RECEIPT_TYPE, Receipt, ReceiptStatus},
    subject,
};
use jifen_kernel::StoreCode;
use jifen_runtime::{Outbox, message::Cause};
use uuid::Uuid;

use crate::domain::{
    customer::{Keys, Owner},
    received::Received,
    stamp::Stamp,
};

/// An invoice of a known member, without anything personal: descriptions stay behind, the vehicle is a hash.
pub fn invoice_accepted(invoice: &Invoice, keys: &Keys, owner: &Owner, stamp: &Stamp, received_at: DateTime<Utc>) -> InvoiceAccepted {
    let lines = invoice.lines.iter().map(|line| AcceptedLine {
        line: line.line,
        category: line.category.clone(),
        payer: line.payer,
        amount: line.amount,
        principal: line.principal,
    });
    let reductions = invoice.reductions.iter().map(|reduction| AcceptedReduction { kind: reduction.kind, amount: reduction.amount });
    InvoiceAccepted {
        awaiting_activation: false,
        store: invoice.store.clone(),
        invoice_no: invoice.invoice_no.clone(),
        member_id: owner.member_id,
        member_no: owner.member_no.clone(),
        issued_at: invoice.issued_at.with_timezone(&Utc),
        business_date: stamp.business_date,
        received_at,
        program_version: stamp.version,
        vehicle: keys.vehicle.clone(),
        advisor: invoice.advisor.clone(),
        lines: lines.collect(),
        reductions: reductions.collect(),
    }
}

/// A refused document.
pub fn document_rejected(received: &Received, sha256: &[u8; 32], reject_id: Uuid, fault: &Fault) -> DocumentRejected {
    DocumentRejected {
        reject_id,
        store: received.store_code(),
        kind: received.kind.clone(),
        document: received.number.clone(),
        code: fault.code.code.to_owned(),
        pointer: fault.pointer.clone(),
        sha256: hex::encode(sha256),
    }
}

/// What a receipt is about.
pub struct ReceiptOf<'a> {
    /// Who hears it; nobody in particular if the subject names no store.
    pub store: Option<StoreCode>,
    /// The subject's kind.
    pub kind: &'a str,
    /// The document's number, if it could be read.
    pub document: Option<&'a str>,
    /// The id of the store's event.
    pub event_id: Option<&'a str>,
    /// SHA-256 of the bytes received.
    pub sha256: &'a [u8; 32],
}

/// Tells a store what became of its document.
pub fn send_receipt(out: &mut Outbox, cause: &Cause, of: &ReceiptOf<'_>, status: ReceiptStatus, code: Code, pointer: Option<&str>) {
    let receipt = Receipt {
        status,
        kind: of.kind.to_owned(),
        document: of.document.map(str::to_owned),
        event_id: of.event_id.map(str::to_owned),
        sha256: hex::encode(of.sha256),
        code: (status != ReceiptStatus::Accepted).then(|| code.code.to_owned()),
        pointer: pointer.map(str::to_owned),
        text: code.text(),
        at: out.now(),
    };
    let store = of.store.as_ref().map(ToString::to_string);
    let to = subject::receipt(store.as_deref().unwrap_or("_"));
    out.message(cause, to, RECEIPT_TYPE.to_owned(), store, None, false, &receipt);
}
