//! From the ledger's words to the contract's.

use jifen_contracts::event::{AccrualSettled, AccrualSource, Balance, Earned, InvoiceAccepted, PostedEntry};
use jifen_kernel::Points;

use crate::{
    domain::{account::Entry, post_invoice::Valued},
    store::accruals::Settling,
};

/// Base posted.
pub fn earned(invoice: &InvoiceAccepted, valued: &Valued, first_spending: Points) -> Earned {
    Earned {
        store: invoice.store.clone(),
        document: invoice.invoice_no.clone(),
        member_id: invoice.member_id,
        member_no: invoice.member_no.clone(),
        issued_at: invoice.issued_at,
        business_date: invoice.business_date,
        received_at: invoice.received_at,
        program_version: invoice.program_version,
        categories: valued.base.categories.clone(),
        first_spending,
        vehicle: invoice.vehicle.clone(),
        visit: valued.base.visit,
        paid_visit: valued.base.paid_visit,
    }
}

/// An entry, as others see it.
pub fn posted_entry(entry: &Entry) -> PostedEntry {
    PostedEntry {
        entry_id: entry.movement.entry_id,
        kind: entry.movement.kind,
        rule: entry.movement.rule.clone(),
        category: entry.movement.category.clone(),
        points: entry.movement.points,
        qualifying: entry.qualifying,
        pending: entry.pending,
    }
}

/// Base and bonus in one.
pub fn accrual_settled(accrual: &Settling, entries: Vec<PostedEntry>, balance: Balance) -> AccrualSettled {
    AccrualSettled {
        source: AccrualSource::Invoice,
        store: accrual.open.store.clone(),
        document: accrual.open.document.clone(),
        member_id: accrual.member_id,
        member_no: accrual.member_no.clone(),
        issued_at: accrual.issued_at,
        business_date: accrual.business_date,
        program_version: accrual.program_version,
        vehicle: accrual.vehicle.clone(),
        visit: accrual.visit,
        paid_visit: accrual.paid_visit,
        categories: accrual.open.categories.clone(),
        entries,
        balance,
    }
}
