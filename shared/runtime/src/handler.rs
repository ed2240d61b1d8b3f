//! What a service implements for what it reads: functions over a set.

use std::future::Future;

use jifen_contracts::{Envelope, EventType, envelope};
use sqlx::PgConnection;

use crate::{
    Ctx, Failure, Outbox, Poison,
    message::{Cause, RawMessage},
};

/// A decoded message of a batch.
#[derive(Debug)]
pub struct Incoming<T> {
    /// What was decoded.
    pub item: T,
    /// What its effects inherit.
    pub cause: Cause,
    /// The message itself.
    pub raw: RawMessage,
}

/// How a message becomes an item.
pub trait Decode: Sized + Send + Sync + 'static {
    /// Reads it, or says why nobody ever can.
    fn decode(raw: &RawMessage) -> Result<(Self, Cause), Poison>;
}

/// A structured event of a service.
#[derive(Debug)]
pub struct Event<T> {
    /// The event's own id.
    pub id: uuid::Uuid,
    /// Its order among the events about the same thing, if it has one.
    pub sequence: Option<i64>,
    /// When it was published.
    pub time: chrono::DateTime<chrono::Utc>,
    /// Its content.
    pub data: T,
}

impl<T: EventType> Decode for Event<T> {
    fn decode(raw: &RawMessage) -> Result<(Self, Cause), Poison> {
        let event: Envelope<T> = serde_json::from_slice(&raw.payload)
            .map_err(|e| Poison::undecodable(format!("not a {} event: line {} column {}", T::type_name(), e.line(), e.column())))?;
        if event.kind != T::type_name() {
            return Err(Poison::undecodable(format!("type is not {}", T::type_name())));
        }
        let cause = Cause::of_event(event.id, event.correlationid.as_deref(), event.traceparent.as_deref());
        let sequence = event.sequence.as_deref().and_then(envelope::sequence_of);
        Ok((Self { id: event.id, sequence, time: event.time, data: event.data }, cause))
    }
}

/// The fates that differ from "done", by the item's place in the batch. Everything not named here is done with COMMIT.
#[derive(Debug, Default)]
pub struct Fates {
    /// To come again later, and why.
    pub retry: Vec<(usize, String)>,
    /// To be set aside.
    pub poison: Vec<(usize, Poison)>,
}

impl Fates {
    /// All done.
    pub fn done() -> Self {
        Self::default()
    }
}

/// Handles sets of one kind of message. `handle` runs between BEGIN and COMMIT; it may be called again with the same
/// messages, with a part of them, or with them in another order, and its effects must count once.
pub trait BatchHandler: Send + Sync + 'static {
    /// What it reads.
    type Item: Decode;
    /// What it asks others for before BEGIN.
    type Prepared: Send + Sync;

    /// Asks other services for the whole batch, before any lock is held.
    fn prepare(&self, cx: &Ctx, batch: &[Incoming<Self::Item>]) -> impl Future<Output = Result<Self::Prepared, Failure>> + Send;

    /// Claims, loads, decides and saves; what shall be published goes into `out`.
    fn handle(
        &self,
        cx: &Ctx,
        tx: &mut PgConnection,
        batch: &[Incoming<Self::Item>],
        prepared: &Self::Prepared,
        out: &mut Outbox,
    ) -> impl Future<Output = Result<Fates, Failure>> + Send;
}
