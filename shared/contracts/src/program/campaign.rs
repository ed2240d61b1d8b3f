//! Offers: `campaigns.toml`.

use chrono::NaiveDate;
use jifen_kernel::{Money, Points, Rate, StoreCode, Token};
use serde::{Deserialize, Serialize};

use crate::code::Text;

/// A time-bound offer: a multiplier on base points, a fixed bonus, or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Campaign {
    /// Its code.
    pub code: Token,
    /// Its name for people.
    pub name: Text,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goal: Option<Text>,
    /// What base points are multiplied with: 2 doubles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<Rate>,
    /// A fixed bonus for an invoice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bonus: Option<FixedBonus>,
    /// First local day.
    pub from: NaiveDate,
    /// Last local day, inclusive.
    pub to: NaiveDate,
    /// Only on these days of the week.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weekdays: Vec<Weekday>,
    /// Only on these days of the month; -1 is its last day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub month_days: Vec<i32>,
    /// Only on these festivals of the program's calendar.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub festivals: Vec<Token>,
    /// Only on these days of the lunar calendar.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lunar: Vec<LunarDay>,
    /// Only in the month of the member's birthday.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub birthday_month: bool,
    /// Only in these stores.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stores: Vec<StoreCode>,
    /// Only in these categories.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<Token>,
    /// Only for members of these tiers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<Token>,
    /// Only for such cars: the one that the bill names; one of the member's where it names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vehicle: Option<VehicleAudience>,
    /// Only if this condition holds: CEL over documented variables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Points that it may cost in all: a hard stop. Without one it is not limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Points>,
    /// Points that it may bring one member in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_cap: Option<Points>,
    /// Where it applies to an invoice, nothing else does. Of several the first published.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exclusive: bool,
    /// Days before the first on which its members are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preheat_days: Option<u32>,
    /// Working days after the last day on which its bonuses are posted; at once if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_after_days: Option<u32>,
}

/// Which cars a campaign is for. A car of which nobody has said what is asked is none of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VehicleAudience {
    /// Of one of these model series, as sales and registrations name them; of any if none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub series: Vec<String>,
    /// At least so many whole months since it was handed over new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_months: Option<u32>,
    /// Fewer than so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below_months: Option<u32>,
}

/// The code under which the tier accelerator's bonuses stand: no campaign may have it.
pub const TIER_ACCELERATOR: &str = "tier_accelerator";

/// A fixed bonus, never multiplied or capped by an invoice's caps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FixedBonus {
    /// How many.
    pub points: Points,
    /// Customer-paid amount of the campaign's categories from which it is given, and from which it stays after a refund.
    pub from_paid: Money,
}

/// A day of the lunar calendar; of a leap month the first one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LunarDay {
    /// 1 to 12.
    pub month: u32,
    /// 1 to 30; one that the month hasn't got is its last.
    pub day: u32,
}

/// How bonuses of several campaigns, and the tier's, are combined on one category.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stacking {
    /// In which way.
    pub mode: StackingMode,
    /// What the factors of one category come to at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<Rate>,
}

impl Stacking {
    /// True for the largest multiplier without a ceiling.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How multipliers meet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StackingMode {
    /// The largest applies; a tie goes to the campaign published first.
    #[default]
    BestOf,
    /// What they add to 1 is added up.
    Additive,
    /// They are multiplied.
    Multiplicative,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the days say it")]
pub enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl From<chrono::Weekday> for Weekday {
    fn from(day: chrono::Weekday) -> Self {
        match day {
            chrono::Weekday::Mon => Self::Mon,
            chrono::Weekday::Tue => Self::Tue,
            chrono::Weekday::Wed => Self::Wed,
            chrono::Weekday::Thu => Self::Thu,
            chrono::Weekday::Fri => Self::Fri,
            chrono::Weekday::Sat => Self::Sat,
            chrono::Weekday::Sun => Self::Sun,
        }
    }
}
