//! `pos.v1.>`: documents of stores.

use jifen_contracts::{
    document::{SignUp, StoreDocument},
    subject::parse_pos,
};
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
    /// With the SHA-256 of its bytes. Nothing of a document that another service reads, and sends the receipt of: it is known
    /// by its subject, and not decoded here.
    ours: Option<(Received, [u8; 32])>,
}

impl Decode for RawDocument {
    fn decode(raw: &RawMessage) -> Result<(Self, Cause), Poison> {
        if parse_pos(&raw.subject).is_some_and(|(_, kind)| kind == SignUp::KIND) {
            return Ok((Self { ours: None }, Cause::default()));
        }
        let received = Received::read(&raw.subject, &raw.payload);
        let cause = cause_of(&received);
        Ok((Self { ours: Some((received, sha256(&raw.payload))) }, cause))
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
        let hashes = |incoming: &Incoming<RawDocument>| match &incoming.item.ours {
            Some((received, _)) => Hashes::of(cx, received),
            None => Ok(None),
        };
        batch.iter().map(hashes).collect()
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
            let ours = batch.iter().enumerate().filter(|(_, incoming)| incoming.item.ours.is_some());
            let retry = ours.map(|(place, _)| (place, "the program is not known yet".to_owned())).collect();
            return Ok(Fates { retry, ..Fates::default() });
        }
        let mut submissions: Vec<Submission<'_>> =
            batch.iter().zip(prepared).filter_map(|(incoming, hashes)| submission(incoming, hashes.as_ref())).collect();
        if submissions.is_empty() {
            return Ok(Fates::done());
        }
        // Whoever came first in the stream was first, in whatever order the batch was handed out.
        submissions.sort_by_key(|submission| submission.arrival);
        take_in(cx, tx, &submissions, out).await?;
        Ok(Fates::done())
    }
}

fn submission<'a>(incoming: &'a Incoming<RawDocument>, hashes: Option<&'a Hashes>) -> Option<Submission<'a>> {
    let (received, sha256) = incoming.item.ours.as_ref()?;
    Some(Submission {
        received,
        bytes: &incoming.raw.payload,
        sha256: *sha256,
        hashes,
        arrival: Arrival::new(incoming.raw.stream_sequence, incoming.raw.stored_at),
        cause: incoming.cause.clone(),
        resubmitted: false,
    })
}
