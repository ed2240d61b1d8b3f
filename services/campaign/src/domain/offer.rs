//! Which offers of a program apply to an accrual, best first: campaigns, and the tier's own factor.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use chrono::{Datelike, Timelike};
use jifen_contracts::program::{Campaign, StackingMode, TIER_ACCELERATOR, VehicleAudience};
use jifen_kernel::{MemberId, Money, Points, Rate, Token};
use jifen_rules::condition::{Facts, Variables};

use super::{
    accrual::Accrual,
    person::Person,
    rulebook::{OpenList, Rulebook},
    vehicle::is_of_audience,
};

static TIER: LazyLock<Token> = LazyLock::new(|| Token::try_new(TIER_ACCELERATOR).expect("a token"));

/// Where an offer comes from, and what limits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source<'a> {
    /// The campaign's code, or the tier accelerator's.
    pub code: &'a Token,
    /// The version that holds it.
    pub version: u32,
    /// Points in all.
    pub budget: Option<Points>,
    /// Points for the member.
    pub member_cap: Option<Points>,
    /// Posted some working days after the end.
    pub deferred: bool,
}

impl Source<'_> {
    /// True where it always gives what is due, so that nothing behind it is reached.
    fn is_unlimited(&self) -> bool {
        self.budget.is_none() && self.member_cap.is_none()
    }
}

/// What one source would multiply a category with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer<'a> {
    /// Whose.
    pub source: Source<'a>,
    /// Above 1.
    pub factor: Rate,
}

/// The offers for one category of an accrual.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CategoryOffers<'a> {
    /// The category.
    pub category: &'a Token,
    /// Its base points.
    pub base: Points,
    /// Best first: the largest factor, among equals the campaign published first, the tier's last. Where only the best applies
    /// the list ends with the first that isn't limited, since nothing behind it is ever reached.
    pub offers: Vec<Offer<'a>>,
}

/// A fixed bonus that the accrual has paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FixedOffer<'a> {
    /// Whose.
    pub source: Source<'a>,
    /// How many.
    pub points: Points,
    /// The customer-paid amount from which it stays.
    pub keep_from: Money,
    /// Of these categories; of all if none is named.
    pub categories: &'a [Token],
}

/// Offers that may apply together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan<'a> {
    /// By category name; categories without an offer are left out.
    pub categories: Vec<CategoryOffers<'a>>,
    /// In the order of their publication.
    pub fixed: Vec<FixedOffer<'a>>,
}

/// What an accrual is offered: the first plan that gives anything applies. All but the last are of one exclusive campaign each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offers<'a> {
    /// In the order in which they are tried.
    pub plans: Vec<Plan<'a>>,
    /// How many campaigns were asked about member and invoice: what an accrual costs beside its look-up.
    pub asked: usize,
}

impl Offers<'_> {
    /// Some of what it may get is posted later.
    pub fn may_promise(&self) -> bool {
        let multiplied = |plan: &Plan<'_>| plan.categories.iter().flat_map(|category| &category.offers).any(|offer| offer.source.deferred);
        self.plans.iter().any(|plan| multiplied(plan) || plan.fixed.iter().any(|offer| offer.source.deferred))
    }
}

/// What the program offers for `accrual`.
pub fn list_offers<'a>(rules: &'a Rulebook, list: &OpenList, accrual: &'a Accrual, person: &'a Person) -> Offers<'a> {
    let answers = vec![None; rules.applied.program.campaigns.len()];
    let mut asking = Asking { rules, accrual, person, answers, asked: 0, facts: OnceCell::new() };
    let mut plans = Vec::new();
    for place in &list.exclusive {
        let plan = asking.plan(&[*place], &[*place], None);
        if plan.categories.is_empty() && plan.fixed.is_empty() {
            continue;
        }
        let unlimited = asking.source(*place).is_some_and(|source| source.is_unlimited());
        plans.push(plan);
        if unlimited {
            return Offers { plans, asked: asking.asked };
        }
    }
    let tier = rules.tier_factor(person.tier.as_ref());
    let plan = asking.plan(&list.multipliers, &list.fixed, tier);
    if !plan.categories.is_empty() || !plan.fixed.is_empty() {
        plans.push(plan);
    }
    Offers { plans, asked: asking.asked }
}

