//! `ingest.invoice_voided`: everything that the invoice gave is taken back.

use jifen_contracts::event::InvoiceVoided;
use jifen_runtime::{BatchHandler, Ctx, Event, Failure, Fates, Incoming, Outbox};
use sqlx::PgConnection;

use super::{correct::claim_and_apply, invoice_refunded::known};
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
        claim_and_apply(cx, tx, &known, out).await?;
        Ok(fates)
    }
}
