//! Everything that enters points.

use jifen_runtime::Service;

use crate::{
    endpoints::{Account, Counts, Entries},
    handlers::{accrual_assessed::AccrualAssessedHandler, invoice_accepted::InvoiceAcceptedHandler},
};

/// The service with its entrances.
pub fn service() -> Service {
    Service::new("points")
        .reads_event("points_invoice_accepted", InvoiceAcceptedHandler)
        .reads_event("points_accrual_assessed", AccrualAssessedHandler)
        .answers(Account)
        .answers(Entries)
        .answers(Counts)
}