impl<'a> Offers<'a> {
    fn sources(&self) -> impl Iterator<Item = Source<'a>> {
        let of = |plan: &Plan<'a>| {
            let multipliers = plan.categories.iter().flat_map(|category| category.offers.iter().map(|offer| offer.source));
            multipliers.chain(plan.fixed.iter().map(|offer| offer.source)).collect::<Vec<_>>()
        };
        self.plans.iter().flat_map(of)
    }
}

/// The budgets that these offers may draw on, by code, each with the highest limit that a version named.
pub fn list_budgets<'a>(offers: impl IntoIterator<Item = &'a Offers<'a>>) -> BTreeMap<Token, Points> {
    let mut budgets: BTreeMap<Token, Points> = BTreeMap::new();
    for source in offers.into_iter().flat_map(Offers::sources) {
        if let Some(limit) = source.budget {
            match budgets.get_mut(source.code) {
                Some(highest) => *highest = limit.max(*highest),
                None => {
                    budgets.insert(source.code.clone(), limit);
                }
            }
        }
    }
    budgets
}

/// The members' own limits that these offers may draw on.
pub fn list_caps<'a>(offers: impl IntoIterator<Item = (&'a Offers<'a>, MemberId)>) -> BTreeSet<(MemberId, Token)> {
    let capped = |(offers, member): (&'a Offers<'a>, MemberId)| {
        let sources = offers.sources().filter(|source| source.member_cap.is_some());
        sources.map(move |source| (member, source.code.clone())).collect::<Vec<_>>()
    };
    offers.into_iter().flat_map(capped).collect()
}

/// Asks each campaign once, and only if it could still matter.
struct Asking<'a> {
    rules: &'a Rulebook,
    accrual: &'a Accrual,
    person: &'a Person,
    /// By the campaign's place.
    answers: Vec<Option<bool>>,
    /// How many there are.
    asked: usize,
    /// What conditions ask for, once one asks.
    facts: OnceCell<Facts<'a>>,
}

