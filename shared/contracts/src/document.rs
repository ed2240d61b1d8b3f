//! Documents of stores. Read by hand from JSON, not by derived decoding, so that every refusal has a stable
//! code and the place of the fault.

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

mod customer;
mod day_close;
mod interaction;
mod invoice;
mod partner_purchase;
mod reader;
mod refund;
pub(crate) mod schema;
mod sign_up;
#[cfg(test)]
mod tests;
mod vehicle_sale;
mod void;

pub use customer::{Buyer, Customer};
pub use day_close::{DayClose, DayTotals};
pub use interaction::Interaction;
pub use invoice::{Invoice, Line, Payer, Reduction, ReductionKind};
pub use partner_purchase::{PartnerPurchase, is_partner_code};
pub use reader::{Fault, MAX_DOCUMENT_BYTES, MAX_LINES, Opened, open};
pub use refund::{Refund, RefundLine};
pub use sign_up::SignUp;
pub use vehicle_sale::VehicleSale;
pub use void::Void;

/// The kinds of document that the contract knows, as in the subject.
pub const KINDS: [&str; 8] = ["invoice", "refund", "void", "vehicle_sale", "interaction", "partner_purchase", "sign_up", "day_close"];

/// A kind of document that has a reader.
pub trait StoreDocument: Serialize + DeserializeOwned + JsonSchema {
    /// As in the subject.
    const KIND: &'static str;
    /// The field with its number.
    const NUMBER: &'static str;

    /// Reads a document's data, or says what is wrong and where.
    fn read(data: &Map<String, Value>) -> Result<Self, Fault>;
}

/// The field with the number of a kind's documents. Kinds whose reader isn't there yet have one, too: receipts name it.
pub fn number_field(kind: &str) -> Option<&'static str> {
    Some(match kind {
        Invoice::KIND => Invoice::NUMBER,
        VehicleSale::KIND => VehicleSale::NUMBER,
        Interaction::KIND => Interaction::NUMBER,
        PartnerPurchase::KIND => PartnerPurchase::NUMBER,
        SignUp::KIND => SignUp::NUMBER,
        "refund" => "refund_no",
        "void" => "void_no",
        "day_close" => "day",
        _ => return None,
    })
}
