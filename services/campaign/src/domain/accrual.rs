//! What is assessed: the base that an invoice earned, as far as a campaign may look at it.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::{KeyedHash, event::Earned};
use jifen_kernel::{MemberId, Money, Points, StoreCode, Token};

/// The posted base of one invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accrual {
    /// The issuing store.
    pub store: StoreCode,
    /// The invoice.
    pub document: String,
    /// Who earned.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// Settlement.
    pub issued_at: DateTime<Utc>,
    /// Its local day, in the program's zone.
    pub business_date: NaiveDate,
    /// When the document first reached jifen.
    pub received_at: DateTime<Utc>,
    /// Base points by category, after caps; in the order in which categories draw on a budget.
    pub bases: BTreeMap<Token, Points>,
    /// What the customer paid, by category.
    pub paid: BTreeMap<Token, Money>,
    /// The member's first spending came with it.
    pub first_spending: bool,
    /// A visit to the workshop.
    pub visit: bool,
    /// A visit for which the customer paid.
    pub paid_visit: bool,
    /// The invoice of its store whose place it takes.
    pub replaces: Option<String>,
    /// The vehicle that it names.
    pub vehicle: Option<KeyedHash>,
}

/// Why an event is no accrual: what published it is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAccrual {
    /// Two bases of one category: floored apart, their bonus would differ.
    #[error("category {0} stands twice in one accrual")]
    CategoryTwice(Token),
    /// A base below zero.
    #[error("the base of category {0} is negative")]
    NegativeBase(Token),
}

impl Accrual {
    /// Takes from an event what decides about campaigns.
    pub fn try_new(earned: &Earned) -> Result<Self, BadAccrual> {
        let (mut bases, mut paid) = (BTreeMap::new(), BTreeMap::new());
        for category in &earned.categories {
            if category.base < Points::ZERO {
                return Err(BadAccrual::NegativeBase(category.category.clone()));
            }
            if bases.insert(category.category.clone(), category.base).is_some() {
                return Err(BadAccrual::CategoryTwice(category.category.clone()));
            }
            paid.insert(category.category.clone(), category.paid);
        }
        Ok(Self {
            store: earned.store.clone(),
            document: earned.document.clone(),
            member_id: earned.member_id,
            member_no: earned.member_no.clone(),
            issued_at: earned.issued_at,
            business_date: earned.business_date,
            received_at: earned.received_at,
            bases,
            paid,
            first_spending: earned.first_spending.is_positive(),
            visit: earned.visit,
            paid_visit: earned.paid_visit,
            replaces: earned.replaces.clone(),
            vehicle: earned.vehicle.clone(),
        })
    }

    /// What the customer paid in these categories; in all of them if none is named.
    pub fn paid_in(&self, categories: &[Token]) -> Money {
        let counts = |category: &Token| categories.is_empty() || categories.contains(category);
        self.paid.iter().filter(|(category, _)| counts(category)).map(|(_, paid)| *paid).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::given;

    #[test]
    fn an_accrual_names_each_category_once_and_nothing_below_zero() {
        let maintenance = given::token("maintenance");
        let read = |bases: &[(&str, i64)]| Accrual::try_new(&given::earned("R1", "2026-10-01", bases));
        assert_eq!(read(&[("parts", 5), ("maintenance", 0)]).expect("accrual").bases.len(), 2);
        assert_eq!(read(&[("maintenance", 5), ("maintenance", 6)]), Err(BadAccrual::CategoryTwice(maintenance.clone())));
        assert_eq!(read(&[("maintenance", -1)]), Err(BadAccrual::NegativeBase(maintenance)));
    }
}
