//! What an accrual adds to a member's standing: facts that add up, whatever their order.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use jifen_contracts::{KeyedHash, event::AccrualSettled};
use jifen_kernel::{MemberId, Money, Points, StoreCode, Token};

/// One accrual, as far as a ladder may ask for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contribution {
    /// The issuing store.
    pub store: StoreCode,
    /// The document.
    pub document: String,
    /// Who earned.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// The program whose ladder decides.
    pub program_version: u32,
    /// The local day of settlement.
    pub business_date: NaiveDate,
    /// Points that count towards a tier; never below zero, pending ones included.
    pub qualifying: Points,
    /// Customer-paid amounts by category.
    pub paid: BTreeMap<Token, Money>,
    /// A visit to the workshop.
    pub visit: bool,
    /// A visit for which the customer paid.
    pub paid_visit: bool,
    /// The vehicle, hashed.
    pub vehicle: Option<KeyedHash>,
}

/// Why an event is no contribution: what published it is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadContribution {
    /// An accrual that takes points away.
    #[error("an accrual can't qualify with {0} points")]
    NegativeQualifying(Points),
    /// Two amounts of one category.
    #[error("category {0} stands twice in one accrual")]
    CategoryTwice(Token),
    /// A paid visit that is none.
    #[error("a paid visit that is no visit")]
    PaidWithoutVisit,
}

impl Contribution {
    /// Takes from an event what counts.
    pub fn try_new(settled: &AccrualSettled) -> Result<Self, BadContribution> {
        let qualifying = settled.qualifying();
        if qualifying < Points::ZERO {
            return Err(BadContribution::NegativeQualifying(qualifying));
        }
        if settled.paid_visit && !settled.visit {
            return Err(BadContribution::PaidWithoutVisit);
        }
        let mut paid = BTreeMap::new();
        for category in &settled.categories {
            if paid.insert(category.category.clone(), category.paid).is_some() {
                return Err(BadContribution::CategoryTwice(category.category.clone()));
            }
        }
        Ok(Self {
            store: settled.store.clone(),
            document: settled.document.clone(),
            member_id: settled.member_id,
            member_no: settled.member_no.clone(),
            program_version: settled.program_version,
            business_date: settled.business_date,
            qualifying,
            paid,
            visit: settled.visit,
            paid_visit: settled.paid_visit,
            vehicle: settled.vehicle.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::given::settled;

    #[test]
    fn what_qualifies_is_the_sum_of_the_entries_that_do() {
        let mut event = settled("R1", &[4_900, 200]);
        event.entries[1].qualifying = false;
        event.entries[0].pending = true;
        assert_eq!(Contribution::try_new(&event).expect("contribution").qualifying, Points(4_900));
        assert_eq!(Contribution::try_new(&settled("R1", &[])).expect("contribution").qualifying, Points::ZERO);
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        assert_eq!(Contribution::try_new(&settled("R1", &[-1])), Err(BadContribution::NegativeQualifying(Points(-1))));
        let mut event = settled("R1", &[1]);
        (event.visit, event.paid_visit) = (false, true);
        assert_eq!(Contribution::try_new(&event), Err(BadContribution::PaidWithoutVisit));
        let mut event = settled("R1", &[1]);
        event.categories.push(event.categories[0].clone());
        assert!(matches!(Contribution::try_new(&event), Err(BadContribution::CategoryTwice(_))));
    }
}
