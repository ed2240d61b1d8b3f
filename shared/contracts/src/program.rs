//! A program: the group's rules as versioned data. Services receive it whole ([`AppliedProgram`]) and keep
//! every version, so each decision can name the version that made it.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use jifen_kernel::{Points, Rate, StoreCode, Token, clock};
use serde::{Deserialize, Serialize};

use crate::{code::Text, notify::MessageClass};

/// One version of the rules, immutable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AppliedProgram {
    /// Counts from 1, without gaps.
    pub version: u32,
    /// SHA-256 of the canonical JSON of `program`, hex.
    pub hash: String,
    /// First local day on which it is in force.
    pub effective_from: NaiveDate,
    /// When it was applied.
    pub applied_at: DateTime<Utc>,
    /// The rules.
    pub program: Program,
}

impl AppliedProgram {
    /// The instant from which it is in force.
    pub fn starts_at(&self) -> DateTime<Utc> {
        clock::start_of_day(self.effective_from, self.program.time_zone())
    }
}

/// The version in force at `at`: the one that began last, the higher number where two begin on one day.
/// `None` before the first version.
pub fn in_force_at<'a>(versions: impl IntoIterator<Item = &'a AppliedProgram>, at: DateTime<Utc>) -> Option<&'a AppliedProgram> {
    versions.into_iter().filter(|version| version.starts_at() <= at).max_by_key(|version| (version.effective_from, version.version))
}

/// The rules of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// A name for people.
    pub name: String,
    /// IANA name; decides what a business day is. Validated before a program is applied.
    pub time_zone: String,
    /// The stores that may send documents, by code.
    pub stores: Vec<Store>,
    /// What earns how much.
    pub earn: Earn,
    /// How long points live.
    pub expiry: Expiry,
    /// The ladder, lowest first; the lowest begins at 0.
    pub tiers: Vec<Tier>,
    /// Offers, in the order of their publication.
    pub campaigns: Vec<Campaign>,
    /// What members are told.
    pub messages: Messages,
}

impl Program {
    /// The group's time zone; UTC+8 if a stored name is no longer known.
    pub fn time_zone(&self) -> Tz {
        self.time_zone.parse().unwrap_or(chrono_tz::Asia::Shanghai)
    }

    /// The store of this code.
    pub fn store(&self, code: &str) -> Option<&Store> {
        self.stores.iter().find(|store| store.code.as_str() == code)
    }

    /// The tier that `qualifying` points reach; lower bounds are inclusive.
    pub fn tier_at(&self, qualifying: Points) -> Option<&Tier> {
        self.tiers.iter().rev().find(|tier| tier.from <= qualifying)
    }
}

/// A store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// Its code in subjects and documents.
    pub code: StoreCode,
    /// Its name for people.
    pub name: Text,
    /// Its brand, if the group has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brand: Option<Token>,
}

/// What earns how much.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Earn {
    /// Points a yuan by category. A category not named here is unknown: a document that uses it is rejected.
    pub rates: BTreeMap<Token, Rate>,
    /// Points for the first spending.
    pub first_spending: Points,
}

/// How long points live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expiry {
    /// Months after the business date, 12 to 36.
    pub months: u32,
    /// The end of that month, or the very day.
    pub mode: ExpiryMode,
    /// Never sooner than this many days after posting.
    pub min_days_after_posting: u32,
}

/// Where in the month points end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExpiryMode {
    /// On the last day of the month, 24:00 local.
    EndOfMonth,
    /// On the same day of the month (its last day if there is none), 24:00 local.
    ExactDay,
}

/// A step of the ladder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// Its code.
    pub code: Token,
    /// Its name for people.
    pub name: Text,
    /// Qualifying points from which it holds, inclusive.
    pub from: Points,
}

/// A time-bound multiplier on base points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Campaign {
    /// Its code.
    pub code: Token,
    /// Its name for people.
    pub name: Text,
    /// What base points are multiplied with: 2 doubles.
    pub factor: Rate,
    /// First local day.
    pub from: NaiveDate,
    /// Last local day, inclusive.
    pub to: NaiveDate,
    /// Only on these days of the week; empty for every day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weekdays: Vec<Weekday>,
    /// Only in these stores; empty for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stores: Vec<StoreCode>,
    /// Only in these categories; empty for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<Token>,
    /// Points that it may cost in all: a hard stop. Without one it is not limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Points>,
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
