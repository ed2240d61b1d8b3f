//! How long points live: `expiry.toml`.

use serde::{Deserialize, Serialize};

/// How long points live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expiry {
    /// Months after the business date, 12 to 36.
    pub months: u32,
    /// Which day it is then.
    pub mode: ExpiryMode,
    /// Never sooner than this many days after posting.
    pub min_days_after_posting: u32,
    /// Of the mode `calendar`: the days of the year on which points end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<YearDay>,
    /// So many days before they end their member is told, each once.
    #[serde(default = "Expiry::usual_reminders", skip_serializing_if = "Expiry::are_usual")]
    pub reminders: Vec<u32>,
    /// A paid visit brings back what ended before it. Without it nothing comes back by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revival: Option<Revival>,
}

impl Expiry {
    /// 60, 30 and 7 days.
    pub fn usual_reminders() -> Vec<u32> {
        vec![60, 30, 7]
    }

    fn are_usual(reminders: &[u32]) -> bool {
        reminders == Self::usual_reminders()
    }
}

/// On which day points end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExpiryMode {
    /// On the last day of the month, 24:00 local.
    EndOfMonth,
    /// On the same day of the month (its last day if there is none), 24:00 local.
    ExactDay,
    /// On the first of certain days of the year, 24:00 local.
    Calendar,
    /// On the same day of the month, counted from the member's last activity: a bill that the customer paid, or points spent.
    Sliding,
}

/// A day of every year; 29 February is the 28th of common years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct YearDay {
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
}

/// What ended comes back, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Revival {
    /// If the visit is at most so many days after their last day.
    pub within_days: u32,
    /// For so many days after the visit.
    pub live_days: u32,
}
