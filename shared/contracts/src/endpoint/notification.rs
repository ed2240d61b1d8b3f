//! notification: messages by state, one member's, how a text reads, and an end of advertising.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{CountsReply, Empty, Endpoint};
use crate::{
    notify::{Channel, MessageClass},
    program::MessageKind,
};

endpoint!(
    /// Messages: `<kind>/<state>`.
    NotificationCounts = "api.notification.send.counts", Empty => CountsReply
);

/// Which message shall be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PreviewRequest {
    /// What it tells.
    pub kind: MessageKind,
    /// The way; the first of the kind's own order if not given.
    #[serde(default)]
    pub channel: Option<Channel>,
    /// `zh` or `en`; Chinese if not given.
    #[serde(default)]
    pub language: Option<String>,
    /// Values of parameters; a sample stands for each that is not given.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
}

/// How it reads in the newest version of the program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PreviewReply {
    /// That version.
    pub version: u32,
    /// The way.
    pub channel: Channel,
    /// How law and consent bind it.
    pub class: MessageClass,
    /// The provider's template.
    pub template: String,
    /// The parameters, cut as they would be.
    pub params: BTreeMap<String, String>,
    /// The data fields of a WeChat subscription message.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
    /// The text.
    pub text: String,
    /// Its characters.
    pub chars: u32,
}

endpoint!(
    /// How a message reads.
    MessagePreview = "api.notification.message.preview", PreviewRequest => PreviewReply
);

/// Whose messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HistoryRequest {
    /// The number on the card.
    pub member_no: String,
    /// At most 200; 50 if not given.
    #[serde(default)]
    pub limit: Option<u32>,
}

/// A message, or the reason why there was none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HistoryMessage {
    /// The command's id.
    pub notification_id: Uuid,
    /// What it tells.
    pub kind: String,
    /// The way.
    pub channel: String,
    /// Counts the ways tried for one occasion, from 1.
    pub attempt: u32,
    /// The store concerned.
    pub store: String,
    /// How far it came: `waiting`, `commanded`, `suppressed`, or what the gateway said last.
    pub state: String,
    /// Why nothing was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The member had it after all, after another way was tried.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub delivered_late: bool,
    /// The program whose text it is.
    pub program_version: u32,
    /// When it was decided upon.
    pub created_at: DateTime<Utc>,
    /// When it is due, if it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<DateTime<Utc>>,
    /// The gateway's last word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported_at: Option<DateTime<Utc>>,
}

/// Messages of a member, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HistoryReply {
    /// As many as were asked for.
    pub messages: Vec<HistoryMessage>,
}

endpoint!(
    /// What a member was told, without a personal value.
    for_stores = true, MessageHistory = "api.notification.message.history", HistoryRequest => HistoryReply
);

/// Who wants no more messages of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct OptOutRequest {
    /// The caller's id of this operation.
    pub operation_id: String,
    /// The number on the card.
    pub member_no: String,
    /// On which way.
    pub channel: Channel,
    /// `service` or `promotion`; advertising if not given.
    #[serde(default)]
    pub purpose: Option<String>,
}

/// That way is closed for that purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct OptOutReply {
    /// The number on the card.
    pub member_no: String,
    /// The way.
    pub channel: Channel,
    /// The purpose.
    pub purpose: String,
}

endpoint!(
    /// Mutating. Ends messages of one purpose on one way: `member` takes the consent back.
    for_stores = true, MessageOptOut = "api.notification.message.opt_out", OptOutRequest => OptOutReply
);
