//! The kinds of message, each with its class and its parameters.

use serde::{Deserialize, Serialize};

use crate::notify::MessageClass;

/// The kinds of message of this release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    /// Somebody became a member, or activated the registration. Parameters: `member_no`, `store_name`.
    Welcome,
    /// The code that activates a registration. Parameters: `code`, `minutes`, `store_name`.
    ActivationCode,
    /// A registration will lapse. Parameters: `member_no`, `date` (the last day to activate), `store_name`.
    LapseWarning,
    /// An invoice brought more than 0 points, base and bonus in one. Parameters: `points`, `bonus`, `balance`, `store_name`.
    PointsEarned,
    /// An interaction was rewarded. Parameters: `what`, `points`, `balance`, `store_name`.
    InteractionEarned,
    /// A partner's purchase was rewarded. Parameters: `what`, `points`, `balance`, `store_name`.
    PartnerEarned,
    /// A campaign granted points. Parameters: `what`, `points`, `balance`, `store_name`.
    GrantEarned,
    /// Points will end. Parameters: `points`, `date` (their last day), `days` (until then), `balance`, `store_name`.
    PointsExpiring,
    /// Points ended. Parameters: `points`, `date` (their last day), `balance`, `store_name`.
    PointsExpired,
    /// A refund, a void or a reopened bill took points back. Parameters: `points`, `balance`, `debt` (owed, repaid by the next
    /// points), `store_name`.
    PointsReversed,
    /// A higher tier. Parameters: `tier_name`, `store_name`.
    TierUpgraded,
    /// A tier will be lost. Parameters: `tier_name`, `next_tier_name`, `date` (the first day of the lower one), `store_name`.
    DowngradeWarning,
    /// A lower tier. Parameters: `tier_name`, `store_name`.
    TierDowngraded,
    /// A countable benefit. Parameters: `benefit`, `count`, `date` (the last day), `store_name`.
    EntitlementGranted,
    /// A campaign is near. Parameters: `campaign`, `date` (its first day), `end_date`, `store_name`.
    CampaignPreheat,
    /// A campaign began. Parameters: `campaign`, `date` (its first day), `end_date`, `store_name`.
    CampaignStarted,
    /// A week before the birthday. Parameters: `date`, `offer`, `store_name`.
    Birthday,
}

/// What a parameter looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamForm {
    /// A name: up to 20 characters of any script.
    Name,
    /// Digits and Latin letters, up to 32.
    Code,
    /// A whole number of up to ten digits, beyond that in whole 亿.
    Number,
    /// A local day, `2026-10-01`.
    Date,
}

impl ParamForm {
    /// The most characters that it has.
    pub fn chars(self) -> usize {
        match self {
            Self::Name => 20,
            Self::Code => 32,
            Self::Number | Self::Date => 10,
        }
    }

    /// Stands for a value where there is none.
    pub fn sample(self) -> &'static str {
        match self {
            Self::Name => "示例",
            Self::Code => "10000001",
            Self::Number => "100",
            Self::Date => "2026-10-01",
        }
    }
}

impl MessageKind {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::Welcome,
        Self::ActivationCode,
        Self::LapseWarning,
        Self::PointsEarned,
        Self::InteractionEarned,
        Self::PartnerEarned,
        Self::GrantEarned,
        Self::PointsExpiring,
        Self::PointsExpired,
        Self::PointsReversed,
        Self::TierUpgraded,
        Self::DowngradeWarning,
        Self::TierDowngraded,
        Self::EntitlementGranted,
        Self::CampaignPreheat,
        Self::CampaignStarted,
        Self::Birthday,
    ];

    /// As in programs and commands.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Welcome => "welcome",
            Self::ActivationCode => "activation_code",
            Self::LapseWarning => "lapse_warning",
            Self::PointsEarned => "points_earned",
            Self::InteractionEarned => "interaction_earned",
            Self::PartnerEarned => "partner_earned",
            Self::GrantEarned => "grant_earned",
            Self::PointsExpiring => "points_expiring",
            Self::PointsExpired => "points_expired",
            Self::PointsReversed => "points_reversed",
            Self::TierUpgraded => "tier_upgraded",
            Self::DowngradeWarning => "downgrade_warning",
            Self::TierDowngraded => "tier_downgraded",
            Self::EntitlementGranted => "entitlement_granted",
            Self::CampaignPreheat => "campaign_preheat",
            Self::CampaignStarted => "campaign_started",
            Self::Birthday => "birthday",
        }
    }

    /// Reads what [`Self::as_str`] wrote.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// How law and consent bind it: a program can't make advertising a service.
    pub fn class(self) -> MessageClass {
        match self {
            Self::ActivationCode => MessageClass::Verify,
            Self::CampaignPreheat | Self::CampaignStarted | Self::Birthday => MessageClass::Promotion,
            _ => MessageClass::Service,
        }
    }

    /// The parameters that a template of this kind may use.
    pub fn params(self) -> &'static [&'static str] {
        match self {
            Self::Welcome => &["member_no", "store_name"],
            Self::ActivationCode => &["code", "minutes", "store_name"],
            Self::LapseWarning => &["member_no", "date", "store_name"],
            Self::PointsEarned => &["points", "bonus", "balance", "store_name"],
            Self::InteractionEarned | Self::PartnerEarned | Self::GrantEarned => &["what", "points", "balance", "store_name"],
            Self::PointsExpiring => &["points", "date", "days", "balance", "store_name"],
            Self::PointsExpired => &["points", "date", "balance", "store_name"],
            Self::PointsReversed => &["points", "balance", "debt", "store_name"],
            Self::TierUpgraded | Self::TierDowngraded => &["tier_name", "store_name"],
            Self::DowngradeWarning => &["tier_name", "next_tier_name", "date", "store_name"],
            Self::EntitlementGranted => &["benefit", "count", "date", "store_name"],
            Self::CampaignPreheat | Self::CampaignStarted => &["campaign", "date", "end_date", "store_name"],
            Self::Birthday => &["date", "offer", "store_name"],
        }
    }

    /// What a parameter looks like, whichever kind has it.
    pub fn form(param: &str) -> ParamForm {
        match param {
            "member_no" | "code" => ParamForm::Code,
            "points" | "bonus" | "balance" | "debt" | "minutes" | "count" | "days" => ParamForm::Number,
            "date" | "end_date" => ParamForm::Date,
            _ => ParamForm::Name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_as_it_was_written() {
        for kind in MessageKind::ALL {
            assert_eq!(MessageKind::from_word(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).expect("json"), serde_json::json!(kind.as_str()));
        }
        assert_eq!(MessageKind::from_word("recall"), None);
    }
}
