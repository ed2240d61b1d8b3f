//! From the ledger's words to the contract's.

mod ends;
pub mod till;

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::event::{
    AccrualSettled, AccrualSource, Balance, CategoryPaid, CorrectionKind, Earned, FlagReason, Flagged, InvoiceAccepted, OffsetDifference,
    PostedEntry, Reversed, ReversedAccrual, ReversedEntry, Sealed,
};
use jifen_kernel::{Points, StoreCode};
use jifen_proof::Seal;

use crate::{
    domain::{
        account::{Account, Entry, Movement},
        activation::PendingEntry,
        correct::{Change, Given, Taken},
        direct::DirectAccrual,
        ending::EXPIRED,
        net::{Correcting, paid_less},
        post_invoice::Valued,
        review::UnderReview,
    },
    store::{
        accruals::Settling,
        corrections::Standing,
        offsets::{Difference, Paid},
    },
};

pub use ends::*;

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
        replaces: invoice.replaces.clone(),
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
        qualifying: entry.movement.qualifying,
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
        business_date: accrual.open.business_date,
        program_version: accrual.program_version,
        vehicle: accrual.vehicle.clone(),
        visit: accrual.visit,
        paid_visit: accrual.paid_visit,
        categories: accrual.open.categories.clone(),
        entries,
        balance,
    }
}

/// An accrual without a campaign's step.
pub fn direct_settled(accrual: &DirectAccrual, entries: &[Entry], balance: Balance) -> AccrualSettled {
    AccrualSettled {
        source: accrual.source,
        store: accrual.store.clone(),
        document: accrual.document.clone(),
        member_id: accrual.member_id,
        member_no: accrual.member_no.clone(),
        issued_at: accrual.occurred_at,
        business_date: accrual.business_date,
        program_version: accrual.program_version,
        vehicle: None,
        visit: false,
        paid_visit: false,
        categories: Vec::new(),
        entries: entries.iter().map(posted_entry).collect(),
        balance,
    }
}

/// What a correction took back of an invoice; `None` if it changes nothing.
pub fn reversed(standing: &Standing, account: &Account, change: &Change<'_>, taken: &[Taken], at: DateTime<Utc>) -> Option<Reversed> {
    let Change { before, after, by, .. } = *change;
    let paid: Vec<CategoryPaid> = paid_less(before, after).into_iter().map(|(category, paid)| CategoryPaid { category, paid }).collect();
    let (visit_lost, paid_visit_lost) = (before.visit && !after.visit, before.paid_visit && !after.paid_visit);
    if taken.is_empty() && paid.is_empty() && !visit_lost && !paid_visit_lost {
        return None;
    }
    Some(Reversed {
        correction: by.kind,
        number: Some(by.number.clone()),
        source: AccrualSource::Invoice,
        store: standing.store.clone(),
        document: standing.document.clone(),
        member_id: account.member_id,
        member_no: account.member_no.clone(),
        at,
        business_date: standing.business_date,
        entries: reversed_entries(taken, (AccrualSource::Invoice, standing.store.as_str(), &standing.document)),
        left: if paid.is_empty() { Vec::new() } else { after.categories.clone() },
        paid,
        vehicle: standing.vehicle.clone(),
        visit_lost,
        paid_visit_lost,
        balance: account.balance,
    })
}

/// Of an event about this accrual.
fn reversed_entries(taken: &[Taken], own: (AccrualSource, &str, &str)) -> Vec<ReversedEntry> {
    let pairs = taken.iter().flat_map(|taken| taken.entries.iter().map(move |entry| (&taken.of, entry)));
    let entry = |(of, entry): (&Given, &Entry)| ReversedEntry {
        entry_id: entry.movement.entry_id,
        reverses: of.movement.entry_id,
        kind: of.movement.kind,
        rule: of.movement.rule.clone(),
        category: of.movement.category.clone(),
        points: entry.movement.points,
        qualifying: of.movement.qualifying,
        pending: of.pending,
        breakage_of: (entry.debit == EXPIRED).then(|| entry.movement.store.clone()),
        accrual: another_than(own, &of.movement),
    };
    pairs.map(entry).collect()
}

