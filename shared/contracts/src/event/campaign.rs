//! campaign: its answers, and ends of budgets.

use jifen_kernel::{MemberId, Points, StoreCode, Token};
use serde::{Deserialize, Serialize};

use crate::EventType;

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
