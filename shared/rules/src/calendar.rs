//! Working days and festivals, as the program's own table of holidays says.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, NaiveDate, Weekday};
use jifen_contracts::program::{DayKind, Holiday};
use jifen_kernel::Token;

/// A program's table of holidays, ready to be asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calendar {
    off: BTreeSet<NaiveDate>,
    work: BTreeSet<NaiveDate>,
    festivals: BTreeMap<NaiveDate, Vec<Token>>,
}

impl Calendar {
    /// From the rows of a program.
    pub fn new(holidays: &[Holiday]) -> Self {
        let mut calendar = Self::default();
        for holiday in holidays {
            match holiday.kind {
                DayKind::Off => {
                    calendar.off.insert(holiday.day);
                }
                DayKind::Work => {
                    calendar.work.insert(holiday.day);
                }
                DayKind::Named => {}
            }
            // A day on which people work instead belongs to a festival's arrangement, not to the festival.
            if holiday.kind != DayKind::Work {
                calendar.festivals.entry(holiday.day).or_default().push(holiday.festival.clone());
            }
        }
        calendar
    }

    /// Whether people work on this day: Monday to Friday but for days off, and the make-up days.
    pub fn is_working_day(&self, day: NaiveDate) -> bool {
        let weekend = matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
        self.work.contains(&day) || !(weekend || self.off.contains(&day))
    }

    /// The `count`-th working day after `day`; the day after it is the first that may count (DOMAIN, exact default 18).
    /// `None` where the calendar itself ends.
    pub fn working_days_after(&self, day: NaiveDate, count: u32) -> Option<NaiveDate> {
        let mut day = day;
        let mut left = count;
        while left > 0 {
            day = day.succ_opt()?;
            left -= u32::from(self.is_working_day(day));
        }
        Some(day)
    }

    /// Whether the day belongs to one of these festivals.
    pub fn is_festival(&self, day: NaiveDate, festivals: &[Token]) -> bool {
        self.festivals.get(&day).is_some_and(|here| here.iter().any(|festival| festivals.contains(festival)))
    }

    /// Whether the table knows how days off of this year are arranged: the office announces each year's make-up days in the
    /// autumn before, and no year is without.
    pub fn is_arranged(&self, year: i32) -> bool {
        self.work.iter().any(|day| day.year() == year)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    #[test]
    fn the_fifth_working_day_after_the_october_week_of_2026_is_the_13th() {
        let calendar = Calendar::new(&crate::seed::holidays(2026..=2026));
        let end = day("2026-10-07");
        let days: Vec<_> = (1..=5).filter_map(|count| calendar.working_days_after(end, count)).map(|day| day.day()).collect();
        // The 10th is a Saturday on which people work.
        assert_eq!(days, [8, 9, 10, 12, 13]);
        assert_eq!(calendar.working_days_after(end, 0), Some(end));
        assert_eq!(calendar.working_days_after(NaiveDate::MAX, 1), None);
    }

    #[test]
    fn make_up_days_are_worked_and_belong_to_no_festival() {
        let calendar = Calendar::new(&crate::seed::holidays(2026..=2026));
        let national = [Token::try_new("national_day").expect("a code")];
        assert!(calendar.is_working_day(day("2026-10-10")) && !calendar.is_festival(day("2026-10-10"), &national));
        assert!(!calendar.is_working_day(day("2026-10-01")) && calendar.is_festival(day("2026-10-01"), &national));
        // Named only: a Tuesday is worked.
        let lantern = [Token::try_new("lantern").expect("a code")];
        assert!(calendar.is_working_day(day("2026-03-03")) && calendar.is_festival(day("2026-03-03"), &lantern));
        assert!(calendar.is_arranged(2026) && !calendar.is_arranged(2027));
    }

    #[test]
    fn without_a_table_working_days_are_monday_to_friday() {
        let calendar = Calendar::default();
        assert_eq!(calendar.working_days_after(day("2026-10-02"), 1), Some(day("2026-10-05")));
    }
}
