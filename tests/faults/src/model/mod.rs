//! What must come out of a round, whatever goes wrong in it: a pure function of the plan.

pub mod chain;
pub mod earn;

use std::collections::BTreeMap;

use chrono::NaiveDate;

use self::earn::Earned;
use crate::plan::{
    Offer, Plan,
    bills::Customer,
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
}

/// What must come out.
#[derive(Debug, Clone)]
pub struct Expected {
    /// Every bill in order.
    pub bills: BTreeMap<DocumentKey, ExpectedBill>,
    /// The limits of campaigns that have one, by code.
    pub budgets: BTreeMap<String, i64>,
    /// What the partner with a budget may grant: less than is due of it.
    pub fuel: i64,
}

impl Expected {
    /// Plays the plan on paper.
    pub fn of(plan: &Plan) -> Self {
        let mut bills = BTreeMap::new();
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
            let expected = ExpectedBill { person, earned, day: bill.day, expires_on: earn::expires_on(bill.day), bonus, limited };
            bills.insert((bill.store.clone(), bill.number.clone()), expected);
        }
        for offer in &plan.offers {
            if let Some(permille) = offer.covers {
                let due = due.get(&offer.code).copied().unwrap_or(0);
                budgets.insert(offer.code.clone(), (due * permille / 1_000).max(1));
            }
        }
        let due: i64 = plan.others.iter().filter(|other| other.kind == Kind::Fuel).map(Other::due).sum();
        Self { bills, budgets, fuel: (due * 6 / 10).max(1) }
    }

    /// What a campaign with a budget grants in all: no more than is due, no more than it has.
    pub fn granted(&self, campaign: &str) -> i64 {
        let due = |bill: &ExpectedBill| bill.limited.iter().filter(|((code, _), _)| code == campaign).map(|(_, due)| due).sum::<i64>();
        let due: i64 = self.bills.values().map(due).sum();
        due.min(self.budgets.get(campaign).copied().unwrap_or(i64::MAX))
    }
}
