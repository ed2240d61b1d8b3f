//! From what was decided to what is published.

use jifen_contracts::event::{AccrualAssessed, Bonus, BonusRule, BudgetExhausted};
use jifen_runtime::{Outbox, message::Cause};

use crate::domain::{
    accrual::Accrual,
    assess::{Assessment, Exhausted, Grant},
};

/// Announces one answer, and the budgets that it used up.
pub fn announce(out: &mut Outbox, cause: &Cause, accrual: &Accrual, answer: &Assessment) {
    out.event(cause, None, &accrual_assessed(accrual, answer));
    for exhausted in &answer.exhausted {
        out.event(cause, None, &budget_exhausted(exhausted));
    }
}

fn accrual_assessed(accrual: &Accrual, answer: &Assessment) -> AccrualAssessed {
    AccrualAssessed {
        store: accrual.store.clone(),
        document: accrual.document.clone(),
        member_id: accrual.member_id,
        bonuses: answer.grants.iter().map(bonus).collect(),
    }
}

fn bonus(grant: &Grant) -> Bonus {
    Bonus {
        campaign: grant.campaign.clone(),
        version: grant.version,
        points: grant.points,
        rule: BonusRule::Multiplier { category: grant.category.clone(), factor_basis_points: grant.factor_basis_points },
    }
}

fn budget_exhausted(exhausted: &Exhausted) -> BudgetExhausted {
    BudgetExhausted { campaign: exhausted.campaign.clone(), version: exhausted.version, budget: exhausted.budget }
}
