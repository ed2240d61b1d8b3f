//! notification: what became of messages.

use chrono::{DateTime, Utc};
use jifen_kernel::{MemberId, StoreCode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::EventType;

/// notification: a gateway says that the member has the message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct NotificationDelivered {
    /// The command's id.
    pub notification_id: Uuid,
    /// Who.
    pub member_id: MemberId,
    /// The message's kind.
    pub kind: String,
    /// The channel it went by.
    pub channel: String,
    /// When.
    pub at: DateTime<Utc>,
}
event!(NotificationDelivered, "notification", "delivered", |_| None);

/// notification: a gateway says that the message will not arrive (failed or expired).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct NotificationFailed {
    /// The command's id.
    pub notification_id: Uuid,
    /// Who.
    pub member_id: MemberId,
    /// The message's kind.
    pub kind: String,
    /// The channel it went by.
    pub channel: String,
    /// The provider's code.
    pub code: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}
event!(NotificationFailed, "notification", "failed", |_| None);
