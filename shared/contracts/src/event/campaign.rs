//! campaign: its answers, and ends of budgets.

use chrono::{DateTime, NaiveDate, Utc};
use jifen_kernel::{MemberId, Money, Points, StoreCode, Token};
use serde::{Deserialize, Serialize};

use crate::{EventType, code::Text};

/// How a bonus came about, so that points can recompute it after a correction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum BonusRule {
    /// `floor(base x (factor - 1))` of one category.
    Multiplier {
        /// The category multiplied.
        category: Token,
        /// 20000 = double.
        factor_basis_points: u32,
    },
    /// A fixed number of points, all or nothing.
    Fixed {
        /// The net customer-paid amount of these categories from which it stays.
        keep_from: Money,
        /// Which; empty for all.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        categories: Vec<Token>,
    },
}

/// One bonus on one accrual.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Bonus {
    /// The campaign's code.
    pub campaign: Token,
    /// Its version (the program's).
    pub version: u32,
    /// What was granted, after the budget.
    pub points: Points,
    /// How.
    #[serde(flatten)]
    pub rule: BonusRule,
}

/// campaign: the answer to one [`Earned`], also when there is no bonus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AccrualAssessed {
    /// The accrual's store.
    pub store: StoreCode,
    /// The accrual's document.
    pub document: String,
    /// Who earned.
    pub member_id: MemberId,
    /// Empty for none.
    pub bonuses: Vec<Bonus>,
}
event!(AccrualAssessed, "campaign", "accrual_assessed", |event| Some(&event.store));

/// campaign: the last point of a budget was granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct BudgetExhausted {
    /// The campaign's code.
    pub campaign: Token,
    /// Its version.
    pub version: u32,
    /// The whole budget.
    pub budget: Points,
}
event!(BudgetExhausted, "campaign", "budget_exhausted", |_| None);

/// A document that a grant rests on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DocumentRef {
    /// The issuing store.
    pub store: StoreCode,
    /// Its number there.
    pub document: String,
}

/// campaign: a bonus that is no answer to an invoice: a delayed reward, a task. Published once per (campaign, participation,
/// ordinal); points posts it as an accrual of source `grant`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct BonusGranted {
    /// The campaign's code.
    pub campaign: Token,
    /// Its version (the program's).
    pub version: u32,
    /// The taking part that is rewarded, unique in the campaign.
    pub participation: String,
    /// Counts the rewards of one taking part, from 1.
    pub ordinal: u32,
    /// Who.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// The store that funds it.
    pub store: StoreCode,
    /// How many.
    pub points: Points,
    /// Counts towards a tier.
    pub qualifying: bool,
    /// When it is granted.
    pub at: DateTime<Utc>,
    /// Its local day.
    pub business_date: NaiveDate,
    /// What it rests on.
    pub documents: Vec<DocumentRef>,
    /// If it rests on one invoice: how its parts were computed, which a refund computes again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bonuses: Vec<Bonus>,
}
event!(BonusGranted, "campaign", "bonus_granted", |event| Some(&event.store));

/// campaign: a campaign with a notice begins in a few days. One event for at most [`MEMBERS_TOLD`] members of one store,
/// each member in one of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CampaignPreheated {
    /// The campaign's code.
    pub campaign: Token,
    /// Its version (the program's).
    pub version: u32,
    /// Its name for people.
    pub name: Text,
    /// First local day.
    pub from: NaiveDate,
    /// Last local day, inclusive.
    pub to: NaiveDate,
    /// The store of these members' registration.
    pub store: StoreCode,
    /// Who may take part.
    pub members: Vec<MemberId>,
}
event!(CampaignPreheated, "campaign", "preheated", |event| Some(&event.store));

/// Members that one event about a campaign names at most.
pub const MEMBERS_TOLD: usize = 500;

/// campaign: a campaign's first day is there. Once a campaign without members; of a campaign with a notice then once more for
/// at most [`MEMBERS_TOLD`] members of one store, each member in one of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CampaignStarted {
    /// The campaign's code.
    pub campaign: Token,
    /// Its version (the program's).
    pub version: u32,
    /// Its name for people.
    pub name: Text,
    /// First local day.
    pub from: NaiveDate,
    /// Last local day, inclusive.
    pub to: NaiveDate,
    /// The store of these members' registration; none where no member is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreCode>,
    /// Who may take part.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<MemberId>,
}
event!(CampaignStarted, "campaign", "started", |event| event.store.as_ref());

/// campaign: a campaign's last day is over. Once a campaign; invoices of its days may still arrive for 30 days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CampaignEnded {
    /// The campaign's code.
    pub campaign: Token,
    /// Its version (the program's).
    pub version: u32,
    /// Its name for people.
    pub name: Text,
    /// First local day.
    pub from: NaiveDate,
    /// Last local day, inclusive.
    pub to: NaiveDate,
}
event!(CampaignEnded, "campaign", "ended", |_| None);
