//! What must come out of a round, whatever goes wrong in it: a pure function of the plan.

pub mod chain;
pub mod earn;
pub mod net;

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use self::{
    earn::Earned,
    net::{Net, TakenBack},
};
use crate::plan::{
    Offer, Plan,
    bills::{Bill, Customer},
    corrections::Change,
    others::{Kind, Other},
};

/// Store and number.
pub type DocumentKey = (String, String);

/// What becomes of a bill.
#[derive(Debug, Clone)]
pub struct ExpectedBill {
    /// Whose it is; nobody's waits for ever.
    pub person: Option<usize>,
    /// What it earns.
    pub earned: Earned,
    /// The local day of settlement.
    pub day: NaiveDate,
    /// The last day of what it earns.
    pub expires_on: NaiveDate,
    /// What campaigns without a budget add: campaign and category.
    pub bonus: BTreeMap<(String, &'static str), i64>,
    /// What the campaign with a budget would add.
    pub limited: BTreeMap<(String, &'static str), i64>,
    /// What was taken back of it.
    pub back: TakenBack,
    /// What is left of it, if anything was to be taken back.
    pub net: Option<Net>,
    /// More was paid back of a line than it had cost.
    pub too_much: bool,
}

/// What must come out.
#[derive(Debug, Clone)]
pub struct Expected {
    /// Every bill in order.
    pub bills: BTreeMap<DocumentKey, ExpectedBill>,
    /// The limits of campaigns that have one, by code.
    pub budgets: BTreeMap<String, i64>,
    /// Of these: what goes back to them while they run.
    pub running: BTreeSet<String>,
    /// Factors of campaigns, in basis points.
    pub factors: BTreeMap<String, i64>,
    /// What the partner with a budget may grant: less than is due of it.
    pub fuel: i64,
}

impl Expected {
    /// Plays the plan on paper.
    pub fn of(plan: &Plan) -> Self {
        let mut bills = BTreeMap::new();
        let mut all_back = taken_back(plan);
        let (mut due, mut budgets): (BTreeMap<String, i64>, BTreeMap<String, i64>) = (BTreeMap::new(), BTreeMap::new());
        for bill in &plan.bills {
            let earned = Earned::of(bill);
            let person = match bill.customer {
                Customer::Known(person, _) => Some(person),
                Customer::Stranger(_) => None,
            };
            let open = |offer: &&Offer| (offer.from..=offer.to).contains(&bill.day);
            let (mut bonus, mut limited) = (BTreeMap::new(), BTreeMap::new());
            for offer in plan.offers.iter().filter(open).filter(|_| person.is_some()) {
                for (category, points) in earned.due(offer) {
                    let into = if offer.covers.is_some() { &mut limited } else { &mut bonus };
                    into.insert((offer.code.clone(), category), points);
                    *due.entry(offer.code.clone()).or_default() += points;
                }
            }
            let key = key_of(bill);
            let back = all_back.remove(&key).filter(|_| person.is_some());
            let net = back.as_ref().map(|back| Net::of(bill, &earned, back));
            let too_much = back.as_ref().is_some_and(|back| back.is_too_much(bill));
            let expires_on = earn::expires_on(bill.day);
            let back = back.unwrap_or_default();
            bills.insert(key, ExpectedBill { person, earned, day: bill.day, expires_on, bonus, limited, back, net, too_much });
        }
        for offer in &plan.offers {
            if let Some(permille) = offer.covers {
                let due = due.get(&offer.code).copied().unwrap_or(0);
                budgets.insert(offer.code.clone(), (due * permille / 1_000).max(1));
            }
        }
        let due: i64 = plan.others.iter().filter(|other| other.kind == Kind::Fuel).map(Other::due).sum();
        Self {
            bills,
            budgets,
            running: plan.offers.iter().filter(|offer| offer.to >= plan.today).map(|offer| offer.code.clone()).collect(),
            factors: plan.offers.iter().map(|offer| (offer.code.clone(), offer.factor_basis_points)).collect(),
            fuel: (due * 6 / 10).max(1),
        }
    }

    /// What is due of a campaign with a budget, before anything is taken back.
    pub fn due(&self, campaign: &str) -> i64 {
        let due = |bill: &ExpectedBill| bill.limited.iter().filter(|((code, _), _)| code == campaign).map(|(_, due)| due).sum::<i64>();
        self.bills.values().map(due).sum()
    }
}

fn key_of(bill: &Bill) -> DocumentKey {
    (bill.store.clone(), bill.number.clone())
}

/// What is taken back of each bill: by a bill in its place as soon as that has come, whoever's it is.
fn taken_back(plan: &Plan) -> BTreeMap<DocumentKey, TakenBack> {
    let mut all: BTreeMap<DocumentKey, TakenBack> = BTreeMap::new();
    for correction in &plan.corrections {
        let Some(bill) = correction.bill else { continue };
        let back = all.entry(key_of(&plan.bills[bill])).or_default();
        match &correction.change {
            Change::Refund(lines) => {
                back.refunds += 1;
                for (line, fen) in lines {
                    *back.refunded.entry(*line).or_default() += fen;
                }
            }
            Change::Void => back.voids += 1,
        }
    }
    for bill in &plan.bills {
        if let Some(replaces) = &bill.replaces {
            all.entry((bill.store.clone(), replaces.clone())).or_default().replaced += 1;
        }
    }
    all
}

impl ExpectedBill {
    /// What a category's base is in the end.
    pub fn base_left(&self, category: &str) -> i64 {
        let categories = self.net.as_ref().map_or(&self.earned.categories, |net| &net.categories);
        categories.get(category).map_or(0, |(_, base)| *base)
    }

    /// Whether it counts as spending in the end.
    pub fn still_spending(&self) -> bool {
        self.net.as_ref().map_or(self.earned.spending, |net| net.spending)
    }
}
