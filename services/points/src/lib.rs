//! points: the ledger. Accounts, lots and entries; the only service that moves a point.
//!
//! ```text
//! ingest.invoice_accepted ──> invoice_accepted: base points, first spending ──> points.earned
//! ingest.invoice_refunded, ingest.invoice_voided ─> correct: taken back ──────> points.reversed
//! campaign.accrual_assessed ─> accrual_assessed: bonus or none ──────────────> points.accrual_settled
//! ingest.interaction_recorded, ingest.partner_purchase_recorded,
//! campaign.bonus_granted ────> direct: posted and settled at once ───────────> points.accrual_settled
//! member.activated ──────────> member_activated: pending becomes active
//! api.points.hold.* ─────────> hold, resolve: reserved, spent, given back ───> points.held, captured, released
//! (every second) ────────────> holds: what is held too long comes back ──────> points.released
//! ingest.invoice_voided ─────> return_captured: what paid for it comes back ─> points.returned
//! (daily) ───────────────────> expiry: what ended, and reminders ────────────> points.expired, points.expiring
//! (a paid visit, staff) ─────> activity, lots: what had ended lives again ────> points.revived
//! api.points.pending.* ──────> review: pending points let go, or refused ────> points.activated, points.reversed
//! (every minute) ────────────> seal: signed roots over chains that grew ──────> points.sealed, and a file
//! (as seals come, daily) ────> settle: what stores owe each other, months closed
//! (daily) ───────────────────> lapse: what is pending too long goes back ────> points.reversed
//! (daily) ───────────────────> offsets: bills against what was captured ─────> points.flagged
//! ```
//!
//! Every accepted invoice is announced by `earned`, also with 0 points; campaign answers every one of them, and the answer
//! closes the accrual. So nobody waits on a timer, and one message carries base and bonus.
//!
//! Reading order: [`inbound`], [`handlers`], [`endpoints`], [`till`], [`jobs`], [`domain`], [`store`], [`outbound`].
//!
//! **Locks.** First the invoices that captures and voids name (`spent_document`), then claims (`correction` rows, then `accrual` rows, each in the order of their keys), then accounts (in the order of
//! `member_id`, new members behind known ones), then partners' budgets (in the order of their codes). Entries, lots and the claims of
//! accruals without an invoice are written under their account's lock.

pub mod audit;
pub mod domain;
mod endpoints;
mod handlers;
mod inbound;
pub mod jobs;
mod outbound;
pub mod settlement;
mod store;
mod till;

use std::sync::LazyLock;

use sqlx::migrate::Migrator;

pub use endpoints::{
    CaptureHold, CreateAdjustment, CreateHold, Decide, ExtendHold, Freeze, ImportLots, RejectPending, ReleaseHold, ReleasePending,
};
pub use handlers::{
    accrual_assessed::AccrualAssessedHandler, bonus_granted::BonusGrantedHandler, interaction_recorded::InteractionRecordedHandler,
    invoice_accepted::InvoiceAcceptedHandler, invoice_refunded::InvoiceRefundedHandler, invoice_voided::InvoiceVoidedHandler,
    member_activated::MemberActivatedHandler, partner_purchase_recorded::PartnerPurchaseRecordedHandler,
};
pub use inbound::service;
pub use jobs::{
    offsets::Offsets,
    seal::{ANCHORS, PURPOSE, Sealer},
    settle::{Closing, Summing},
};

/// The service's tables, behind the runtime's.
pub static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| jifen_runtime::with_runtime_tables(&sqlx::migrate!()));
