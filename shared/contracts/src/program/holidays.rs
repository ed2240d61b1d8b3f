//! The calendar of days that a rule may name: `holidays.toml`.

use chrono::NaiveDate;
use jifen_kernel::Token;
use serde::{Deserialize, Serialize};

use crate::code::Text;

/// A day that is not what its weekday says, or that has a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Holiday {
    /// The local day.
    pub day: NaiveDate,
    /// What it is.
    pub kind: DayKind,
    /// The festival that it belongs to: `spring_festival`, `national_day`.
    pub festival: Token,
    /// The festival's name for people.
    pub name: Text,
}

/// What a day of the calendar is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DayKind {
    /// A statutory day off.
    Off,
    /// A weekend day on which people work, for a day off elsewhere (调休).
    Work,
    /// A day with a name, on which people work or not as its weekday says.
    Named,
}
