//! What earns how much: `earn.toml`.

use std::collections::BTreeMap;

use jifen_kernel::{Points, Rate, Token};
use serde::{Deserialize, Serialize};

use crate::code::Text;

/// What earns how much.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Earn {
    /// Points a yuan by category. A category not named here is unknown: a document that uses it is rejected.
    pub rates: BTreeMap<Token, Rate>,
    /// Points for the first spending.
    pub first_spending: Points,
    /// Base points that one invoice may bring at most, before multipliers and fixed bonuses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoice_cap: Option<Points>,
    /// Base points that a member's invoices of one business date may bring at most, in posting order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daily_cap: Option<Points>,
    /// What interactions earn. A kind not named here is unknown: a document that uses it is rejected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interactions: Vec<InteractionRule>,
    /// Partners whose purchases earn. One not named here is unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partners: Vec<Partner>,
    /// Tier accelerator (积分加速): what the base is multiplied with for members of a tier; 1 for tiers not named.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tier_factors: BTreeMap<Token, Rate>,
    /// Categories whose points do not count towards a tier.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_qualifying: Vec<Token>,
    /// Categories whose points can't be spent at once.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pending: BTreeMap<Token, PendingRule>,
}

/// How long points wait before they can be spent, beside the activation of their member: whichever is later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PendingRule {
    /// So many days after the business date.
    Days(u32),
    /// Until a person has looked at them.
    Review,
}

/// What one kind of interaction earns: a review, a suggestion, a check-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InteractionRule {
    /// The kind, as in the document.
    pub kind: Token,
    /// Its name for people.
    pub name: Text,
    /// Points for one.
    pub points: Points,
    /// How many are rewarded in a period; what is above is recorded and earns 0.
    pub limit: Limit,
    /// Of what is about an invoice: the last day after its business date on which it earns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within_days: Option<u32>,
    /// Known, but earns nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub off: bool,
    /// Its points can't be spent at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<PendingRule>,
}

/// So many in a period, by the local day of `occurred_at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// How many.
    pub count: u32,
    /// In which period.
    pub per: Period,
}

/// A period of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// A member's whole life.
    Once,
    /// A local day.
    Day,
    /// Monday to Sunday.
    Week,
    /// A calendar month.
    Month,
    /// A calendar year.
    Year,
    /// What the document is about: an order, an event.
    About,
}

/// A partner outside the group (fuel, car wash) whose purchases earn. Its points do not count towards a tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Partner {
    /// The code, as in the document.
    pub code: String,
    /// Its name for people.
    pub name: Text,
    /// Points a yuan.
    pub rate: Rate,
    /// Points that it pays for in all: a hard stop. Without one it is not limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Points>,
}
