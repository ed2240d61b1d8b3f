//! How messages become a batch.
//!
//! A batch costs much the same whatever its size, so what is on its way to us is waited for a moment; where nothing more
//! waits in the stream, nothing is waited for, and a single message goes at once.

use async_nats::jetstream::{
    AckKind, Message,
    consumer::pull::{self, MessagesError},
};
use futures_util::{FutureExt, StreamExt};
use tokio_util::sync::CancellationToken;

use crate::limits;

type Pulled = Result<Message, MessagesError>;

/// The next batch of at most `most` messages; none when the stream has ended or `stop` came first.
pub(crate) async fn next_batch(messages: &mut pull::Stream, most: usize, stop: &CancellationToken) -> Option<Vec<Pulled>> {
    let first = tokio::select! { () = stop.cancelled() => return None, first = messages.next() => first? };
    let mut batch = vec![first];
    let moment = tokio::time::sleep(limits::BATCH_LINGER);
    tokio::pin!(moment);
    while batch.len() < most && batch.last().is_some_and(Result::is_ok) {
        let next = match messages.next().now_or_never() {
            Some(next) => next,
            None if more_waits(&batch) => tokio::select! { next = messages.next() => next, () = &mut moment => break },
            None => break,
        };
        // The end of the stream is met again by the next call.
        let Some(next) = next else { break };
        batch.push(next);
    }
    Some(batch)
}

/// The broker says with every message how many it has not handed out yet.
fn more_waits(batch: &[Pulled]) -> bool {
    batch.last().and_then(|last| last.as_ref().ok()).and_then(|last| last.info().ok()).is_some_and(|info| info.pending > 0)
}

/// Gives messages that were pulled but not begun back to the other copies.
pub(crate) async fn hand_back(messages: &mut pull::Stream) {
    while let Some(Some(message)) = messages.next().now_or_never() {
        if let Ok(message) = message
            && let Err(error) = message.ack_with(AckKind::Nak(None)).await
        {
            tracing::debug!(%error, "a message was not handed back");
        }
    }
}
