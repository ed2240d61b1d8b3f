//! Points that end unspent. (DOMAIN exact default 9.)

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::event::{EntryKind, FundedPoints};
use jifen_kernel::{Points, StoreCode};
use uuid::Uuid;

use super::{
    account::{Account, Entry, Movement, Side},
    lots::LotPart,
};

/// Where ended points are.
pub const EXPIRED: &str = "expired";

/// The points of one account that ended with one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Their last day.
    pub on: NaiveDate,
    /// How many, by who funded them.
    pub funded_by: Vec<FundedPoints>,
    /// One a lot.
    pub entries: Vec<Entry>,
}

impl Ended {
    /// How many.
    pub fn points(&self) -> Points {
        self.funded_by.iter().map(|funded| funded.points).sum()
    }
}

/// Ends all that is left of these lots of one account, day by day.
pub fn decide_end(
    account: &mut Account,
    lots: &[LotPart],
    version: u32,
    posted_at: DateTime<Utc>,
    next_id: &mut dyn FnMut() -> Uuid,
) -> Vec<Ended> {
    let mut days: BTreeMap<NaiveDate, Vec<&LotPart>> = BTreeMap::new();
    for lot in lots.iter().filter(|lot| lot.points.is_positive()) {
        days.entry(lot.expires_on).or_default().push(lot);
    }
    let mut end = |lot: &LotPart| {
        let movement = Movement { rule: format!("expiry@{version}"), ..Movement::of_lot(lot, EntryKind::Expiry, next_id(), posted_at) };
        account.transfer(Side::Active, Side::Outside(EXPIRED.to_owned()), movement)
    };
    let of_day = |(on, lots): (NaiveDate, Vec<&LotPart>)| Ended {
        on,
        funded_by: funded_by(lots.iter().map(|lot| (&lot.store, lot.points))),
        entries: lots.into_iter().map(&mut end).collect(),
    };
    days.into_iter().map(of_day).collect()
}

/// What ended by itself, apart from the daily run: day by day.
pub fn by_day(lots: &[LotPart]) -> Vec<Ended> {
    let mut days: BTreeMap<NaiveDate, Vec<&LotPart>> = BTreeMap::new();
    for lot in lots {
        days.entry(lot.expires_on).or_default().push(lot);
    }
    let of_day = |(on, lots): (NaiveDate, Vec<&LotPart>)| Ended {
        on,
        funded_by: funded_by(lots.iter().map(|lot| (&lot.store, lot.points))),
        entries: Vec::new(),
    };
    days.into_iter().map(of_day).collect()
}

/// Sums by funding store, the largest first.
pub fn funded_by<'a>(points: impl Iterator<Item = (&'a StoreCode, Points)>) -> Vec<FundedPoints> {
    let mut sums: BTreeMap<&StoreCode, Points> = BTreeMap::new();
    for (store, points) in points {
        *sums.entry(store).or_default() += points;
    }
    let mut all: Vec<FundedPoints> = sums.into_iter().map(|(store, points)| FundedPoints { store: store.clone(), points }).collect();
    all.sort_by_key(|funded| std::cmp::Reverse(funded.points));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::samples::member;

    fn lot(number: u128, store: &str, points: i64, expires_on: &str) -> LotPart {
        LotPart {
            lot_id: Uuid::from_u128(number),
            store: StoreCode::try_new(store).expect("store"),
            document: format!("R{number}"),
            expires_on: expires_on.parse().expect("date"),
            points: Points(points),
        }
    }

    #[test]
    fn each_lot_ends_by_an_entry_and_each_day_by_itself() {
        let mut account = Account::new(member(1), "M1".to_owned());
        account.balance.active = Points(1_000);
        account.lifetime = Points(5_000);
        let lots = [
            lot(1, "SH01", 100, "2028-10-31"),
            lot(2, "SH02", 300, "2028-10-31"),
            lot(3, "SH01", 50, "2028-11-30"),
            lot(4, "SH01", 0, "2028-10-31"),
        ];
        let ended = decide_end(&mut account, &lots, 3, DateTime::UNIX_EPOCH, &mut Uuid::nil);
        let shown: Vec<_> = ended.iter().map(|ended| (ended.on.to_string(), ended.points().0, ended.entries.len())).collect();
        assert_eq!(shown, [("2028-10-31".to_owned(), 400, 2), ("2028-11-30".to_owned(), 50, 1)]);
        assert_eq!(ended[0].funded_by[0].store.as_str(), "SH02", "who funded most stands in front");
        let entry = &ended[0].entries[0];
        assert_eq!((entry.debit.as_str(), entry.credit.as_ref(), entry.movement.rule.as_str()), ("active", EXPIRED, "expiry@3"));
        assert_eq!((entry.movement.ordinal, ended[0].entries[1].movement.ordinal), (1, 2), "two lots of a document never collide");
        assert_eq!((account.balance.active, account.lifetime), (Points(550), Points(5_000)), "what was earned stays earned");
    }
}
