//! What a purchase from a partner earns: its rate, floored, as long as the partner's budget lasts. (DOMAIN exact default 17.)

use jifen_contracts::program::Partner;
use jifen_kernel::{Money, Points};

use super::direct::{Decision, Outcome};

/// What a purchase earns. `granted` is what the partner's budget has granted so far, whatever the version.
pub fn decide_purchase(partner: &Partner, amount: Money, granted: Points) -> Decision {
    decide(partner, amount, partner.budget.map(|budget| (budget - granted).max(Points::ZERO)))
}

/// The same with what was left of the budget.
pub fn decide(partner: &Partner, amount: Money, left: Option<Points>) -> Decision {
    let due = partner.rate.points_for(amount);
    let points = left.map_or(due, |left| due.min(left));
    let outcome = match () {
        () if points < due => Outcome::BudgetSpent,
        () if !due.is_positive() => Outcome::BelowOnePoint,
        () => Outcome::Rewarded,
    };
    Decision { points, outcome, counted: None, budget_left: left }
}

#[cfg(test)]
mod tests {
    use jifen_contracts::code::Text;
    use jifen_kernel::Rate;

    use super::*;

    #[test]
    fn the_grant_that_meets_the_budget_is_cut_to_the_rest() {
        let partner = |budget: Option<i64>| Partner {
            code: "fuel-1".to_owned(),
            name: Text::new("加油站", "Fuel"),
            rate: Rate::try_new("0.5").expect("rate"),
            budget: budget.map(Points),
        };
        let decided = |budget, amount, granted| {
            let decision = decide_purchase(&partner(budget), Money::try_new(amount).expect("money"), Points(granted));
            (decision.points.0, decision.outcome)
        };
        assert_eq!(decided(None, "301.99", 0), (150, Outcome::Rewarded));
        assert_eq!(decided(None, "1.99", 0), (0, Outcome::BelowOnePoint));
        assert_eq!(decided(Some(1_000), "3000", 100), (900, Outcome::BudgetSpent));
        assert_eq!(decided(Some(1_000), "1800", 100), (900, Outcome::Rewarded));
        assert_eq!(decided(Some(1_000), "1800", 1_000), (0, Outcome::BudgetSpent));
        // A later version may have a smaller one.
        assert_eq!(decided(Some(1_000), "1800", 2_000), (0, Outcome::BudgetSpent));
    }
}
