//! From ingest's words to the contract's.

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::{
    code::Code,
    document::{Fault, Interaction, Invoice, PartnerPurchase, Refund, VehicleSale},
    event::{DocumentRejected, InteractionRecorded, InvoiceAccepted, InvoiceRefunded, InvoiceVoided, PartnerPurchaseRecorded, VehicleSold},
    receipt::{RECEIPT_TYPE, Receipt, ReceiptStatus},
    subject,
};
use jifen_kernel::StoreCode;
use jifen_runtime::{Ctx, Outbox, message::Cause};
use uuid::Uuid;

use crate::{
    domain::{
        bill::{Bill, refunded},
        content::Content,
        correction::{Accepted as Corrected, Voiding},
        customer::{Keys, Owner},
        received::Received,
        stamp::Stamp,
    },
    keys,
};

/// A document of a known member.
pub struct Accepted<'a> {
    /// What it says.
    pub content: &'a Content,
    /// The keys that it names its customer with.
    pub keys: &'a Keys,
    /// Whose it is.
    pub owner: &'a Owner,
    /// Its rules and its day.
    pub stamp: &'a Stamp,
    /// When it first arrived.
    pub received_at: DateTime<Utc>,
}

impl Accepted<'_> {
    /// Publishes what others need of it, without anything personal: descriptions stay behind, vehicles are hashes, and a VIN
    /// is sealed for `member`.
    pub fn publish(&self, cx: &Ctx, cause: &Cause, out: &mut Outbox) {
        match self.content {
            Content::Invoice(invoice) => out.event(cause, None, &self.invoice(invoice)),
            Content::Interaction(interaction) => out.event(cause, None, &self.interaction(interaction)),
            Content::VehicleSale(sale) => out.event(cause, None, &self.sale(cx, sale)),
            Content::PartnerPurchase(purchase) => out.event(cause, None, &self.purchase(purchase)),
            // They are nobody's by themselves.
            Content::Refund(_) | Content::Void(_) | Content::DayClose(_) => return,
        };
    }

    fn invoice(&self, invoice: &Invoice) -> InvoiceAccepted {
        let Bill { lines, reductions } = Bill::of(invoice);
        InvoiceAccepted {
            store: invoice.store.clone(),
            invoice_no: invoice.invoice_no.clone(),
            member_id: self.owner.member_id,
            member_no: self.owner.member_no.clone(),
            issued_at: self.content.at(),
            business_date: self.stamp.business_date,
            received_at: self.received_at,
            program_version: self.stamp.version,
            replaces: invoice.replaces.clone(),
            vehicle: self.keys.vehicle.clone(),
            advisor: invoice.advisor.clone(),
            lines,
            reductions,
            awaiting_activation: self.owner.awaiting_activation,
        }
    }

    fn interaction(&self, interaction: &Interaction) -> InteractionRecorded {
        InteractionRecorded {
            store: interaction.store.clone(),
            interaction_no: interaction.interaction_no.clone(),
            member_id: self.owner.member_id,
            member_no: self.owner.member_no.clone(),
            kind: interaction.kind.clone(),
            occurred_at: self.content.at(),
            business_date: self.stamp.business_date,
            received_at: self.received_at,
            program_version: self.stamp.version,
            about: interaction.about.clone(),
            awaiting_activation: self.owner.awaiting_activation,
        }
    }

    fn purchase(&self, purchase: &PartnerPurchase) -> PartnerPurchaseRecorded {
        PartnerPurchaseRecorded {
            store: purchase.store.clone(),
            purchase_no: purchase.purchase_no.clone(),
            member_id: self.owner.member_id,
            member_no: self.owner.member_no.clone(),
            partner: purchase.partner.clone(),
            occurred_at: self.content.at(),
            business_date: self.stamp.business_date,
            received_at: self.received_at,
            program_version: self.stamp.version,
            amount: purchase.amount,
            awaiting_activation: self.owner.awaiting_activation,
        }
    }

    fn sale(&self, cx: &Ctx, sale: &VehicleSale) -> VehicleSold {
        let place = VehicleSold::place_of(&sale.store, &sale.sale_no);
        VehicleSold {
            store: sale.store.clone(),
            sale_no: sale.sale_no.clone(),
            member_id: self.owner.member_id,
            member_no: self.owner.member_no.clone(),
            delivered_at: self.content.at(),
            business_date: self.stamp.business_date,
            received_at: self.received_at,
            program_version: self.stamp.version,
            vehicle: keys::vehicle_of(cx, &sale.vin),
            vin_sealed: cx.seal_to("member").seal_text(&cx.ids, sale.vin.expose().as_bytes(), &place),
            series: sale.series.clone(),
            price: sale.price,
        }
    }
}

/// A refund of an accepted invoice.
pub fn invoice_refunded(refund: &Refund, of: &Corrected, business_date: NaiveDate, received_at: DateTime<Utc>) -> InvoiceRefunded {
    let Bill { lines, reductions } = of.bill.clone().unwrap_or_default();
    InvoiceRefunded {
        store: refund.store.clone(),
        refund_no: refund.refund_no.clone(),
        invoice_no: refund.invoice_no.clone(),
        member_id: of.member_id,
        member_no: of.member_no.clone(),
        refunded_at: refund.refunded_at.to_utc(),
        business_date,
        received_at,
        program_version: of.program_version,
        refunded: refunded(refund),
        lines,
        reductions,
    }
}

/// An accepted invoice that counts no longer.
pub fn invoice_voided(store: StoreCode, invoice_no: &str, by: &Voiding, of: &Corrected) -> InvoiceVoided {
    InvoiceVoided {
        store,
        void_no: by.number.clone(),
        invoice_no: invoice_no.to_owned(),
        member_id: of.member_id,
        member_no: of.member_no.clone(),
        voided_at: by.at,
        business_date: by.business_date,
        received_at: by.received_at,
        program_version: of.program_version,
        replaced: by.is_replacement,
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
