//! The lunar calendar, from a library that computes it.

use chrono::{Datelike, NaiveDate};
use jifen_contracts::program::LunarDay;
use tyme4rs::tyme::solar::SolarDay;

/// The years for which it is asked: far more than a program may name, and well within what the library computes.
const YEARS: std::ops::RangeInclusive<i32> = 1900..=2200;

/// A day of the lunar calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LunarDate {
    /// 1 to 12.
    pub month: u32,
    /// In a leap month, which repeats the one before it.
    pub leap: bool,
    /// 1 to 30.
    pub day: u32,
    /// How many days the month has: 29 or 30.
    pub month_days: u32,
}

impl LunarDate {
    /// The lunar date of a day; none for days centuries away.
    pub fn of(day: NaiveDate) -> Option<Self> {
        let solar = solar(day)?;
        let lunar = solar.get_lunar_day();
        let month = lunar.get_lunar_month();
        let with_leap = month.get_month_with_leap();
        Some(Self {
            month: u32::try_from(with_leap.unsigned_abs()).ok()?,
            leap: with_leap < 0,
            day: u32::try_from(lunar.get_day()).ok()?,
            month_days: u32::try_from(month.get_day_count()).ok()?,
        })
    }

    /// Whether a rule means this day: of a leap month the first counts, and a 30th that the month hasn't got is its last day.
    pub fn is(&self, rule: &LunarDay) -> bool {
        !self.leap && self.month == rule.month && self.day == rule.day.min(self.month_days)
    }
}

/// The solar term (节气) that begins on this day, by its Chinese name: 清明.
pub fn term_of(day: NaiveDate) -> Option<String> {
    let term = solar(day)?.get_term_day();
    (term.get_day_index() == 0).then(|| tyme4rs::tyme::Culture::get_name(&term.get_solar_term()))
}

fn solar(day: NaiveDate) -> Option<SolarDay> {
    if !YEARS.contains(&day.year()) {
        return None;
    }
    Some(SolarDay::from_ymd(isize::try_from(day.year()).ok()?, usize::try_from(day.month()).ok()?, usize::try_from(day.day()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lunar(day: &str) -> LunarDate {
        LunarDate::of(day.parse().expect("a date")).expect("a lunar date")
    }

    #[test]
    fn a_leap_month_and_a_short_month_are_known() {
        // 2028 has a leap fifth month: the second 5/5 is on 27 June.
        let rule = LunarDay { month: 5, day: 5 };
        assert!(lunar("2028-05-28").is(&rule));
        let second = lunar("2028-06-27");
        assert_eq!((second.month, second.day, second.leap), (5, 5, true));
        assert!(!second.is(&rule));
        // The twelfth month of 2025/26 has 29 days: its last stands for a 30th.
        let eve = lunar("2026-02-16");
        assert_eq!((eve.month, eve.day, eve.month_days), (12, 29, 29));
        assert!(eve.is(&LunarDay { month: 12, day: 30 }) && eve.is(&LunarDay { month: 12, day: 29 }));
        assert!(!eve.is(&LunarDay { month: 12, day: 28 }));
    }

    #[test]
    fn days_centuries_away_have_none() {
        assert_eq!(LunarDate::of(NaiveDate::MAX), None);
        assert_eq!(LunarDate::of(NaiveDate::MIN), None);
        assert_eq!(term_of(NaiveDate::MAX), None);
    }
}
