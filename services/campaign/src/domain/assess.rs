//! What an accrual gets: per category the best offer that can still give something.
//!
//! Stacking is best-of (DOMAIN, exact default 3): the largest factor wins, a tie goes to the campaign published first.
//! A campaign whose budget is used up is passed over, so the next best one applies. One that has any points left is
//! taken, even if they are fewer than the next one would give: the rest of a budget is granted, not skipped, and which
//! campaign a member meets doesn't depend on the size of the bill.

use jifen_kernel::{Points, Rate, Token};

use super::{
    budget::Budgets,
    offer::{CategoryOffers, Offer},
};

/// A bonus granted on one category.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The campaign.
    pub campaign: Token,
    /// The program's version that holds it.
    pub version: u32,
    /// The category multiplied.
    pub category: Token,
    /// The factor in basis points, 20000 = double.
    pub factor_basis_points: u32,
    /// What was multiplied.
    pub base: Points,
    /// Granted, after the budget; above zero.
    pub points: Points,
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
    /// At most one a category, by category name; empty for "none".
    pub grants: Vec<Grant>,
    /// Budgets that this accrual used up.
    pub exhausted: Vec<Exhausted>,
}

/// Assesses one accrual and draws on `budgets`, category by category in the order of their names.
pub fn decide_assessment(categories: &[CategoryOffers<'_>], budgets: &mut Budgets) -> Assessment {
    let mut assessment = Assessment::default();
    for category in categories {
        let Some((offer, points, exhausted)) = category.offers.iter().find_map(|offer| accept(offer, budgets)) else { continue };
        assessment.grants.push(Grant {
            campaign: offer.campaign.code.clone(),
            version: offer.version,
            category: category.category.clone(),
            factor_basis_points: offer.campaign.factor.map_or(0, Rate::basis_points),
            base: category.base,
            points,
        });
        assessment.exhausted.extend(exhausted);
    }
    assessment
}

/// Takes an offer, unless its budget is used up.
fn accept<'a, 'b>(offer: &'b Offer<'a>, budgets: &mut Budgets) -> Option<(&'b Offer<'a>, Points, Option<Exhausted>)> {
    let campaign = offer.campaign;
    let Some(budget) = campaign.budget else { return Some((offer, offer.due, None)) };
    let drawn = budgets.draw(&campaign.code, budget, offer.due)?;
    let exhausted = drawn.exhausted.then(|| Exhausted { campaign: campaign.code.clone(), version: offer.version, budget });
    Some((offer, drawn.points, exhausted))
}

#[cfg(test)]
mod tests;
