//! What members are told, and what staff shall do: `messages.toml`.

use std::collections::BTreeMap;

use chrono::{Duration, NaiveTime};
use jifen_kernel::Token;
use serde::{Deserialize, Serialize};

use crate::notify::{Channel, MessageClass};

mod kind;

pub use kind::{MessageKind, ParamForm};

/// What members are told, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Messages {
    /// The registered signature that an SMS begins with, without brackets.
    pub sign: String,
    /// One template a kind. Of a kind without one members hear nothing.
    pub templates: Vec<MessageTemplate>,
    /// When and how often advertising may be sent, and how a member ends it.
    #[serde(default, skip_serializing_if = "MessageLimits::is_default")]
    pub limits: MessageLimits,
    /// What staff are asked to do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<StaffTask>,
}

impl Messages {
    /// The template of a kind.
    pub fn template(&self, kind: MessageKind) -> Option<&MessageTemplate> {
        self.templates.iter().find(|template| template.kind == kind)
    }
}

/// What binds advertising.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MessageLimits {
    /// Local time from which no advertising is sent.
    pub quiet_from: NaiveTime,
    /// Local time from which it is sent again; the same as `quiet_from` for no quiet hours.
    pub quiet_to: NaiveTime,
    /// Advertising messages to one member in a local week from Monday to Sunday.
    pub promotions_a_week: u32,
    /// The words with which a Chinese advertising SMS ends.
    pub opt_out: String,
    /// The words with which an English one ends.
    pub opt_out_en: String,
    /// What a member replies to end advertising on that channel, in any case of letters.
    pub opt_out_replies: Vec<String>,
}

impl Default for MessageLimits {
    fn default() -> Self {
        let hour = |hour| NaiveTime::from_hms_opt(hour, 0, 0).unwrap_or(NaiveTime::MIN);
        Self {
            quiet_from: hour(21),
            quiet_to: hour(8),
            promotions_a_week: 2,
            opt_out: "拒收请回复R".to_owned(),
            opt_out_en: "Reply R to opt out".to_owned(),
            opt_out_replies: ["R", "T", "TD", "N", "STOP", "退订", "拒收"].map(str::to_owned).to_vec(),
        }
    }
}

impl MessageLimits {
    /// True where nothing was set.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How one kind of message reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MessageTemplate {
    /// What it tells.
    pub kind: MessageKind,
    /// How law and consent bind it.
    pub class: MessageClass,
    /// The SMS provider's template code.
    pub template: String,
    /// The text in Chinese; `{{ points }}` and the like stand for parameters.
    pub text: String,
    /// The text in English, for members who want it; the Chinese one stands for it if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_en: Option<String>,
    /// How long after it was written it may still be sent, in hours (1 to 72).
    pub valid_hours: u32,
    /// The same in minutes, instead of the hours: for codes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_minutes: Option<u32>,
    /// The ways to the member, in the order in which they are tried; SMS if not given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<Channel>,
    /// What other channels than SMS need of their own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ways: BTreeMap<Channel, ChannelTemplate>,
}

impl MessageTemplate {
    /// How long after it was written it may still be sent.
    pub fn valid_for(&self) -> Duration {
        self.valid_minutes.map_or_else(|| Duration::hours(i64::from(self.valid_hours)), |minutes| Duration::minutes(i64::from(minutes)))
    }

    /// The ways to the member, in their order.
    pub fn order(&self) -> &[Channel] {
        if self.channels.is_empty() { &[Channel::Sms] } else { &self.channels }
    }
}

/// One kind of message on a channel that is not SMS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChannelTemplate {
    /// The channel's own template code.
    pub template: String,
    /// The data fields of a WeChat subscription message (`thing1`, `number2`), each with the parameter that fills it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
    /// The text in Chinese, if it isn't that of the SMS (whose opt-out words are left away).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The same in English.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_en: Option<String>,
}

/// Something that staff of a store are asked to do for a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StaffTask {
    /// What.
    pub kind: TaskKind,
    /// First local day on which it is to be done, counted from its reason.
    pub from_days: u32,
    /// Last such day.
    pub to_days: u32,
    /// Only for members of these tiers; everybody if not given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<Token>,
}

/// The tasks that exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// A call after a repair: days after the business date.
    RepairCall,
    /// A call for a birthday: days from the one on which the greeting is sent, a week ahead.
    BirthdayCall,
    /// A call to a member who is about to lose a tier: days from the warning.
    DowngradeCall,
}

impl TaskKind {
    /// As in programs and events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RepairCall => "repair_call",
            Self::BirthdayCall => "birthday_call",
            Self::DowngradeCall => "downgrade_call",
        }
    }
}
