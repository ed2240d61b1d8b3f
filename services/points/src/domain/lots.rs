//! A member's spendable points, lot by lot: spending takes the lot that ends first, and a debt is repaid by whatever becomes
//! spendable. (DOMAIN exact defaults 9 and 10.)

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::event::EntryKind;
use jifen_kernel::{Points, StoreCode};
use uuid::Uuid;

use super::account::{Account, Entry, Movement, Side};

/// Points of one lot: all that is left of it, or what was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LotPart {
    /// The lot.
    pub lot_id: Uuid,
    /// The store that funds it.
    pub store: StoreCode,
    /// The document that brought it.
    pub document: String,
    /// Its last day.
    pub expires_on: NaiveDate,
    /// How many.
    pub points: Points,
}

/// The lots of one locked account, the one that ends first in front. Together they hold what is spendable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lots {
    lots: Vec<LotPart>,
    changed: BTreeSet<Uuid>,
}

impl Lots {
    /// These lots, in whatever order.
    pub fn new(lots: Vec<LotPart>) -> Self {
        let mut all = Self { lots, changed: BTreeSet::new() };
        all.sort();
        all
    }

    fn sort(&mut self) {
        self.lots.sort_unstable_by_key(|lot| (lot.expires_on, lot.lot_id));
    }

    /// One more lot, which is written by itself.
    pub fn add(&mut self, lot: LotPart) {
        self.lots.push(lot);
        self.sort();
    }

    /// All that is left.
    pub fn total(&self) -> Points {
        self.lots.iter().map(|lot| lot.points).sum()
    }

    /// What is left of each.
    pub fn iter(&self) -> impl Iterator<Item = &LotPart> {
        self.lots.iter()
    }

    /// Takes so many points, or as many as there are, of those that end first.
    pub fn take(&mut self, points: Points) -> Vec<LotPart> {
        let mut missing = points;
        let mut taken = Vec::new();
        for lot in &mut self.lots {
            taken.extend(part_of(lot, &mut missing, &mut self.changed));
        }
        taken
    }

    /// Takes so many points of lots that live on `day`, of those that end first; nothing if there are not enough. A lot whose last day
    /// is over is not spent, also where the job that ends it has not come yet.
    pub fn take_live(&mut self, points: Points, day: NaiveDate) -> Option<Vec<LotPart>> {
        let live: Points = self.lots.iter().filter(|lot| lot.expires_on >= day).map(|lot| lot.points).sum();
        if live < points {
            return None;
        }
        let mut missing = points;
        let mut taken = Vec::new();
        for lot in self.lots.iter_mut().filter(|lot| lot.expires_on >= day) {
            taken.extend(part_of(lot, &mut missing, &mut self.changed));
        }
        Some(taken)
    }

    /// A lot, and what is left of it.
    pub fn find(&self, lot_id: Uuid) -> Option<&LotPart> {
        self.lots.iter().find(|lot| lot.lot_id == lot_id)
    }

    /// Takes so many points of this lot, or as many as it has.
    pub fn take_of(&mut self, lot_id: Uuid, points: Points) -> Option<LotPart> {
        let lot = self.lots.iter_mut().find(|lot| lot.lot_id == lot_id)?;
        let part = lot.points.min(points);
        if !part.is_positive() {
            return None;
        }
        lot.points = lot.points - part;
        self.changed.insert(lot_id);
        Some(LotPart { points: part, ..lot.clone() })
    }

    /// Points come back to their lot, which is loaded.
    pub fn put_back(&mut self, part: &LotPart) {
        if let Some(lot) = self.lots.iter_mut().find(|lot| lot.lot_id == part.lot_id) {
            lot.points += part.points;
        } else {
            self.add(part.clone());
        }
        self.changed.insert(part.lot_id);
    }

    /// Lots with other points than before, and what is left of them.
    pub fn changed(&self) -> impl Iterator<Item = (Uuid, Points)> {
        self.lots.iter().filter(|lot| self.changed.contains(&lot.lot_id)).map(|lot| (lot.lot_id, lot.points))
    }
}

