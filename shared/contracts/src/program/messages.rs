//! What members are told: `messages.toml`.

use serde::{Deserialize, Serialize};

use crate::notify::MessageClass;

/// What members are told, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Messages {
    /// The registered signature that an SMS begins with, without brackets.
    pub sign: String,
    /// One template a kind.
    pub templates: Vec<MessageTemplate>,
}

/// The kinds of message of this release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    /// After registration. Parameters: `member_no`, `store_name`.
    Welcome,
    /// An accrual of more than 0 points, base and bonus in one. Parameters: `points`, `bonus`, `balance`, `store_name`.
    PointsEarned,
    /// A higher tier. Parameters: `tier_name`, `store_name`.
    TierUpgraded,
}

impl MessageKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Welcome, Self::PointsEarned, Self::TierUpgraded];

    /// As in programs and commands.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Welcome => "welcome",
            Self::PointsEarned => "points_earned",
            Self::TierUpgraded => "tier_upgraded",
        }
    }

    /// The parameters that a template of this kind may use.
    pub fn params(self) -> &'static [&'static str] {
        match self {
            Self::Welcome => &["member_no", "store_name"],
            Self::PointsEarned => &["points", "bonus", "balance", "store_name"],
            Self::TierUpgraded => &["tier_name", "store_name"],
        }
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
    /// The provider's template code.
    pub template: String,
    /// The text in Chinese; `{{ points }}` and the like stand for parameters.
    pub text: String,
    /// How long after it was written it may still be sent, in hours (1 to 72).
    pub valid_hours: u32,
}
