//! What a correction takes back of what was counted.
//!
//! Points, amounts and visits are deducted from the fact that had brought them, so that it counts on its own day as if it had
//! been so from the beginning: a year's spend is net. A deduction that comes before its accrual waits for it, and takes nothing
//! meanwhile: nobody goes down for a message that was faster than another.

use std::collections::{BTreeMap, BTreeSet};

use jifen_contracts::event::Reversed;
use jifen_kernel::{MemberId, Money, Points, StoreCode, Token};
use uuid::Uuid;

use super::contribution::{Fact, Source};

/// The accrual that is corrected: store, document, source.
pub type Of = (String, String, String);

/// What one event takes back of one accrual.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deduction {
    /// Its key: the event for what it takes of its own accrual, the first of the entries for another one.
    pub event_id: Uuid,
    /// Whose accrual.
    pub member_id: MemberId,
    /// Its number on the card.
    pub member_no: String,
    /// The accrual's store.
    pub store: StoreCode,
    /// The accrual's document.
    pub document: String,
    /// What the accrual rests on.
    pub source: Source,
    /// The entries that take qualifying points back.
    pub entries: BTreeMap<Uuid, Points>,
    /// By how much less was paid, by category.
    pub paid: BTreeMap<Token, Money>,
    /// The accrual is no visit any longer.
    pub visit_lost: bool,
    /// It is no paid one.
    pub paid_visit_lost: bool,
}

impl Deduction {
    /// What an event says: of its own accrual, and of each other one that some of its entries had come with. These wait, like the
    /// first, for what they take from.
    pub fn of(event_id: Uuid, reversed: &Reversed) -> Vec<Self> {
        let mut paid: BTreeMap<Token, Money> = BTreeMap::new();
        for category in &reversed.paid {
            let sum = paid.entry(category.category.clone()).or_insert(Money::ZERO);
            *sum = Money::from_fen(sum.fen() + category.paid.fen());
        }
        let own = Self {
            event_id,
            member_id: reversed.member_id,
            member_no: reversed.member_no.clone(),
            store: reversed.store.clone(),
            document: reversed.document.clone(),
            source: reversed.source.into(),
            entries: BTreeMap::new(),
            paid,
            visit_lost: reversed.visit_lost,
            paid_visit_lost: reversed.paid_visit_lost,
        };
        let (mut all, mut others) = (own.clone(), BTreeMap::<Of, Self>::new());
        for entry in reversed.entries.iter().filter(|entry| entry.qualifying) {
            let of = entry.accrual.as_ref().map_or(&mut all, |accrual| {
                let other = || Self {
                    event_id: entry.entry_id,
                    store: accrual.store.clone(),
                    document: accrual.document.clone(),
                    source: accrual.source.into(),
                    paid: BTreeMap::new(),
                    visit_lost: false,
                    paid_visit_lost: false,
                    ..own.clone()
                };
                let key = (accrual.store.to_string(), accrual.document.clone(), Source::from(accrual.source).as_str().to_owned());
                others.entry(key).or_insert_with(other)
            });
            of.entries.insert(entry.entry_id, entry.points);
        }
        [all].into_iter().chain(others.into_values()).collect()
    }

    /// Which accrual it corrects.
    pub fn of_accrual(&self) -> Of {
        (self.store.to_string(), self.document.clone(), self.source.as_str().to_owned())
    }

    /// Without the entries that others have taken back.
    pub fn keep(&mut self, new: &BTreeSet<Uuid>) {
        self.entries.retain(|entry, _| new.contains(entry));
    }

    /// What it takes.
    pub fn cut(&self) -> Cut {
        let qualifying = self.entries.values().copied().sum();
        Cut { qualifying, paid: self.paid.clone(), visit_lost: self.visit_lost, paid_visit_lost: self.paid_visit_lost }
    }
}

/// What corrections take from one fact.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cut {
    /// Qualifying points.
    pub qualifying: Points,
    /// Amounts by category.
    pub paid: BTreeMap<Token, Money>,
    /// It is no visit any longer.
    pub visit_lost: bool,
    /// It is no paid one.
    pub paid_visit_lost: bool,
}

impl Cut {
    /// What is left of a fact.
    pub fn apply(&self, fact: &mut Fact) {
        fact.qualifying = fact.qualifying - self.qualifying;
        for (category, less) in &self.paid {
            if let Some(paid) = fact.paid.get_mut(category) {
                *paid = Money::from_fen((paid.fen() - less.fen()).max(0));
            }
        }
        fact.visit &= !self.visit_lost;
        fact.paid_visit &= !self.paid_visit_lost && fact.visit;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::given::{spent, token};

    #[test]
    fn a_fact_is_left_what_was_not_taken_back() {
        let mut fact = spent("R1", "2026-10-01", "1000");
        (fact.qualifying, fact.visit, fact.paid_visit) = (Points(1_600), true, true);
        let less = |yuan: &str| BTreeMap::from([(token("maintenance"), Money::try_new(yuan).expect("money"))]);
        Cut { qualifying: Points(300), paid: less("200"), ..Cut::default() }.apply(&mut fact);
        assert_eq!((fact.qualifying, fact.paid.clone(), fact.visit), (Points(1_300), less("800"), true));
        Cut { qualifying: Points(1_300), paid: less("800"), visit_lost: false, paid_visit_lost: true }.apply(&mut fact);
        assert_eq!((fact.qualifying, fact.paid.clone()), (Points::ZERO, less("0")));
        assert_eq!((fact.visit, fact.paid_visit), (true, false), "an insurer paid on");
        Cut { visit_lost: true, ..Cut::default() }.apply(&mut fact);
        assert!(!fact.visit);
    }
}
