//! What moves the end of a lot: an activity of its member, staff, or a visit that brings back what had ended. (DOMAIN "Lots, expiry,
//! transfer".)

use chrono::{DateTime, Days, NaiveDate, Utc};
use jifen_contracts::{event::EntryKind, program::Revival};
use jifen_kernel::Points;
use uuid::Uuid;

use super::{
    account::{Account, Entry, Movement, Side},
    ending::EXPIRED,
    lots::{LotPart, Lots, repay},
};

/// An extension reaches so many years at most.
const MOST_YEARS: u32 = 10;

/// True if points may be given until that day.
pub fn may_end_on(until: NaiveDate, today: NaiveDate) -> bool {
    let last = today.checked_add_months(chrono::Months::new(12 * MOST_YEARS)).unwrap_or(NaiveDate::MAX);
    today < until && until <= last
}

/// The first last day of what a visit on `visit` brings back, and the day until which that lives; `None` if that is over by `today`.
pub fn revives(rule: Revival, visit: NaiveDate, today: NaiveDate) -> Option<(NaiveDate, NaiveDate)> {
    let from = visit.checked_sub_days(Days::new(u64::from(rule.within_days)))?;
    let until = visit.checked_add_days(Days::new(u64::from(rule.live_days)))?;
    (until >= today).then_some((from, until))
}

/// What lives again of an account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revived {
    /// The lots with what is left of each: a debt is repaid first.
    pub lots: Vec<LotPart>,
    /// In their order.
    pub entries: Vec<Entry>,
}

/// Brings back what ended of these lots, until this day: out of breakage, not qualifying.
pub fn decide_revival(
    account: &mut Account,
    ended: &[LotPart],
    until: NaiveDate,
    version: u32,
    posted_at: DateTime<Utc>,
    next_id: &mut dyn FnMut() -> Uuid,
) -> Revived {
    let lots: Vec<LotPart> = ended.iter().map(|lot| LotPart { expires_on: until, ..lot.clone() }).collect();
    let mut entries = Vec::with_capacity(lots.len());
    for lot in lots.iter().filter(|lot| lot.points.is_positive()) {
        let movement = Movement { rule: format!("revival@{version}"), ..Movement::of_lot(lot, EntryKind::Revival, next_id(), posted_at) };
        entries.push(account.transfer(Side::Outside(EXPIRED.to_owned()), Side::Active, movement));
    }
    let mut left = Lots::new(lots);
    entries.extend(repay(account, &mut left, posted_at, next_id));
    Revived { lots: left.iter().cloned().collect(), entries }
}

/// Points of all of them.
pub fn points_of(lots: &[LotPart]) -> Points {
    lots.iter().map(|lot| lot.points).sum()
}

#[cfg(test)]
mod tests {
    use jifen_kernel::StoreCode;

    use super::*;
    use crate::domain::samples::member;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("date")
    }

    #[test]
    fn a_visit_within_ninety_days_brings_back_for_sixty() {
        let rule = Revival { within_days: 90, live_days: 60 };
        let of = |visit, today| revives(rule, day(visit), day(today));
        assert_eq!(of("2029-01-29", "2029-01-29"), Some((day("2028-10-31"), day("2029-03-30"))));
        assert_eq!(of("2029-01-29", "2029-03-31"), None, "posted when it would be over");
        assert!(may_end_on(day("2029-01-30"), day("2029-01-29")) && !may_end_on(day("2029-01-29"), day("2029-01-29")));
        assert!(!may_end_on(day("2039-01-30"), day("2029-01-29")));
    }

    #[test]
    fn what_lives_again_repays_a_debt_and_counts_for_nothing() {
        let mut account = Account::new(member(1), "M1".to_owned());
        account.balance.debt = Points(100);
        account.lifetime = Points(900);
        let store = StoreCode::try_new("SH01").expect("store");
        let lot =
            LotPart { lot_id: Uuid::from_u128(1), store, document: "R1".to_owned(), expires_on: day("2028-10-31"), points: Points(400) };
        let revived = decide_revival(&mut account, &[lot], day("2029-03-30"), 3, DateTime::UNIX_EPOCH, &mut Uuid::nil);
        assert_eq!((points_of(&revived.lots), account.balance.active, account.balance.debt), (Points(300), Points(300), Points(0)));
        let first = &revived.entries[0];
        assert_eq!((first.debit.as_str(), first.credit.as_ref(), first.movement.qualifying), (EXPIRED, "active", false));
        assert_eq!((first.movement.expires_on, account.lifetime), (day("2029-03-30"), Points(900)));
    }
}