/// What a lot gives of what is missing.
fn part_of(lot: &mut LotPart, missing: &mut Points, changed: &mut BTreeSet<Uuid>) -> Option<LotPart> {
    let part = lot.points.min(*missing);
    if !part.is_positive() {
        return None;
    }
    lot.points = lot.points - part;
    *missing = *missing - part;
    changed.insert(lot.lot_id);
    Some(LotPart { points: part, ..lot.clone() })
}

/// Repays the account's debt with what is spendable, by an entry a lot.
pub fn repay(account: &mut Account, lots: &mut Lots, posted_at: DateTime<Utc>, next_id: &mut dyn FnMut() -> Uuid) -> Vec<Entry> {
    let taken = lots.take(account.balance.debt);
    let repayment = |part: &LotPart| {
        let movement = Movement::of_lot(part, EntryKind::Repayment, next_id(), posted_at);
        account.transfer(Side::Active, Side::Debt, movement)
    };
    taken.iter().map(repayment).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::samples::member;

    fn lot(number: u128, points: i64, expires_on: &str) -> LotPart {
        LotPart {
            lot_id: Uuid::from_u128(number),
            store: StoreCode::try_new("SH01").expect("store"),
            document: format!("R{number}"),
            expires_on: expires_on.parse().expect("date"),
            points: Points(points),
        }
    }

    fn parts(taken: &[LotPart]) -> Vec<(u128, i64)> {
        taken.iter().map(|part| (part.lot_id.as_u128(), part.points.0)).collect()
    }

    #[test]
    fn what_ends_first_is_taken_first() {
        let mut lots = Lots::new(vec![lot(1, 500, "2028-12-31"), lot(2, 300, "2028-10-31"), lot(3, 200, "2028-12-31")]);
        assert_eq!(parts(&lots.take(Points(400))), [(2, 300), (1, 100)]);
        assert_eq!(lots.total(), Points(600));
        assert_eq!(lots.changed().collect::<Vec<_>>(), [(Uuid::from_u128(2), Points(0)), (Uuid::from_u128(1), Points(400))]);
        assert_eq!(lots.take_of(Uuid::from_u128(3), Points(900)).map(|part| part.points), Some(Points(200)));
        assert_eq!(lots.take_of(Uuid::from_u128(3), Points(1)), None);
        assert_eq!(parts(&lots.take(Points(1_000))), [(1, 400)]);
        lots.put_back(&lot(2, 50, "2028-10-31"));
        lots.put_back(&lot(9, 70, "2028-09-30"));
        assert_eq!(parts(&lots.take(Points(100))), [(9, 70), (2, 30)]);
    }

    #[test]
    fn what_is_over_is_not_spent() {
        let lots = || Lots::new(vec![lot(1, 500, "2028-10-31"), lot(2, 300, "2028-11-30")]);
        let day = |text: &str| text.parse().expect("date");
        assert_eq!(lots().take_live(Points(600), day("2028-10-31")).map(|taken| parts(&taken)), Some(vec![(1, 500), (2, 100)]));
        assert_eq!(lots().take_live(Points(300), day("2028-11-01")).map(|taken| parts(&taken)), Some(vec![(2, 300)]));
        let mut few = lots();
        assert_eq!((few.take_live(Points(301), day("2028-11-01")), few.changed().count()), (None, 0));
    }

    #[test]
    fn a_debt_is_repaid_as_far_as_it_goes() {
        let mut account = Account::new(member(1), "M1".to_owned());
        let owe = Movement {
            points: Points(700),
            ..Movement::of_lot(&lot(9, 1, "2028-10-31"), EntryKind::Reversal, Uuid::nil(), DateTime::UNIX_EPOCH)
        };
        account.transfer(Side::Debt, Side::Outside("issued:SH01".to_owned()), owe);
        let mut lots = Lots::new(vec![lot(1, 500, "2028-12-31")]);
        account.balance.active = Points(500);
        let entries = repay(&mut account, &mut lots, DateTime::UNIX_EPOCH, &mut Uuid::nil);
        assert_eq!((entries.len(), account.balance.active, account.balance.debt), (1, Points(0), Points(200)));
        assert_eq!((entries[0].debit.as_str(), entries[0].credit.as_ref()), ("active", "debt"));
        assert_eq!(repay(&mut account, &mut lots, DateTime::UNIX_EPOCH, &mut Uuid::nil), []);
    }
}
