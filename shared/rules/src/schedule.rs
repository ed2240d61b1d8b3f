//! On which days a campaign is open.

use chrono::{Datelike, Days, NaiveDate};
use jifen_contracts::program::{Campaign, Weekday};

use crate::{calendar::Calendar, lunar::LunarDate};

/// A day, with what campaigns ask of it.
#[derive(Debug, Clone, Copy)]
pub struct OpenDay<'a> {
    day: NaiveDate,
    lunar: Option<LunarDate>,
    calendar: &'a Calendar,
}

impl<'a> OpenDay<'a> {
    /// A day of a calendar. Its lunar date is computed, once, if one of `campaigns` may ask for it.
    pub fn new(day: NaiveDate, calendar: &'a Calendar, campaigns: &[Campaign]) -> Self {
        let asked = campaigns.iter().any(|campaign| !campaign.lunar.is_empty() && (campaign.from..=campaign.to).contains(&day));
        Self { day, lunar: asked.then(|| LunarDate::of(day)).flatten(), calendar }
    }

    /// Whether a campaign is open on this day. Every list that a campaign has must name the day.
    pub fn opens(&self, campaign: &Campaign) -> bool {
        (campaign.from..=campaign.to).contains(&self.day)
            && (campaign.weekdays.is_empty() || campaign.weekdays.contains(&Weekday::from(self.day.weekday())))
            && (campaign.month_days.is_empty() || campaign.month_days.iter().any(|day| self.is_month_day(*day)))
            && (campaign.festivals.is_empty() || self.calendar.is_festival(self.day, &campaign.festivals))
            && (campaign.lunar.is_empty() || self.lunar.is_some_and(|lunar| campaign.lunar.iter().any(|rule| lunar.is(rule))))
    }

    /// -1 is the last day of the month; a 31st that the month hasn't got is no day of it.
    fn is_month_day(&self, wanted: i32) -> bool {
        let tomorrow = self.day.checked_add_days(Days::new(1));
        let last = tomorrow.is_none_or(|tomorrow| tomorrow.month() != self.day.month());
        i64::from(self.day.day()) == i64::from(wanted) || (wanted == -1 && last)
    }
}

/// The first day on which a campaign is open, of at most so many days that are looked at.
pub fn first_open_day(campaign: &Campaign, calendar: &Calendar, most_days: usize) -> Option<NaiveDate> {
    let one = std::slice::from_ref(campaign);
    let mut days = campaign.from.iter_days().take_while(|day| *day <= campaign.to).take(most_days);
    days.find(|day| OpenDay::new(*day, calendar, one).opens(campaign))
}

#[cfg(test)]
mod tests {
    use jifen_contracts::{code::Text, program::LunarDay};
    use jifen_kernel::Token;

    use super::*;
    use crate::seed;

    fn campaign() -> Campaign {
        Campaign {
            code: Token::try_new("c").expect("a code"),
            name: Text::new("活动", "offer"),
            goal: None,
            factor: None,
            bonus: None,
            from: day("2026-01-01"),
            to: day("2027-12-31"),
            weekdays: Vec::new(),
            month_days: Vec::new(),
            festivals: Vec::new(),
            lunar: Vec::new(),
            birthday_month: false,
            stores: Vec::new(),
            categories: Vec::new(),
            tiers: Vec::new(),
            vehicle: None,
            condition: None,
            budget: None,
            member_cap: None,
            exclusive: false,
            preheat_days: None,
            post_after_days: None,
        }
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    /// The open days of a year, as month and day.
    fn open(campaign: &Campaign, year: i32) -> Vec<String> {
        let calendar = Calendar::new(&seed::holidays(2026..=2027));
        let days = day(&format!("{year}-01-01")).iter_days().take_while(|day| day.year() == year);
        let one = std::slice::from_ref(campaign);
        days.filter(|day| OpenDay::new(*day, &calendar, one).opens(campaign)).map(|day| day.format("%m-%d").to_string()).collect()
    }

    #[test]
    fn days_of_the_month_count_from_either_end() {
        let rule = Campaign { month_days: vec![15, 31, -1], from: day("2026-01-01"), to: day("2026-04-30"), ..campaign() };
        assert_eq!(open(&rule, 2026), ["01-15", "01-31", "02-15", "02-28", "03-15", "03-31", "04-15", "04-30"]);
    }

    #[test]
    fn festivals_are_the_days_of_the_table() {
        let festivals = |codes: &[&str]| codes.iter().map(|code| Token::try_new(*code).expect("a code")).collect();
        let autumn = Campaign { festivals: festivals(&["mid_autumn", "qixi"]), ..campaign() };
        assert_eq!(open(&autumn, 2026), ["08-19", "09-25", "09-26", "09-27"]);
        assert_eq!(open(&autumn, 2027), ["08-08", "09-15"]);
        // Neither of the two make-up days of the National Day week.
        let national = Campaign { festivals: festivals(&["national_day"]), ..campaign() };
        assert_eq!(open(&national, 2026).len(), 7);
    }

    #[test]
    fn lunar_days_are_computed_and_all_lists_must_agree() {
        let rule = Campaign { lunar: vec![LunarDay { month: 8, day: 15 }, LunarDay { month: 1, day: 1 }], ..campaign() };
        assert_eq!(open(&rule, 2026), ["02-17", "09-25"]);
        assert_eq!(open(&rule, 2027), ["02-06", "09-15"]);
        let friday = Campaign { weekdays: vec![Weekday::Fri], ..rule };
        assert_eq!(open(&friday, 2026), ["09-25"]);
        assert_eq!(first_open_day(&friday, &Calendar::default(), 800), Some(day("2026-09-25")));
        assert_eq!(first_open_day(&friday, &Calendar::default(), 10), None);
    }
}
