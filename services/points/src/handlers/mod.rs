//! One file an inbound event.

pub mod accrual_assessed;
pub mod invoice_accepted;

use uuid::Uuid;

use jifen_runtime::{Ctx, Outbox};

/// Where a batch's ids come from.
fn ids<'a>(cx: &'a Ctx, out: &Outbox) -> impl FnMut() -> Uuid + 'a {
    let now = out.now();
    move || cx.ids.next(now)
}
