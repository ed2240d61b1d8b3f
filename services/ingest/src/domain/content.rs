//! The kinds of document that are taken in, as one: what each has in common with the others.

use std::borrow::Cow;

use chrono::{DateTime, FixedOffset, NaiveTime, TimeDelta, Utc};
use jifen_contracts::document::{DayClose, Fault, Interaction, Invoice, PartnerPurchase, Refund, StoreDocument, VehicleSale, Void};
use jifen_kernel::StoreCode;
use serde::Serialize;
use serde_json::{Map, Value};

/// What a document says. Its serialised form is that of its kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Content {
    /// A settled bill.
    Invoice(Invoice),
    /// Something else that a member did.
    Interaction(Interaction),
    /// A car that was handed over.
    VehicleSale(VehicleSale),
    /// What a member bought from a partner.
    PartnerPurchase(PartnerPurchase),
    /// Some of a bill was paid back.
    Refund(Refund),
    /// A bill was cancelled.
    Void(Void),
    /// What a store says of its day.
    DayClose(DayClose),
}

/// Whether documents of this kind are about an invoice, and follow it.
pub fn is_correction(kind: &str) -> bool {
    [Refund::KIND, Void::KIND].contains(&kind)
}

/// For each kind the same expression.
macro_rules! each {
    ($content:expr, $document:ident => $what:expr) => {
        match $content {
            Content::Invoice($document) => $what,
            Content::Interaction($document) => $what,
            Content::VehicleSale($document) => $what,
            Content::PartnerPurchase($document) => $what,
            Content::Refund($document) => $what,
            Content::Void($document) => $what,
            Content::DayClose($document) => $what,
        }
    };
}

impl Content {
    /// Reads a document of this kind; `None`: documents of this kind are not taken in.
    pub fn read(kind: &str, data: &Map<String, Value>) -> Option<Result<Self, Fault>> {
        match kind {
            Invoice::KIND => Some(Invoice::read(data).map(Self::Invoice)),
            Interaction::KIND => Some(Interaction::read(data).map(Self::Interaction)),
            VehicleSale::KIND => Some(VehicleSale::read(data).map(Self::VehicleSale)),
            PartnerPurchase::KIND => Some(PartnerPurchase::read(data).map(Self::PartnerPurchase)),
            Refund::KIND => Some(Refund::read(data).map(Self::Refund)),
            Void::KIND => Some(Void::read(data).map(Self::Void)),
            DayClose::KIND => Some(DayClose::read(data).map(Self::DayClose)),
            _ => None,
        }
    }

    /// Back from its serialised form, if it can be read.
    pub fn restore(kind: &str, bytes: &[u8]) -> Option<Self> {
        match kind {
            Invoice::KIND => serde_json::from_slice(bytes).ok().map(Self::Invoice),
            Interaction::KIND => serde_json::from_slice(bytes).ok().map(Self::Interaction),
            VehicleSale::KIND => serde_json::from_slice(bytes).ok().map(Self::VehicleSale),
            PartnerPurchase::KIND => serde_json::from_slice(bytes).ok().map(Self::PartnerPurchase),
            Refund::KIND => serde_json::from_slice(bytes).ok().map(Self::Refund),
            Void::KIND => serde_json::from_slice(bytes).ok().map(Self::Void),
            DayClose::KIND => serde_json::from_slice(bytes).ok().map(Self::DayClose),
            _ => None,
        }
    }

    /// The store that says so.
    pub fn store(&self) -> &StoreCode {
        each!(self, document => &document.store)
    }

    /// Its number there.
    pub fn number(&self) -> Cow<'_, str> {
        match self {
            Self::Invoice(invoice) => (&invoice.invoice_no).into(),
            Self::Interaction(interaction) => (&interaction.interaction_no).into(),
            Self::VehicleSale(sale) => (&sale.sale_no).into(),
            Self::PartnerPurchase(purchase) => (&purchase.purchase_no).into(),
            Self::Refund(refund) => (&refund.refund_no).into(),
            Self::Void(void) => (&void.void_no).into(),
            Self::DayClose(close) => close.day.to_string().into(),
        }
    }

    /// The number of the invoice that it corrects or replaces.
    pub fn corrects(&self) -> Option<&str> {
        match self {
            Self::Invoice(invoice) => invoice.replaces.as_deref(),
            Self::Refund(refund) => Some(&refund.invoice_no),
            Self::Void(void) => Some(&void.invoice_no),
            Self::Interaction(_) | Self::VehicleSale(_) | Self::PartnerPurchase(_) | Self::DayClose(_) => None,
        }
    }

    /// When it happened: its rules and its business date are those of then.
    pub fn at(&self) -> DateTime<Utc> {
        let at = match self {
            Self::Invoice(invoice) => invoice.issued_at,
            Self::Interaction(interaction) => interaction.occurred_at,
            Self::VehicleSale(sale) => sale.delivered_at,
            Self::PartnerPurchase(purchase) => purchase.occurred_at,
            Self::Refund(refund) => refund.refunded_at,
            Self::Void(void) => void.voided_at,
            // Noon of Greenwich, which lies within the day wherever it is meant.
            Self::DayClose(close) => return close.day.and_time(NaiveTime::MIN).and_utc() + TimeDelta::hours(12),
        };
        at.with_timezone(&Utc)
    }

    /// Where that stands in the document.
    pub fn at_pointer(&self) -> &'static str {
        match self {
            Self::Invoice(_) => "/issued_at",
            Self::Interaction(_) | Self::PartnerPurchase(_) => "/occurred_at",
            Self::VehicleSale(_) => "/delivered_at",
            Self::Refund(_) => "/refunded_at",
            Self::Void(_) => "/voided_at",
            Self::DayClose(_) => "/day",
        }
    }

    /// The same, with its instant in UTC.
    pub fn in_utc(&self) -> Self {
        let mut same = self.clone();
        let at: &mut DateTime<FixedOffset> = match &mut same {
            Self::Invoice(invoice) => &mut invoice.issued_at,
            Self::Interaction(interaction) => &mut interaction.occurred_at,
            Self::VehicleSale(sale) => &mut sale.delivered_at,
            Self::PartnerPurchase(purchase) => &mut purchase.occurred_at,
            Self::Refund(refund) => &mut refund.refunded_at,
            Self::Void(void) => &mut void.voided_at,
            Self::DayClose(_) => return same,
        };
        *at = at.to_utc().fixed_offset();
        same
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::samples::{interaction, invoice, purchase, refund, sale, void};

    #[test]
    fn what_is_kept_of_each_kind_is_read_again() {
        for (kind, content) in [
            ("invoice", Content::Invoice(invoice("R1"))),
            ("interaction", interaction("I1")),
            ("vehicle_sale", sale("V1")),
            ("partner_purchase", purchase("F1")),
            ("refund", refund("C1", "R1", 1, "200")),
            ("void", void("V1", "R1")),
        ] {
            let kept = serde_json::to_vec(&content).expect("json");
            assert_eq!(Content::restore(kind, &kept), Some(content.clone()), "{kind}");
            let data: Map<String, Value> = serde_json::from_slice(&kept).expect("an object");
            assert_eq!(Content::read(kind, &data), Some(Ok(content.clone())), "{kind}");
            assert!(data.contains_key(&content.at_pointer()[1..]), "{kind}");
            assert_eq!((content.in_utc().at(), content.in_utc().number()), (content.at(), content.number()), "{kind}");
        }
        assert_eq!(Content::read("sign_up", &Map::new()), None);
    }
}
