//! What an interaction earns, and how often. (DOMAIN "Accrual", exact default 17.)

use chrono::{Datelike, Days, Months, NaiveDate};
use jifen_contracts::program::{InteractionRule, Period};
use jifen_kernel::{MemberId, Points};

use super::direct::{Decision, DirectAccrual, Outcome};

/// Days for which an interaction waits for its order: as long as a parked invoice may be released.
pub const ORDER_WAIT_DAYS: u64 = 90;

/// The period whose rewards are counted: the first and last local day, and what they are about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Counting {
    /// Whose.
    pub member_id: MemberId,
    /// The kind.
    pub kind: String,
    /// Its first day.
    pub first: NaiveDate,
    /// Its last day.
    pub last: NaiveDate,
    /// Only what is about this.
    pub about: Option<String>,
    /// Only of this store: an order's number is its store's own.
    pub store: Option<String>,
}

impl Counting {
    /// The period of an interaction under its rule.
    pub fn of(accrual: &DirectAccrual, rule: &InteractionRule) -> Self {
        let day = accrual.business_date;
        let (first, last) = days_of(rule.limit.per, day);
        let by_about = rule.limit.per == Period::About;
        Self {
            member_id: accrual.member_id,
            kind: accrual.subject.clone(),
            first,
            last,
            about: if by_about { accrual.about.clone() } else { None },
            store: (by_about && rule.within_days.is_some()).then(|| accrual.store.to_string()),
        }
    }

    /// True if a reward for `accrual` counts here.
    pub fn counts(&self, accrual: &DirectAccrual) -> bool {
        self.member_id == accrual.member_id
            && self.kind == accrual.subject
            && (self.first..=self.last).contains(&accrual.business_date)
            && (self.about.is_none() || self.about == accrual.about)
            && self.store.as_deref().is_none_or(|store| store == accrual.store.as_str())
    }
}

/// The first and last day of the period that `day` lies in.
fn days_of(per: Period, day: NaiveDate) -> (NaiveDate, NaiveDate) {
    let first_of_month = day.with_day(1).unwrap_or(day);
    match per {
        // All days that a document may have.
        Period::Once | Period::About => (first_day_of(1), first_day_of(9_999)),
        Period::Day => (day, day),
        Period::Week => {
            let monday = day.week(chrono::Weekday::Mon).first_day();
            (monday, monday + Days::new(6))
        }
        Period::Month => (first_of_month, first_of_month + Months::new(1) - Days::new(1)),
        Period::Year => (first_day_of(day.year()), first_day_of(day.year().saturating_add(1)) - Days::new(1)),
    }
}

fn first_day_of(year: i32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, 1, 1).unwrap_or_default()
}

/// The order that an interaction is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// Whose.
    pub member_id: MemberId,
    /// Its local day.
    pub business_date: NaiveDate,
}

/// True if the decision can't be made without the order.
pub fn needs_order(accrual: &DirectAccrual, rule: &InteractionRule) -> bool {
    rule.within_days.is_some() && !rule.off && accrual.about.is_some()
}

/// What an interaction earns. `order` is the one that it is about, if it was posted; `counted` how many were rewarded before in
/// its period.
pub fn decide_reward(accrual: &DirectAccrual, rule: &InteractionRule, order: Option<Order>, counted: i64) -> Decision {
    if rule.off {
        return Decision::nothing(Outcome::Off);
    }
    if accrual.about.is_none() && (rule.within_days.is_some() || rule.limit.per == Period::About) {
        return Decision::nothing(Outcome::AboutMissing);
    }
    if let Some(days) = rule.within_days {
        let Some(order) = order else { return Decision::nothing(Outcome::OrderUnknown) };
        if order.member_id != accrual.member_id {
            return Decision::nothing(Outcome::OtherMember);
        }
        let last = order.business_date.checked_add_days(Days::new(u64::from(days)));
        if last.is_some_and(|last| accrual.business_date > last) {
            return Decision::nothing(Outcome::TooLate);
        }
    }
    let decision = if counted < i64::from(rule.limit.count) { Decision::all(rule.points) } else { Decision::nothing(Outcome::OverLimit) };
    Decision { counted: Some(counted), ..decision }
}

/// Counts of a batch, which grow with each reward.
#[derive(Debug, Default)]
pub struct Counts(pub Vec<(Counting, i64)>);

impl Counts {
    /// Rewarded so far in this period.
    pub fn of(&self, counting: &Counting) -> i64 {
        self.0.iter().find(|(other, _)| other == counting).map_or(0, |(_, count)| *count)
    }

