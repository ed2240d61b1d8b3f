//! What facts come to: each metric, and whether a way to a tier is open.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, Months, NaiveDate};
use jifen_contracts::{
    endpoint::{MetricValue, MissingWay},
    program::{Ladder, Tier, TierMeasure, TierMetric, TierWay},
};

use super::contribution::{Fact, Source};

/// What is measured: all facts up to some place, and those of them that metrics of twelve months see.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// From the beginning.
    pub all: &'a [Fact],
    /// The last twelve months, or a membership year.
    pub recent: &'a [Fact],
}

impl<'a> Seen<'a> {
    /// The facts up to `day`'s end and those of the twelve months that end with it. `facts` stand in their order.
    pub fn up_to(facts: &'a [Fact], day: NaiveDate) -> Self {
        let first = day.checked_sub_months(Months::new(12)).map_or(0, |before| facts.partition_point(|fact| fact.business_date <= before));
        Self { all: facts, recent: &facts[first..] }
    }

    /// Without the facts before this place in what metrics of twelve months see.
    pub fn from(self, place: usize) -> Self {
        let first = self.all.len() - self.recent.len();
        Self { recent: &self.all[first.max(place.min(self.all.len()))..], ..self }
    }

    /// A metric's value in whole points, times or fen.
    pub fn value(&self, metric: TierMetric, ladder: &Ladder, tier: &Tier) -> i64 {
        measure(metric.measure(), if metric.trailing() { self.recent } else { self.all }, ladder, tier)
    }

    /// Whether a tier may be had.
    pub fn opens(&self, tier: &Tier, ladder: &Ladder) -> bool {
        let met = |way: &TierWay| way.all.iter().all(|asked| self.value(asked.metric, ladder, tier) >= asked.at_least.units());
        tier.ways().any(|way| met(&way))
    }

    /// What each way to a tier beside its short form still asks for.
    pub fn missing(&self, tier: &Tier, ladder: &Ladder) -> Vec<MissingWay> {
        self.missing_of(tier.any.iter().cloned(), tier, ladder)
    }

    /// What each way to a tier still asks for.
    pub fn missing_of(&self, ways: impl Iterator<Item = TierWay>, tier: &Tier, ladder: &Ladder) -> Vec<MissingWay> {
        let lacks = |way: TierWay| {
            let all = way.all.iter().filter_map(|asked| {
                let lacking = asked.at_least.units() - self.value(asked.metric, ladder, tier);
                (lacking > 0).then(|| MetricValue { metric: asked.metric, value: asked.metric.value(lacking) })
            });
            MissingWay { all: all.collect() }
        };
        ways.map(lacks).collect()
    }
}

fn measure(measure: TierMeasure, facts: &[Fact], ladder: &Ladder, tier: &Tier) -> i64 {
    let of = |source| facts.iter().filter(move |fact| fact.source == source);
    let count = |source| whole(of(source).count());
    // An invitation or approval is for the tier that it names.
    let for_tier = |source| whole(of(source).filter(|fact| fact.detail.as_deref() == Some(tier.code.as_str())).count());
    match measure {
        TierMeasure::Points => facts.iter().map(|fact| fact.qualifying.0).sum(),
        TierMeasure::Spend => facts.iter().map(|fact| spend(fact, ladder)).sum(),
        TierMeasure::Vehicles => count(Source::VehicleSale),
        TierMeasure::VehicleAmount => of(Source::VehicleSale).map(|fact| fact.amount.fen()).sum(),
        TierMeasure::Visits => visits(facts.iter().filter(|fact| fact.visit)),
        TierMeasure::PaidVisits => visits(facts.iter().filter(|fact| fact.paid_visit)),
        TierMeasure::ReferralsPurchase => count(Source::ReferralPurchase),
        TierMeasure::ReferralsService => count(Source::ReferralService),
        TierMeasure::ReferralsRegistration => count(Source::ReferralRegistration),
        TierMeasure::Participation => whole(of(Source::Interaction).filter(|fact| takes_part(fact, ladder)).count()),
        TierMeasure::Invitation => for_tier(Source::Invitation),
        TierMeasure::Approval => for_tier(Source::Approval),
        TierMeasure::HighSpendYears => high_spend_years(facts, ladder),
        TierMeasure::ListedModels => whole(of(Source::VehicleSale).filter(|fact| is_listed(fact, ladder)).count()),
    }
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// What the customer paid, without what the ladder excludes, in fen.
fn spend(fact: &Fact, ladder: &Ladder) -> i64 {
    let counted = fact.paid.iter().filter(|(category, _)| !ladder.spend_excludes.contains(category));
    counted.map(|(_, paid)| paid.fen()).sum()
}

/// One vehicle, store and local day is one visit, however many bills it brought (DOMAIN, exact default 13). A bill that names no
/// vehicle is a visit of its own.
fn visits<'a>(facts: impl Iterator<Item = &'a Fact>) -> i64 {
    let different: BTreeSet<_> = facts
        .map(|fact| match &fact.vehicle {
            Some(vehicle) => (fact.business_date, &fact.store, vehicle, true),
            None => (fact.business_date, &fact.store, &fact.document, false),
        })
        .collect();
    whole(different.len())
}

/// An interaction that was rewarded, of a kind that the ladder counts.
fn takes_part(fact: &Fact, ladder: &Ladder) -> bool {
    let kind = fact.detail.as_deref();
    fact.qualifying.is_positive()
        && (ladder.participation.is_empty() || ladder.participation.iter().any(|counts| Some(counts.as_str()) == kind))
}

fn is_listed(fact: &Fact, ladder: &Ladder) -> bool {
    fact.detail.as_ref().is_some_and(|series| ladder.listed_series.contains(series))
}

fn high_spend_years(facts: &[Fact], ladder: &Ladder) -> i64 {
    let Some(threshold) = ladder.high_spend else { return 0 };
    let mut years: BTreeMap<i32, i64> = BTreeMap::new();
    for fact in facts {
        *years.entry(fact.business_date.year()).or_default() += spend(fact, ladder);
    }
    whole(years.values().filter(|spent| **spent >= threshold.fen()).count())
}

#[cfg(test)]
mod tests;
