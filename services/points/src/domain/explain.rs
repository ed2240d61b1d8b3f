//! How an entry came about: computed again from what was stored, under the rules that it names. (DESIGN 6.)

use jifen_contracts::{
    endpoint::{AppliedCap, CapKind},
    event::CategoryBase,
    program::{AppliedProgram, Earn},
};
use jifen_kernel::{Points, Rate, Token};

use super::{
    base::total,
    caps,
    direct::{Decision, DirectAccrual},
    interaction::{Order, decide_reward},
    partner,
};

/// An invoice's base, computed again from what was paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recomputed {
    /// By category, after caps.
    pub categories: Vec<CategoryBase>,
    /// The caps that cut it.
    pub caps: Vec<AppliedCap>,
}

/// Computes an invoice's base again. `daily_left` is what a daily cap that cut it left.
pub fn recompute_base(posted: &[CategoryBase], earn: &Earn, daily_left: Option<Points>) -> Recomputed {
    let base_of = |category: &CategoryBase| earn.rates.get(&category.category).map_or(Points::ZERO, |rate| rate.points_for(category.paid));
    let mut categories: Vec<CategoryBase> =
        posted.iter().map(|category| CategoryBase { base: base_of(category), ..category.clone() }).collect();
    let mut caps = Vec::new();
    for (kind, most) in [(CapKind::Invoice, earn.invoice_cap), (CapKind::Daily, daily_left)] {
        if let Some(cut) = most.and_then(|most| caps::cut(&categories, most)) {
            categories = cut;
            caps.push(AppliedCap { kind, left: total(&categories) });
        }
    }
    Recomputed { categories, caps }
}

impl Recomputed {
    /// The base of a category.
    pub fn of(&self, category: Option<&Token>) -> Points {
        let found = self.categories.iter().find(|found| Some(&found.category) == category);
        found.map_or(Points::ZERO, |found| found.base)
    }
}

/// Computes a bonus again: what its factor gives on its base, or what its campaign's fixed bonus is, and never more than the
/// campaign's budget allowed when it was granted.
pub fn recompute_bonus(rate: Option<&str>, base: Option<Points>, rule: &str, granted: Points, applied: &AppliedProgram) -> Points {
    if let (Some(rate), Some(base)) = (rate, base) {
        return Rate::try_new(rate).map_or(Points::ZERO, |factor| factor.extra_on(base)).min(granted);
    }
    let code = rule.strip_prefix("campaign:").and_then(|rule| rule.split('@').next()).unwrap_or_default();
    let campaign = applied.program.campaigns.iter().find(|campaign| campaign.code.as_str() == code);
    // A campaign that isn't the program's own has its bonus from its endpoint: what it granted is all that is known of it.
    campaign.and_then(|campaign| campaign.bonus).map_or(granted, |bonus| bonus.points.min(granted))
}

/// Decides an accrual without an invoice again, with what the decision rested on. A grant is what its campaign granted.
pub fn recompute_direct(accrual: &DirectAccrual, decision: &Decision, order: Option<Order>, applied: &AppliedProgram) -> Decision {
    let earn = &applied.program.earn;
    if let Some(rule) = earn.interactions.iter().find(|rule| accrual.is_interaction() && rule.kind.as_str() == accrual.subject) {
        return decide_reward(accrual, rule, order, decision.counted.unwrap_or_default());
    }
    if let Some(partner) = earn.partners.iter().find(|partner| accrual.is_partners() && partner.code == accrual.subject) {
        return partner::decide(partner, accrual.amount.unwrap_or_default(), decision.budget_left);
    }
    *decision
}

#[cfg(test)]
mod tests {
    use jifen_kernel::Money;

    use super::*;
    use crate::domain::samples::applied;

    fn paid(category: &str, amount: &str, base: i64) -> CategoryBase {
        let category = Token::try_new(category).expect("token");
        CategoryBase { category, paid: Money::try_new(amount).expect("money"), base: Points(base) }
    }

    #[test]
    fn a_base_is_computed_again_with_its_caps() {
        let mut earn = applied().program.earn;
        let posted = [paid("maintenance", "600", 600), paid("repair", "600", 400)];
        earn.invoice_cap = Some(Points(1_000));
        let again = recompute_base(&posted, &earn, None);
        assert_eq!((again.categories.as_slice(), again.caps.len()), (posted.as_slice(), 1));
        let again = recompute_base(&posted, &earn, Some(Points(500)));
        assert_eq!(again.categories.iter().map(|category| category.base.0).collect::<Vec<_>>(), [300, 200]);
        let daily = AppliedCap { kind: CapKind::Daily, left: Points(500) };
        assert_eq!(again.caps, [AppliedCap { kind: CapKind::Invoice, left: Points(1_000) }, daily]);
        assert_eq!(again.of(Some(&posted[1].category)), Points(200));
        // What was posted doesn't help: a base that isn't right is seen.
        assert_eq!(recompute_base(&[paid("repair", "600", 601)], &earn, None).categories[0].base, Points(600));
    }

    #[test]
    fn a_bonus_is_computed_again() {
        let again = |rate, base, granted| recompute_bonus(rate, base, "campaign:double@1", Points(granted), &applied());
        assert_eq!(again(Some("1.5"), Some(Points(733)), 366), Points(366));
        assert_eq!(again(Some("2"), Some(Points(1_500)), 900), Points(900), "its budget had no more");
        assert_eq!(again(Some("2"), Some(Points(1_500)), 1_501), Points(1_500), "more than its factor gives is seen");
        assert_eq!(again(None, None, 200), Points(200));
    }
}
