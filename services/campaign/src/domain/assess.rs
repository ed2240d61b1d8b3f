//! What an accrual gets: per category the offers that stack, then fixed bonuses.
//!
//! Of the largest factor alone (the default: DOMAIN, exact default 3) a tie goes to the campaign published first, and the tier's
//! own factor comes behind campaigns that are as large. A campaign whose budget is used up is passed over, so the next best one
//! applies. One that has any points left is taken, even if they are fewer than the next one would give: the rest of a budget
//! is granted, not skipped, and which campaign a member meets doesn't depend on the size of the bill.
//!
//! Where factors are added or multiplied, each offer has an effective factor: what it adds to those before it, up to the
//! ceiling. Its bonus is floored for itself, so that `points` can compute each again after a correction. Fixed bonuses add to
//! all of this and are never multiplied.

use jifen_contracts::program::{Stacking, StackingMode};
use jifen_kernel::{MemberId, Money, Points, Token};

use super::{
    accrual::Accrual,
    budget::Budgets,
    offer::{CategoryOffers, FixedOffer, Offer, Offers, Plan, Source, list_offers},
    person::Person,
    rulebook::Rulebook,
};

/// A factor of 1 in basis points.
const ONE: i64 = 10_000;
/// The most that a rate can say: what factors come to where no ceiling is set.
const MOST: i64 = 1_000 * ONE;

/// A bonus granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The campaign.
    pub campaign: Token,
    /// The program's version that holds it.
    pub version: u32,
    /// Granted, after budget and cap; above zero.
    pub points: Points,
    /// Comes some working days after the end: promised now, not posted.
    pub deferred: bool,
    /// How it came about.
    pub rule: GrantRule,
}

/// How a bonus came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrantRule {
    /// Of one category.
    Multiplier {
        /// The category multiplied.
        category: Token,
        /// The effective factor in basis points, 20000 = double.
        factor_basis_points: u32,
        /// What was multiplied.
        base: Points,
    },
    /// All or nothing.
    Fixed {
        /// The customer-paid amount from which it stays.
        keep_from: Money,
        /// Of these categories; of all if none is named.
        categories: Vec<Token>,
    },
}

/// A budget whose last point was granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exhausted {
    /// The campaign.
    pub campaign: Token,
    /// The version whose limit was met.
    pub version: u32,
    /// That limit.
    pub budget: Points,
}

/// The answer to one accrual.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assessment {
    /// By category name, then the fixed ones; empty for "none".
    pub grants: Vec<Grant>,
    /// Budgets that this accrual used up.
    pub exhausted: Vec<Exhausted>,
}

/// Assesses one accrual of a member as a whole: what the service decides for it, and what a simulation asks for.
///
/// `budgets` holds what was granted before; a campaign that is not in it has granted nothing. Assessing accruals one after the
/// other with the same `budgets` is assessing them as a stream.
pub fn assess(rules: &Rulebook, accrual: &Accrual, person: &Person, budgets: &mut Budgets) -> Assessment {
    let day = rules.day(accrual.business_date);
    let offers = list_offers(rules, day.of(&accrual.store), accrual, person);
    decide_assessment(&offers, &rules.applied.program.stacking, accrual.member_id, budgets)
}

/// Assesses one accrual and draws on `budgets`: the first plan that gives anything applies.
pub fn decide_assessment(offers: &Offers<'_>, stacking: &Stacking, member: MemberId, budgets: &mut Budgets) -> Assessment {
    let mut assessing = Assessing { stacking, member, budgets, answer: Assessment::default() };
    for plan in &offers.plans {
        assessing.plan(plan);
        if !assessing.answer.grants.is_empty() {
            break;
        }
    }
    assessing.answer
}

struct Assessing<'a> {
    stacking: &'a Stacking,
    member: MemberId,
    budgets: &'a mut Budgets,
    answer: Assessment,
}

impl Assessing<'_> {
    /// Category by category in the order of their names, then the fixed ones as published.
    fn plan(&mut self, plan: &Plan<'_>) {
        let ceiling = self.stacking.ceiling.map_or(MOST, |ceiling| i64::from(ceiling.basis_points())).min(MOST);
        for category in &plan.categories {
            self.category(category, ceiling);
        }
        for offer in &plan.fixed {
            self.fixed(offer);
        }
    }

    fn category(&mut self, category: &CategoryOffers<'_>, ceiling: i64) {
        // What the factors come to so far.
        let mut reached = ONE;
        for offer in &category.offers {
            let next = self.next(reached, offer).min(ceiling);
            if next > reached && self.multiply(category, offer, ONE + next - reached) {
                if self.stacking.mode == StackingMode::BestOf {
                    return;
                }
                reached = next;
            }
        }
    }

    fn next(&self, reached: i64, offer: &Offer<'_>) -> i64 {
        let factor = i64::from(offer.factor.basis_points());
        match self.stacking.mode {
            StackingMode::BestOf => factor,
            StackingMode::Additive => reached + factor - ONE,
            // Both are at most 10^7, so their product is far from the edge.
            StackingMode::Multiplicative => reached * factor / ONE,
        }
    }

    fn multiply(&mut self, category: &CategoryOffers<'_>, offer: &Offer<'_>, effective: i64) -> bool {
        let extra = i128::from(category.base.0) * i128::from(effective - ONE) / i128::from(ONE);
        let due = Points(i64::try_from(extra).unwrap_or(i64::MAX));
        let rule = GrantRule::Multiplier {
            category: category.category.clone(),
            factor_basis_points: u32::try_from(effective).unwrap_or(u32::MAX),
            base: category.base,
        };
        self.grant(&offer.source, due, rule)
    }

    fn fixed(&mut self, offer: &FixedOffer<'_>) {
        let rule = GrantRule::Fixed { keep_from: offer.keep_from, categories: offer.categories.to_vec() };
        self.grant(&offer.source, offer.points, rule);
    }

    /// Grants what budget and cap leave of what is due; false if they leave nothing.
    fn grant(&mut self, source: &Source<'_>, due: Points, rule: GrantRule) -> bool {
        let Some(drawn) = self.budgets.draw(source, self.member, due) else { return false };
        let (campaign, version) = (source.code.clone(), source.version);
        if let Some(budget) = source.budget.filter(|_| drawn.exhausted) {
            self.answer.exhausted.push(Exhausted { campaign: campaign.clone(), version, budget });
        }
        self.answer.grants.push(Grant { campaign, version, points: drawn.points, deferred: source.deferred, rule });
        true
    }
}

#[cfg(test)]
mod tests;
