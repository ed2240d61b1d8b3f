//! Atomic batches: the messages of a commit in one stream, stored by the broker together or not at all, and acknowledged
//! once.
//!
//! A batch costs the broker files of its own, so it is only worth it where every write is synced: one sync a batch then,
//! instead of one a message. Whatever it refuses is published message by message, which is always right.

use async_nats::Client;
use serde::Deserialize;
use uuid::Uuid;

use crate::{limits, outbox::OutRow};

#[derive(Deserialize)]
struct Answer {
    seq: Option<u64>,
    count: Option<usize>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    description: String,
}

/// True for a number of messages that is worth a batch, and that the broker takes as one.
pub(crate) fn is_worth(messages: usize) -> bool {
    (limits::ATOMIC_FROM..=limits::ATOMIC_TO).contains(&messages)
}

/// Publishes rows of one stream as one batch, in their order. Gives the sequence of the last; those before it have the
/// sequences before it.
pub(crate) async fn publish(client: &Client, batch: Uuid, rows: &[&OutRow]) -> Result<u64, String> {
    let batch = batch.simple().to_string();
    for (row, place) in rows.iter().zip(1..) {
        let mut headers = row.headers.clone();
        headers.insert("Nats-Batch-Id", batch.as_str());
        headers.insert("Nats-Batch-Sequence", place.to_string());
        if place < rows.len() {
            client.publish_with_headers(row.subject.clone(), headers, row.payload.clone()).await.map_err(|error| error.to_string())?;
            continue;
        }
        headers.insert("Nats-Batch-Commit", "1");
        let answer = client.request_with_headers(row.subject.clone(), headers, row.payload.clone()).await;
        return read(&answer.map_err(|error| error.to_string())?.payload, rows.len());
    }
    Err("a batch of nothing".to_owned())
}

fn read(answer: &[u8], messages: usize) -> Result<u64, String> {
    let answer: Answer = serde_json::from_slice(answer).map_err(|error| format!("an answer that is none: {error}"))?;
    match answer {
        Answer { error: Some(refusal), .. } => Err(refusal.description),
        Answer { seq: Some(last), count: Some(count), .. } if count == messages => Ok(last),
        Answer { count, .. } => Err(format!("the broker took {count:?} of {messages} messages")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_batch_counts() {
        assert_eq!(read(br#"{"stream":"EVENTS","seq":12,"batch":"b","count":3}"#, 3), Ok(12));
        assert!(read(br#"{"stream":"EVENTS","seq":12,"batch":"b","count":2}"#, 3).is_err());
        // A server that knows no batches stores the last message alone and says so.
        assert!(read(br#"{"stream":"EVENTS","seq":12}"#, 3).is_err());
        let refused = read(br#"{"error":{"code":400,"err_code":10201,"description":"duplicate"}}"#, 3);
        assert_eq!(refused, Err("duplicate".to_owned()));
        assert!(read(b"nonsense", 3).is_err());
    }
}