/// What brought an entry, unless it was this accrual.
fn another_than(own: (AccrualSource, &str, &str), movement: &Movement) -> Option<ReversedAccrual> {
    let accrual = || ReversedAccrual { source: movement.source, store: movement.store.clone(), document: movement.document.clone() };
    ((movement.source, movement.store.as_str(), movement.document.as_str()) != own).then(accrual)
}

/// Somebody refused pending points of a document; `None` where nothing went back.
pub fn rejected(account: &Account, of: &UnderReview, by: &Correcting, taken: &[Taken], at: DateTime<Utc>) -> Option<Reversed> {
    if taken.is_empty() {
        return None;
    }
    Some(Reversed {
        correction: by.kind,
        number: Some(by.number.clone()),
        source: of.source,
        store: StoreCode::try_new(of.store.as_str()).ok()?,
        document: of.document.clone(),
        member_id: account.member_id,
        member_no: account.member_no.clone(),
        at,
        business_date: of.business_date,
        entries: reversed_entries(taken, (of.source, of.store.as_str(), &of.document)),
        paid: Vec::new(),
        left: Vec::new(),
        vehicle: None,
        visit_lost: false,
        paid_visit_lost: false,
        balance: account.balance,
    })
}

/// A bill says that points paid something else than was captured for it.
pub fn offset_differs(paid: &Paid, (_, said, captured, worth): &Difference, at: DateTime<Utc>) -> Flagged {
    Flagged {
        reason: FlagReason::OffsetDiffers,
        store: paid.store.clone(),
        document: paid.document.clone(),
        by: paid.captured.keys().next().map(ToString::to_string).unwrap_or_default(),
        offset: Some(OffsetDifference { said: *said, captured: *captured, worth: *worth }),
        member_id: paid.member_id,
        member_no: paid.member_no.clone(),
        at,
    }
}

/// A person should look at an invoice.
pub fn flagged(standing: &Standing, reason: FlagReason, by: &str, at: DateTime<Utc>) -> Flagged {
    Flagged {
        reason,
        store: standing.store.clone(),
        document: standing.document.clone(),
        by: by.to_owned(),
        offset: None,
        member_id: standing.member_id,
        member_no: standing.member_no.clone(),
        at,
    }
}

/// What lapsed of one document: entries taken back, with those that they take back.
pub fn lapsed(account: &Account, business_date: NaiveDate, taken: &[(&PendingEntry, &Entry)], at: DateTime<Utc>) -> Option<Reversed> {
    let document = &taken.first()?.0.movement;
    let entry = |(posted, lapse): &(&PendingEntry, &Entry)| ReversedEntry {
        entry_id: lapse.movement.entry_id,
        reverses: posted.movement.entry_id,
        kind: posted.movement.kind,
        rule: posted.movement.rule.clone(),
        category: posted.movement.category.clone(),
        points: posted.movement.points,
        qualifying: posted.movement.qualifying,
        pending: true,
        breakage_of: None,
        accrual: None,
    };
    Some(Reversed {
        correction: CorrectionKind::Lapse,
        number: None,
        source: document.source,
        store: document.store.clone(),
        document: document.document.clone(),
        member_id: account.member_id,
        member_no: account.member_no.clone(),
        at,
        business_date,
        entries: taken.iter().map(entry).collect(),
        paid: Vec::new(),
        left: Vec::new(),
        vehicle: None,
        visit_lost: false,
        paid_visit_lost: false,
        balance: account.balance,
    })
}

/// A seal, as others keep it.
pub fn sealed(seal: &Seal) -> Sealed {
    let said = &seal.statement;
    Sealed {
        seal: said.seal,
        at: said.at,
        previous: said.previous.to_string(),
        root: said.root.to_string(),
        leaves: said.leaves,
        key: seal.key.to_string(),
        signature: seal.signature.into(),
    }
}
