//! `pos.v1.>`: documents of stores.

use jifen_runtime::{
    BatchHandler, Ctx, Decode, Failure, Fates, Incoming, Outbox, Poison,
    crypto::sha256,
    message::{Cause, RawMessage},
    trace::TraceContext,
};
use sqlx::PgConnection;

use super::{
    intake::{Hashes, Submission, take_in},
    knows_the_rules,
};
use crate::domain::{fate::Arrival, received::Received};

/// A message of a store. Reading it never fails: being unreadable is an outcome, with a receipt.
#[derive(Debug)]
pub struct RawDocument {
    received: Received,
    sha256: [u8; 32],
}

impl Decode for RawDocument {
    fn decode(raw: &RawMessage) -> Result<(Self, Cause), Poison> {
        let received = Received::read(&raw.subject, &raw.payload);
        let cause = cause_of(&received);
        Ok((Self { received, sha256: sha256(&raw.payload) }, cause))
    }
}

/// What the effects of a document inherit from its envelope.
pub fn cause_of(received: &Received) -> Cause {
    Cause {
        id: received.event_id.clone(),
        correlation: received.event_id.clone(),
        trace: received.traceparent.as_deref().and_then(TraceContext::parse),
    }
}

/// Takes documents in.
#[derive(Debug)]
pub struct Documents;

type Batch = [Incoming<RawDocument>];

impl BatchHandler for Documents {
    type Item = RawDocument;
    type Prepared = Vec<Option<Hashes>>;

    /// Hashing is the dear part of a document's way: it is done before any row is locked.
    async fn prepare(&self, cx: &Ctx, batch: &Batch) -> Result<Self::Prepared, Failure> {
        batch.iter().map(|incoming| Hashes::of(cx, &incoming.item.received)).collect()
    }

    async fn handle(
        &self,
        cx: &Ctx,
        tx: &mut PgConnection,
        batch: &Batch,
        prepared: &Self::Prepared,
        out: &mut Outbox,
    ) -> Result<Fates, Failure> {
        if !knows_the_rules(cx) {
            let retry = (0..batch.len()).map(|place| (place, "the program is not known yet".to_owned())).collect();
            return Ok(Fates { retry, ..Fates::default() });
        }
        let mut submissions: Vec<Submission<'_>> =
            batch.iter().zip(prepared).map(|(incoming, hashes)| submission(incoming, hashes.as_ref())).collect();
        // Whoever came first in the stream was first, in whatever order the batch was handed out.
        submissions.sort_by_key(|submission| submission.arrival);
        take_in(cx, tx, &submissions, out).await?;
        Ok(Fates::done())
    }
}

fn submission<'a>(incoming: &'a Incoming<RawDocument>, hashes: Option<&'a Hashes>) -> Submission<'a> {
    Submission {
        received: &incoming.item.received,
        bytes: &incoming.raw.payload,
        sha256: incoming.item.sha256,
        hashes,
        arrival: Arrival::new(incoming.raw.stream_sequence, incoming.raw.stored_at),
        cause: incoming.cause.clone(),
        resubmitted: false,
    }
}
