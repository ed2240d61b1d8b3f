//! notification: what became of messages, and what staff shall do.

use chrono::{DateTime, NaiveDate, Utc};
use jifen_kernel::{MemberId, StoreCode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{EventType, program::TaskKind};

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

/// notification: staff of a store shall do something for a member. Published once for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct StaffTaskDue {
    /// The task's own id.
    pub task_id: Uuid,
    /// What is to be done.
    pub kind: TaskKind,
    /// Whose staff.
    pub store: StoreCode,
    /// For whom.
    pub member_id: MemberId,
    /// The number on the card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_no: Option<String>,
    /// First local day.
    pub due: NaiveDate,
    /// Last local day.
    pub until: NaiveDate,
    /// What it rests on: the number of an invoice of that store, the year of a birthday, the day of a lower tier.
    pub about: String,
    /// When it was found.
    pub at: DateTime<Utc>,
}
event!(StaffTaskDue, "notification", "staff_task", |event| Some(&event.store));
