//! A message as it came from the broker, and what is known about it besides its content.

use chrono::{DateTime, Utc};
use jifen_contracts::subject;
use uuid::Uuid;

use crate::trace::TraceContext;

/// The bytes and where they came from.
#[derive(Debug, Clone)]
pub struct RawMessage {
    /// Where it was published.
    pub subject: String,
    /// The content.
    pub payload: bytes::Bytes,
    /// Its place in the stream.
    pub stream_sequence: u64,
    /// When the broker stored it.
    pub stored_at: DateTime<Utc>,
    /// How often it was handed out, this time included.
    pub deliveries: i64,
}

impl RawMessage {
    /// The stream it stands in.
    pub fn stream(&self) -> &'static str {
        subject::stream_of(&self.subject).unwrap_or("?")
    }
}

/// What is passed from a cause to its effects.
#[derive(Debug, Clone, Default)]
pub struct Cause {
    /// The message that caused it.
    pub id: Option<String>,
    /// The first of the chain.
    pub correlation: Option<String>,
    /// Its trace.
    pub trace: Option<TraceContext>,
}

impl Cause {
    /// Of an event: its chain goes on, or begins with it.
    pub fn of_event(id: Uuid, correlation: Option<&str>, traceparent: Option<&str>) -> Self {
        Self {
            id: Some(id.to_string()),
            correlation: Some(correlation.map_or_else(|| id.to_string(), str::to_owned)),
            trace: traceparent.and_then(TraceContext::parse),
        }
    }
}
