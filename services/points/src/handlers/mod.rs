//! One file an inbound event.

pub mod accrual_assessed;
pub mod activity;
pub mod bonus_granted;
pub mod correct;
pub mod direct;
pub mod interaction_recorded;
pub mod invoice_accepted;
pub mod invoice_refunded;
pub mod invoice_voided;
pub mod late_bonus;
pub mod member_activated;
pub mod partner_purchase_recorded;
pub mod return_captured;

use uuid::Uuid;

use jifen_runtime::{Ctx, Outbox};

/// Where a batch's ids come from.
pub fn ids<'a>(cx: &'a Ctx, out: &Outbox) -> impl FnMut() -> Uuid + 'a {
    let now = out.now();
    move || cx.ids.next(now)
}
