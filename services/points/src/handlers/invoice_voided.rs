//! `ingest.invoice_voided`: everything that the invoice gave is taken back, and what was spent for it comes back.

use jifen_contracts::event::InvoiceVoided;
use jifen_runtime::{BatchHandler, Ctx, Event, Failure, Fates, Incoming, Outbox};
use sqlx::PgConnection;

use super::{
    correct::claim_and_apply,
    invoice_refunded::known,
    return_captured::{find_captured, meet, return_captured},
};
use crate::store::corrections::Correction;

/// Applies voids and replacements.
pub struct InvoiceVoidedHandler;

type Batch = [Incoming<Event<InvoiceVoided>>];

impl BatchHandler for InvoiceVoidedHandler {
    type Item = Event<InvoiceVoided>;
    type Prepared = ();

    async fn prepare(&self, _: &Ctx, _: &Batch) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(&self, cx: &Ctx, tx: &mut PgConnection, batch: &Batch, (): &(), out: &mut Outbox) -> Result<Fates, Failure> {
        let (known, fates) = known(cx, batch, |item| Correction::Void(item.data.clone()));
        let voided: Vec<_> = batch.iter().map(|incoming| (&incoming.item.data, &incoming.cause)).collect();
        meet(tx, &voided, out).await?;
        // Who earned and who spent may be different members: all of them are locked at once, in their order.
        let captured = find_captured(tx, &voided).await?;
        let spenders = captured.values().map(|hold| (hold.member_id, "")).collect();
        let accounts = claim_and_apply(cx, tx, &known, &spenders, out).await?;
        return_captured(cx, tx, &voided, (captured, accounts), out).await?;
        Ok(fates)
    }
}