    /// Takes a reward into every period that it counts in.
    pub fn add(&mut self, accrual: &DirectAccrual, points: Points) {
        if points.is_positive() {
            self.0.iter_mut().filter(|(counting, _)| counting.counts(accrual)).for_each(|(_, count)| *count += 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use jifen_contracts::{code::Text, program::Limit};
    use jifen_kernel::Token;

    use super::*;
    use crate::domain::samples::{direct, member};

    fn rule(count: u32, per: Period, within_days: Option<u32>) -> InteractionRule {
        InteractionRule {
            kind: Token::try_new("review").expect("token"),
            name: Text::new("评价", "Review"),
            points: Points(50),
            limit: Limit { count, per },
            within_days,
            off: false,
            pending: None,
        }
    }

    fn on(day: &str, about: Option<&str>) -> DirectAccrual {
        DirectAccrual { business_date: day.parse().expect("date"), about: about.map(str::to_owned), ..direct("I", 1) }
    }

    /// The points of interactions in this order.
    fn rewarded(rule: &InteractionRule, each: &[(&str, Option<&str>)]) -> Vec<i64> {
        let mut counts = Counts::default();
        let mut rewarded = Vec::new();
        for (day, about) in each {
            let accrual = on(day, *about);
            let counting = Counting::of(&accrual, rule);
            if !counts.0.iter().any(|(known, _)| *known == counting) {
                let before = each[..rewarded.len()].iter().zip(&rewarded).filter(|(_, points)| **points > 0);
                let before = before.filter(|((day, about), _)| counting.counts(&on(day, *about))).count();
                counts.0.push((counting.clone(), i64::try_from(before).expect("a count")));
            }
            let decision = decide_reward(&accrual, rule, None, counts.of(&counting));
            counts.add(&accrual, decision.points);
            rewarded.push(decision.points.0);
        }
        rewarded
    }

    /// Exact default 17: local days, weeks from Monday to Sunday, calendar months.
    #[test]
    fn limits_count_in_their_period() {
        // Sunday 4 October and Monday 5 October 2026.
        assert_eq!(
            rewarded(&rule(1, Period::Week, None), &[("2026-10-04", None), ("2026-10-05", None), ("2026-10-11", None)]),
            [50, 50, 0]
        );
        let month = [("2026-10-01", None), ("2026-10-31", None), ("2026-10-15", None), ("2026-11-01", None)];
        assert_eq!(rewarded(&rule(2, Period::Month, None), &month), [50, 50, 0, 50]);
        assert_eq!(rewarded(&rule(1, Period::Day, None), &[("2026-10-01", None), ("2026-10-01", None), ("2026-10-02", None)]), [50, 0, 50]);
        assert_eq!(
            rewarded(&rule(1, Period::Year, None), &[("2026-12-31", None), ("2026-01-01", None), ("2027-01-01", None)]),
            [50, 0, 50]
        );
        assert_eq!(rewarded(&rule(1, Period::Once, None), &[("2026-12-31", None), ("2036-01-01", None)]), [50, 0]);
        let about = [("2026-10-01", Some("E1")), ("2026-10-01", Some("E2")), ("2027-10-01", Some("E1")), ("2027-10-01", None)];
        assert_eq!(rewarded(&rule(1, Period::About, None), &about), [50, 50, 0, 0]);
    }

    #[test]
    fn a_review_is_about_an_own_order_of_the_last_thirty_days() {
        let review = rule(1, Period::About, Some(30));
        let order = |number| Some(Order { member_id: member(number), business_date: "2026-10-01".parse().expect("date") });
        let outcome = |day, about, order| decide_reward(&on(day, about), &review, order, 0).outcome;
        assert_eq!(outcome("2026-10-31", Some("R1"), order(1)), Outcome::Rewarded);
        assert_eq!(outcome("2026-09-30", Some("R1"), order(1)), Outcome::Rewarded);
        assert_eq!(outcome("2026-11-01", Some("R1"), order(1)), Outcome::TooLate);
        assert_eq!(outcome("2026-10-31", Some("R1"), order(2)), Outcome::OtherMember);
        assert_eq!(outcome("2026-10-31", Some("R1"), None), Outcome::OrderUnknown);
        assert_eq!(outcome("2026-10-31", None, None), Outcome::AboutMissing);
        let over = decide_reward(&on("2026-10-31", Some("R1")), &review, order(1), 1);
        assert_eq!((over.outcome, over.points, over.counted), (Outcome::OverLimit, Points::ZERO, Some(1)));
        let off = InteractionRule { off: true, ..review };
        assert_eq!(decide_reward(&on("2026-10-31", Some("R1")), &off, order(1), 0), Decision::nothing(Outcome::Off));
    }
}
