//! What the broker is told about a message, and when one that could not be handled comes again.

use std::time::Duration;

use async_nats::jetstream::{AckKind, Message};
use rand::Rng;

use crate::limits;

pub(crate) async fn acknowledge(message: &Message, kind: AckKind) {
    // A lost ack is a redelivery, which claims absorb.
    if let Err(error) = message.ack_with(kind).await {
        tracing::debug!(%error, "an ack was not sent");
    }
}

pub(crate) async fn again(message: &Message, deliveries: i64) {
    let delay = retry_delay(deliveries, rand::rng().random_range(0..=250));
    acknowledge(message, AckKind::Nak(Some(delay))).await;
}

/// The wait before delivery number `deliveries` + 1: doubling from the first to the last, plus up to a quarter of jitter.
fn retry_delay(deliveries: i64, jitter_permille: u32) -> Duration {
    let doublings = u32::try_from(deliveries.clamp(1, 16) - 1).unwrap_or(0);
    let base = limits::RETRY_FIRST.saturating_mul(2_u32.saturating_pow(doublings)).min(limits::RETRY_LAST);
    base + base / 1000 * jitter_permille
}

/// How long a message has come again at its delivery number `deliveries`, at least.
pub(crate) fn waited(deliveries: i64) -> Duration {
    const GROWING: i64 = 16;
    let at_the_longest = u32::try_from(deliveries.saturating_sub(GROWING).max(0)).unwrap_or(u32::MAX);
    let growing: Duration = (1..deliveries.clamp(1, GROWING)).map(|delivery| retry_delay(delivery, 0)).sum();
    growing + limits::RETRY_LAST.saturating_mul(at_the_longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_and_end() {
        assert_eq!(retry_delay(1, 0), limits::RETRY_FIRST);
        assert_eq!(retry_delay(3, 0), limits::RETRY_FIRST * 4);
        assert_eq!(retry_delay(1_000_000, 0), limits::RETRY_LAST);
        assert!(retry_delay(1, 250) > limits::RETRY_FIRST);
        assert_eq!([0, 1].map(waited), [Duration::ZERO; 2]);
        assert_eq!(waited(4), limits::RETRY_FIRST * 7);
        assert_eq!(waited(1_016), waited(16) + limits::RETRY_LAST * 1_000);
    }
}
