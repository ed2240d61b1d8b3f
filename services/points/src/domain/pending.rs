//! What can't be spent at once, and what it waits for.

use chrono::{DateTime, Days, NaiveDate, Utc};
use jifen_contracts::{
    event::CategoryBase,
    program::{AppliedProgram, PendingRule},
};
use jifen_kernel::{Token, clock};
use uuid::Uuid;

/// What a rule asks for, beside the activation of the member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hold {
    /// Spendable from the beginning of this local day.
    Until(NaiveDate),
    /// A person must look at it.
    Review,
}

impl Hold {
    /// What `rule` asks of what was earned on `business_date`; `None` if its day has come by `today`.
    pub fn of(rule: PendingRule, business_date: NaiveDate, today: NaiveDate) -> Option<Self> {
        match rule {
            PendingRule::Review => Some(Self::Review),
            PendingRule::Days(days) => {
                let until = business_date.checked_add_days(Days::new(u64::from(days))).unwrap_or(NaiveDate::MAX);
                (until > today).then_some(Self::Until(until))
            }
        }
    }
}

/// What a lot waits for: whichever is last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    /// The business date of what earned it.
    pub since: NaiveDate,
    /// The member's activation.
    pub activation: bool,
    /// What a rule asks for.
    pub hold: Option<Hold>,
}

impl Waits {
    /// `None` for what waits for nothing.
    pub fn of(activation: bool, hold: Option<Hold>, since: NaiveDate) -> Option<Self> {
        (activation || hold.is_some()).then_some(Self { since, activation, hold })
    }
}

/// What an invoice's points wait for, by category.
pub struct Holds<'a> {
    applied: &'a AppliedProgram,
    business_date: NaiveDate,
    today: NaiveDate,
    awaiting: bool,
    /// What waits where there is no category: first spending, fixed bonuses.
    rest: Option<Hold>,
}

impl<'a> Holds<'a> {
    /// Of an invoice with these categories. What has no category waits only if every category that earns does, and no longer than
    /// the first of them.
    pub fn new(
        applied: &'a AppliedProgram,
        (business_date, posted_at): (NaiveDate, DateTime<Utc>),
        awaiting: bool,
        categories: &[CategoryBase],
    ) -> Self {
        let today = clock::local_date(posted_at, applied.program.time_zone());
        let mut holds = Self { applied, business_date, today, awaiting, rest: None };
        if !applied.program.earn.pending.is_empty() {
            let earning = categories.iter().filter(|category| category.base.is_positive());
            let each: Option<Vec<Hold>> = earning.map(|category| holds.hold(&category.category)).collect();
            holds.rest = each.and_then(|each| each.into_iter().min());
        }
        holds
    }

    fn hold(&self, category: &Token) -> Option<Hold> {
        Hold::of(*self.applied.program.earn.pending.get(category)?, self.business_date, self.today)
    }

    /// What points of a category wait for, or of none.
    pub fn of(&self, category: Option<&Token>) -> Option<Waits> {
        let hold = category.map_or(self.rest, |category| self.hold(category));
        Waits::of(self.awaiting, hold, self.business_date)
    }
}

/// The lots of one posting: points that wait for the same are together.
#[derive(Debug, Default)]
pub struct LotKeys(Vec<(Uuid, Option<Waits>)>);

impl LotKeys {
    /// The lot of what waits so; a new one if there is none yet.
    pub fn of(&mut self, waits: Option<Waits>, next_id: &mut dyn FnMut() -> Uuid) -> Uuid {
        if let Some((lot_id, _)) = self.0.iter().find(|(_, other)| *other == waits) {
            return *lot_id;
        }
        let lot_id = next_id();
        self.0.push((lot_id, waits));
        lot_id
    }

    /// Each with what it waits for.
    pub fn each(self) -> impl Iterator<Item = (Uuid, Option<Waits>)> {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use jifen_kernel::{Money, Points};

    use super::*;
    use crate::domain::samples::applied;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("date")
    }

    fn token(text: &str) -> Token {
        Token::try_new(text).expect("token")
    }

    #[test]
    fn a_hold_ends_with_its_day() {
        let of = |rule, today| Hold::of(rule, day("2026-10-01"), day(today));
        assert_eq!(of(PendingRule::Days(15), "2026-10-15"), Some(Hold::Until(day("2026-10-16"))));
        assert_eq!(of(PendingRule::Days(15), "2026-10-16"), None, "posted late: its days are over");
        assert_eq!(of(PendingRule::Review, "2030-01-01"), Some(Hold::Review));
        assert!(Hold::Until(NaiveDate::MAX) < Hold::Review);
    }

    #[test]
    fn what_has_no_category_waits_only_with_everything_else() {
        let mut program = applied();
        program.program.earn.pending =
            [("repair", PendingRule::Days(15)), ("parts", PendingRule::Review)].map(|(category, rule)| (token(category), rule)).into();
        let bill = |each: &[(&str, i64)]| -> Vec<CategoryBase> {
            let one = |(category, base): &(&str, i64)| CategoryBase { category: token(category), paid: Money::ZERO, base: Points(*base) };
            each.iter().map(one).collect()
        };
        let rest = |awaiting, each: &[(&str, i64)]| {
            let dates = (day("2026-10-01"), "2026-10-01T04:00:00Z".parse().expect("instant"));
            Holds::new(&program, dates, awaiting, &bill(each)).of(None)
        };
        let until = Some(Hold::Until(day("2026-10-16")));
        assert_eq!(rest(false, &[("repair", 100), ("maintenance", 1)]), None);
        assert_eq!(
            rest(false, &[("repair", 100), ("maintenance", 0)]).and_then(|waits| waits.hold),
            until,
            "what earns nothing is nothing"
        );
        assert_eq!(rest(false, &[("repair", 100), ("parts", 100)]).and_then(|waits| waits.hold), until, "as long as the first");
        assert_eq!(rest(false, &[]), None);
        assert_eq!(rest(true, &[]), Some(Waits { since: day("2026-10-01"), activation: true, hold: None }));
    }
}
