//! Which campaigns of a program apply to an accrual, best first.

use std::{cmp::Reverse, collections::BTreeMap};

use chrono::Days;
use jifen_contracts::program::{AppliedProgram, Campaign};
use jifen_kernel::{Points, Token, clock};

use super::accrual::Accrual;

/// A document may arrive so long after a campaign's end and still take part (DOMAIN, exact default 6).
pub const LATE_DAYS: u64 = 30;

/// What one campaign would add to one category.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer<'a> {
    /// The campaign.
    pub campaign: &'a Campaign,
    /// The version that holds it.
    pub version: u32,
    /// `floor(base x (factor - 1))`, above zero, before its budget.
    pub due: Points,
}

/// The offers for one category of an accrual.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CategoryOffers<'a> {
    /// The category.
    pub category: &'a Token,
    /// Its base points.
    pub base: Points,
    /// Best first: the largest factor, among equals the campaign published first. The list ends with the first campaign
    /// that has no budget, since nothing behind it is ever reached.
    pub offers: Vec<Offer<'a>>,
}

/// What the campaigns of `rules` offer for `accrual`, by category name; categories without an offer are left out.
pub fn list_offers<'a>(rules: &'a AppliedProgram, accrual: &'a Accrual) -> Vec<CategoryOffers<'a>> {
    let mut open: Vec<&Campaign> = rules.program.campaigns.iter().filter(|campaign| applies(campaign, rules, accrual)).collect();
    // Stable: the program's order, which is that of publication, decides between equals.
    open.sort_by_key(|campaign| Reverse(campaign.factor));
    let by_category = accrual.bases.iter().map(|(category, base)| {
        let mut offers = Vec::new();
        for campaign in open.iter().filter(|campaign| campaign.categories.is_empty() || campaign.categories.contains(category)) {
            let due = campaign.factor.map_or(Points::ZERO, |factor| factor.extra_on(*base));
            if !due.is_positive() {
                break;
            }
            offers.push(Offer { campaign, version: rules.version, due });
            if campaign.budget.is_none() {
                break;
            }
        }
        CategoryOffers { category, base: *base, offers }
    });
    by_category.filter(|category| !category.offers.is_empty()).collect()
}

/// The budgets that these offers may draw on, by code, each with the highest limit that a version named.
pub fn list_budgets<'a>(offers: impl IntoIterator<Item = &'a CategoryOffers<'a>>) -> BTreeMap<Token, Points> {
    let mut budgets: BTreeMap<Token, Points> = BTreeMap::new();
    for offer in offers.into_iter().flat_map(|category| &category.offers) {
        if let Some(limit) = offer.campaign.budget {
            let highest = budgets.entry(offer.campaign.code.clone()).or_default();
            *highest = limit.max(*highest);
        }
    }
    budgets
}

/// Whether a campaign is open for this day, store and time of arrival. Categories are looked at one by one.
fn applies(campaign: &Campaign, rules: &AppliedProgram, accrual: &Accrual) -> bool {
    let day = accrual.business_date;
    (campaign.from..=campaign.to).contains(&day)
        && (campaign.weekdays.is_empty() || campaign.weekdays.contains(&chrono::Datelike::weekday(&day).into()))
        && (campaign.stores.is_empty() || campaign.stores.contains(&accrual.store))
        && arrived_in_time(campaign, rules, accrual)
}

fn arrived_in_time(campaign: &Campaign, rules: &AppliedProgram, accrual: &Accrual) -> bool {
    // The end is the first instant of the day after `to`; where the calendar itself ends there is no late.
    let last = campaign.to.checked_add_days(Days::new(1 + LATE_DAYS));
    last.is_none_or(|day| accrual.received_at <= clock::start_of_day(day, rules.program.time_zone()))
}

#[cfg(test)]
mod tests;
