//! CloudEvents 1.0, structured JSON.

use chrono::{DateTime, Utc};
use jifen_kernel::StoreCode;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::subject;

/// The content type of every structured message.
pub const CONTENT_TYPE: &str = "application/cloudevents+json";

/// The data of one kind of event.
pub trait EventType: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The service that publishes it.
    const SERVICE: &'static str;
    /// Its name in the subject.
    const NAME: &'static str;

    /// The CloudEvents type, `jifen.points.earned.v1`.
    fn type_name() -> String {
        format!("jifen.{}.{}.v1", Self::SERVICE, Self::NAME)
    }

    /// The filter that finds it, whatever the store.
    fn filter() -> String {
        format!("evt.{}.{}.v1.*", Self::SERVICE, Self::NAME)
    }

    /// The store in its subject.
    fn store(&self) -> Option<&StoreCode>;

    /// Where it is published.
    fn subject(&self) -> String {
        subject::event(Self::SERVICE, Self::NAME, self.store())
    }
}

/// A CloudEvent with its extensions. Unknown attributes are tolerated and dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Envelope<T> {
    /// Always `1.0`.
    pub specversion: String,
    /// Unique for ever; also `Nats-Msg-Id`.
    pub id: Uuid,
    /// `/jifen/points` and the like.
    pub source: String,
    /// `jifen.points.earned.v1` and the like.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it was published.
    pub time: DateTime<Utc>,
    /// Always `application/json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datacontenttype: Option<String>,
    /// Order of state-carrying events of one subject of interest: a zero-padded number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<String>,
    /// The event that caused this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causationid: Option<String>,
    /// The first cause of the chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlationid: Option<String>,
    /// The store concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storeid: Option<String>,
    /// W3C trace context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The content.
    pub data: T,
}

/// `sequence` as it travels: compared as text, hence 20 digits.
pub fn sequence_text(sequence: i64) -> String {
    format!("{sequence:020}")
}

/// Reads a `sequence` attribute.
pub fn sequence_of(text: &str) -> Option<i64> {
    text.parse().ok()
}
