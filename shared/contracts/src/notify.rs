//! Commands to gateways, and what gateways report.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The type attribute of a command's envelope.
pub const COMMAND_TYPE: &str = "jifen.notify.v1";

/// How strictly the law and the member's consent bind a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MessageClass {
    /// A code to prove a phone.
    Verify,
    /// About the member's own business.
    Service,
    /// Advertising: needs consent, respects quiet hours.
    Promotion,
}

impl MessageClass {
    /// As in programs and commands; of all but codes also the purpose of the consent that they need.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Service => "service",
            Self::Promotion => "promotion",
        }
    }
}

/// A way to a member: the second token of a command's subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// A text message.
    Sms,
    /// A subscription message of the group's WeChat account.
    Wechat,
    /// A push message of the group's app.
    App,
    /// E-mail.
    Email,
}

impl Channel {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Sms, Self::Wechat, Self::App, Self::Email];

    /// As in subjects, programs and consents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Wechat => "wechat",
            Self::App => "app",
            Self::Email => "email",
        }
    }

    /// Reads what [`Self::as_str`] wrote.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.as_str() == word)
    }
}

/// Where to: exactly one is set, that of the channel.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Recipient {
    /// `+8613800138000`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// The member at the group's WeChat account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wechat_openid: Option<String>,
}

impl std::fmt::Debug for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recipient(masked)")
    }
}

/// One message for one member: send it once, report what happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Command {
    /// Remember it until `not_after`: the same id again means repeat the receipt, send nothing.
    pub notification_id: Uuid,
    /// What it tells: a kind of the program's messages, `welcome`, `points_earned`.
    pub kind: String,
    /// How strictly law and consent bind it.
    pub class: MessageClass,
    /// Where to.
    pub to: Recipient,
    /// The signature that an SMS must carry.
    pub sign: String,
    /// The provider's template.
    pub template: String,
    /// The template's parameters, all texts within the providers' limits.
    pub params: BTreeMap<String, String>,
    /// The data fields of a WeChat subscription message, each within the limits of its type.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
    /// The language of text and parameters, `en`; Chinese if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// The text, rendered, for gateways without templates.
    pub text: String,
    /// Drop it after this instant.
    pub not_after: DateTime<Utc>,
}

/// How far a gateway came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// The provider took it.
    Accepted,
    /// The member has it.
    Delivered,
    /// It will not arrive.
    Failed,
    /// `not_after` passed.
    Expired,
    /// The gateway can't tell.
    Unknown,
}

impl DeliveryStatus {
    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
        }
    }
}

/// `gateway.v1.<channel>.receipt`, bare or structured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct GatewayReceipt {
    /// The command's.
    pub notification_id: Uuid,
    /// How far it came.
    pub status: DeliveryStatus,
    /// The provider's own id.
    #[serde(default)]
    pub provider_id: Option<String>,
    /// The provider's own code.
    #[serde(default)]
    pub code: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

/// `gateway.v1.<channel>.reply`, bare or structured: what a member answered to a message.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct GatewayReply {
    /// Who: the telephone number.
    pub from: String,
    /// The words, as they came.
    pub text: String,
    /// When.
    pub at: DateTime<Utc>,
}

impl std::fmt::Debug for GatewayReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GatewayReply(masked, {})", self.at)
    }
}
