//! One program's replay: the services' own rules, with what they look back at held in memory instead of a database.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use chrono::NaiveDate;
use jifen_campaign::domain::{accrual::Accrual, assess::assess, budget::Budgets, person::Person, rulebook::Rulebook};
use jifen_contracts::{
    event::{Earned, InvoiceAccepted},
    program::AppliedProgram,
};
use jifen_kernel::{MemberId, Points, StoreCode, Token, clock};
use jifen_points::domain::{
    base,
    post_invoice::{Valued, decide_daily_cap, decide_value},
};
use jifen_tier::domain::ladder::{needs_facts, rank_at};

use super::garage::Garage;

/// What a program would have brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    pub invoices: u64,
    pub customers: usize,
    pub base: Points,
    pub first_spending: Points,
    /// Bonus by campaign.
    pub campaigns: BTreeMap<Token, Points>,
    /// All points by store.
    pub stores: BTreeMap<StoreCode, Points>,
    /// Invoices with a category that the program does not know, and those categories.
    pub without_rate: u64,
    pub unknown: BTreeSet<Token>,
    /// Of the source: what could not be read.
    pub unreadable: u64,
    pub first_unreadable: Option<String>,
}

impl Outcome {
    /// Points of all campaigns.
    pub fn bonus(&self) -> Points {
        self.campaigns.values().copied().sum()
    }

    /// All points.
    pub fn total(&self) -> Points {
        self.base + self.first_spending + self.bonus()
    }
}

/// The replay.
pub struct Replay<'a> {
    applied: &'a AppliedProgram,
    /// Its campaigns, read once.
    rules: Rulebook,
    /// The cars, if a campaign asks for them.
    garage: Option<&'a Garage>,
    /// Who has had the first spending.
    spent: HashSet<MemberId>,
    /// Everybody.
    customers: HashSet<MemberId>,
    /// Base points of a customer's day, where a daily cap asks for them.
    daily: HashMap<(MemberId, NaiveDate), Points>,
    budgets: Budgets,
    /// Qualifying points so far, where they alone decide the tier.
    qualifying: Option<HashMap<MemberId, Points>>,
    outcome: Outcome,
}

impl<'a> Replay<'a> {
    /// Of a program for which nothing has happened yet.
    pub fn new(applied: &'a AppliedProgram, garage: &'a Garage) -> Self {
        Self {
            applied,
            rules: Rulebook::new(Arc::new(applied.clone())),
            garage: applied.program.campaigns.iter().any(|campaign| campaign.vehicle.is_some()).then_some(garage),
            spent: HashSet::new(),
            customers: HashSet::new(),
            daily: HashMap::new(),
            budgets: Budgets::default(),
            qualifying: (!needs_facts(&applied.program)).then(HashMap::new),
            outcome: Outcome::default(),
        }
    }

    /// Replays one invoice.
    pub fn add(&mut self, recorded: &InvoiceAccepted) {
        let applied = self.applied;
        let business_date = clock::local_date(recorded.issued_at, applied.program.time_zone());
        let valued = match decide_value(recorded, applied, recorded.received_at) {
            Ok(valued) => self.cut_to_the_day(recorded.member_id, business_date, valued),
            Err(unknown) => {
                self.outcome.without_rate += 1;
                self.outcome.unknown.insert(unknown.0);
                return;
            }
        };
        self.outcome.invoices += 1;
        self.customers.insert(recorded.member_id);
        let base = base::total(&valued.base.categories);
        let earn = &applied.program.earn;
        let first = valued.base.is_spending && earn.first_spending.is_positive() && self.spent.insert(recorded.member_id);
        let first_spending = if first { earn.first_spending } else { Points::ZERO };
        let earned = Earned {
            store: recorded.store.clone(),
            document: recorded.invoice_no.clone(),
            member_id: recorded.member_id,
            member_no: recorded.member_no.clone(),
            issued_at: recorded.issued_at,
            business_date,
            received_at: recorded.received_at,
            program_version: applied.version,
            categories: valued.base.categories,
            first_spending,
            replaces: recorded.replaces.clone(),
            vehicle: recorded.vehicle.clone(),
            visit: valued.base.visit,
            paid_visit: valued.base.paid_visit,
        };
        let bonus = self.assess(&earned, recorded);
        self.rise(&earned, bonus);
        self.outcome.base += base;
        self.outcome.first_spending += first_spending;
        *self.outcome.stores.entry(recorded.store.clone()).or_default() += base + first_spending + bonus;
    }

    /// What the daily cap leaves.
    fn cut_to_the_day(&mut self, member: MemberId, day: NaiveDate, valued: Valued) -> Valued {
        let Some(cap) = self.applied.program.earn.daily_cap else { return valued };
        let had = self.daily.entry((member, day)).or_default();
        let valued = decide_daily_cap(&valued, cap - *had).unwrap_or(valued);
        *had += base::total(&valued.base.categories);
        valued
    }

    /// The customer before this invoice.
    fn person(&self, recorded: &InvoiceAccepted) -> Person {
        let member = recorded.member_id;
        let tiers = &self.applied.program.tiers;
        let had = self.qualifying.as_ref().map(|all| all.get(&member).copied().unwrap_or_default());
        let rank = had.and_then(|points| rank_at(tiers, points));
        Person {
            tier: rank.and_then(|rank| tiers.get(rank)).map(|tier| tier.code.clone()),
            birthday_month: None,
            cars: self.garage.map(|garage| garage.cars_of(recorded)).unwrap_or_default(),
        }
    }

    /// What the invoice brought counts towards the tier, but for categories that don't.
    fn rise(&mut self, earned: &Earned, bonus: Points) {
        let Some(qualifying) = &mut self.qualifying else { return };
        let not = &self.applied.program.earn.not_qualifying;
        let base = earned.categories.iter().filter(|category| !not.contains(&category.category)).map(|category| category.base);
        *qualifying.entry(earned.member_id).or_default() += base.sum::<Points>() + earned.first_spending + bonus;
    }

    fn assess(&mut self, earned: &Earned, recorded: &InvoiceAccepted) -> Points {
        // Points names each category once: what it has valued is always an accrual.
        let Ok(accrual) = Accrual::try_new(earned) else { return Points::ZERO };
        let assessment = assess(&self.rules, &accrual, &self.person(recorded), &mut self.budgets);
        let mut bonus = Points::ZERO;
        for grant in assessment.grants {
            bonus += grant.points;
            *self.outcome.campaigns.entry(grant.campaign).or_default() += grant.points;
        }
        bonus
    }

    /// What it came to.
    pub fn outcome(mut self) -> Outcome {
        self.outcome.customers = self.customers.len();
        self.outcome
    }
}

#[cfg(test)]
mod tests;
