//! Documents of stores. Read by hand from JSON, not by derived decoding, so that every refusal has a stable
//! code and the place of the fault.

mod invoice;
mod reader;
pub(crate) mod schema;

pub use invoice::{Customer, Invoice, Line, Payer, Reduction, ReductionKind};
pub use reader::{Fault, MAX_DOCUMENT_BYTES, MAX_LINES, Opened, open};

/// The kinds of document that the contract knows, as in the subject.
pub const KINDS: [&str; 8] = ["invoice", "refund", "void", "vehicle_sale", "interaction", "partner_purchase", "sign_up", "day_close"];