impl<'a> Asking<'a> {
    fn source(&self, place: usize) -> Option<Source<'a>> {
        let campaign = self.rules.campaign(place)?;
        Some(Source {
            code: &campaign.code,
            version: self.rules.applied.version,
            budget: campaign.budget,
            member_cap: campaign.member_cap,
            deferred: campaign.post_after_days.is_some(),
        })
    }

    fn plan(&mut self, multipliers: &[usize], fixed: &[usize], tier: Option<Rate>) -> Plan<'a> {
        Plan { categories: self.categories(multipliers, tier), fixed: fixed.iter().filter_map(|place| self.fixed(*place)).collect() }
    }

    fn categories(&mut self, multipliers: &[usize], tier: Option<Rate>) -> Vec<CategoryOffers<'a>> {
        let best_only = self.rules.applied.program.stacking.mode == StackingMode::BestOf;
        // Open: its best offer isn't found yet. A category without base has nothing to be multiplied.
        let categories = self.accrual.bases.iter().filter(|(_, base)| base.is_positive());
        let mut all: Vec<(bool, CategoryOffers<'a>)> =
            categories.map(|(category, base)| (true, CategoryOffers { category, base: *base, offers: Vec::new() })).collect();
        let tier = tier.map(|factor| Offer {
            source: Source { code: &TIER, version: self.rules.applied.version, budget: None, member_cap: None, deferred: false },
            factor,
        });
        let mut tier = tier;
        for place in multipliers {
            let (Some(campaign), Some(source)) = (self.rules.campaign(*place), self.source(*place)) else { continue };
            let Some(factor) = campaign.factor else { continue };
            // The tier's factor comes behind campaigns that are as large.
            if let Some(offer) = tier.take_if(|tier| tier.factor > factor) {
                add(&mut all, &[], offer, best_only);
            }
            let wanted = |category: &Token| campaign.categories.is_empty() || campaign.categories.contains(category);
            if all.iter().any(|(open, offers)| *open && wanted(offers.category)) && self.applies(*place, campaign) {
                add(&mut all, &campaign.categories, Offer { source, factor }, best_only);
            }
        }
        if let Some(offer) = tier {
            add(&mut all, &[], offer, best_only);
        }
        all.into_iter().map(|(_, offers)| offers).filter(|offers| !offers.offers.is_empty()).collect()
    }

    fn fixed(&mut self, place: usize) -> Option<FixedOffer<'a>> {
        let campaign = self.rules.campaign(place)?;
        let bonus = campaign.bonus.as_ref()?;
        let paid = self.accrual.paid_in(&campaign.categories);
        let due = paid.is_positive() && paid >= bonus.from_paid && bonus.points.is_positive();
        (due && self.applies(place, campaign)).then_some(FixedOffer {
            source: self.source(place)?,
            points: bonus.points,
            keep_from: bonus.from_paid,
            categories: &campaign.categories,
        })
    }

    /// Whether a campaign that is open on this day in this store applies to this member and invoice.
    fn applies(&mut self, place: usize, campaign: &Campaign) -> bool {
        if let Some(known) = self.answers.get(place).copied().flatten() {
            return known;
        }
        let tier = self.rules.tier_or_lowest(self.person.tier.as_ref());
        let answer = self.rules.is_in_time(place, self.accrual.received_at)
            && (!campaign.birthday_month || self.person.birthday_month == Some(self.accrual.business_date.month()))
            && (campaign.tiers.is_empty() || tier.is_some_and(|tier| campaign.tiers.contains(tier)))
            && campaign.vehicle.as_ref().is_none_or(|audience| self.has_car_of(audience))
            && self.rules.condition(place).is_none_or(|condition| condition.as_ref().is_ok_and(|condition| condition.holds(self.facts())));
        if let Some(known) = self.answers.get_mut(place) {
            *known = Some(answer);
        }
        self.asked += 1;
        answer
    }

    fn has_car_of(&self, audience: &VehicleAudience) -> bool {
        is_of_audience(audience, &self.person.cars, self.accrual.vehicle.as_ref(), self.accrual.business_date)
    }

    fn facts(&self) -> &Facts<'a> {
        self.facts.get_or_init(|| Facts::new(self.variables()))
    }

    fn variables(&self) -> Variables<'a> {
        let accrual = self.accrual;
        let day = accrual.business_date;
        let paid = accrual.paid.iter().filter(|(_, paid)| paid.is_positive());
        Variables {
            store: accrual.store.as_str(),
            tier: self.rules.tier_or_lowest(self.person.tier.as_ref()).map_or("", Token::as_str),
            categories: paid.map(|(category, _)| category.as_str()).collect(),
            base: accrual.bases.values().copied().sum::<Points>().0,
            paid_fen: accrual.paid_in(&[]).fen(),
            visit: accrual.visit,
            paid_visit: accrual.paid_visit,
            first_spending: accrual.first_spending,
            vehicle: accrual.vehicle.is_some(),
            month: day.month(),
            day: day.day(),
            weekday: day.weekday().number_from_monday(),
            hour: accrual.issued_at.with_timezone(&self.rules.applied.program.time_zone()).hour(),
        }
    }
}

/// Adds an offer to the open categories that it is for. Where the best alone applies, one that isn't limited ends the list.
fn add<'a>(all: &mut [(bool, CategoryOffers<'a>)], categories: &[Token], offer: Offer<'a>, best_only: bool) {
    for (open, offers) in all.iter_mut().filter(|(open, _)| *open) {
        let wanted = categories.is_empty() || categories.contains(offers.category);
        if wanted && offer.factor.extra_on(offers.base).is_positive() {
            *open = !(best_only && offer.source.is_unlimited());
            offers.offers.push(offer);
        }
    }
}

#[cfg(test)]
mod tests;
