//! `ingest.invoice_refunded`: what the net amounts don't give any longer is taken back.

use jifen_contracts::event::InvoiceRefunded;
use jifen_runtime::{BatchHandler, Ctx, Event, Failure, Fates, Incoming, Outbox};
use sqlx::PgConnection;

use super::correct::{Concerned, claim_and_apply};
use crate::store::corrections::{Caused, Correction};

/// Applies refunds.
pub struct InvoiceRefundedHandler;

type Batch = [Incoming<Event<InvoiceRefunded>>];

impl BatchHandler for InvoiceRefundedHandler {
    type Item = Event<InvoiceRefunded>;
    type Prepared = ();

    async fn prepare(&self, _: &Ctx, _: &Batch) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(&self, cx: &Ctx, tx: &mut PgConnection, batch: &Batch, (): &(), out: &mut Outbox) -> Result<Fates, Failure> {
        let read = |item: &Event<InvoiceRefunded>| Correction::Refund(Box::new(item.data.clone()));
        let (known, fates) = known(cx, batch, read);
        claim_and_apply(cx, tx, &known, &Concerned::new(), out).await?;
        Ok(fates)
    }
}

/// Corrections whose rules are known; the others come again.
pub(super) fn known<T>(cx: &Ctx, batch: &[Incoming<Event<T>>], read: impl Fn(&Event<T>) -> Correction) -> (Vec<Caused>, Fates) {
    let mut fates = Fates::done();
    let mut known = Vec::with_capacity(batch.len());
    for (place, incoming) in batch.iter().enumerate() {
        let correction = read(&incoming.item);
        let version = correction.program_version();
        if cx.programs.get(version).is_some() {
            known.push(Caused { correction, event_id: incoming.item.id, cause: incoming.cause.clone() });
        } else {
            fates.retry.push((place, format!("program version {version} isn't known yet")));
        }
    }
    (known, fates)
}
