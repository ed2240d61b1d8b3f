//! When points end. (DOMAIN exact default 9.)

use chrono::{Datelike, Days, Months, NaiveDate};
use jifen_contracts::program::{Expiry, ExpiryMode, YearDay};

/// The last local day on which points earned on `business_date` and posted on `posted_on` live.
pub fn expires_on(rule: &Expiry, business_date: NaiveDate, posted_on: NaiveDate) -> NaiveDate {
    let same_day = business_date.checked_add_months(Months::new(rule.months)).unwrap_or(NaiveDate::MAX);
    let by_rule = match rule.mode {
        ExpiryMode::ExactDay | ExpiryMode::Sliding => same_day,
        ExpiryMode::EndOfMonth => end_of_month(same_day),
        ExpiryMode::Calendar => first_of_year(&rule.days, same_day),
    };
    let earliest = posted_on.checked_add_days(Days::new(u64::from(rule.min_days_after_posting))).unwrap_or(NaiveDate::MAX);
    by_rule.max(earliest)
}

/// The last local day to which an activity on `day` extends a member's live points; `None` where it extends nothing.
pub fn slides_to(rule: &Expiry, day: NaiveDate) -> Option<NaiveDate> {
    (rule.mode == ExpiryMode::Sliding).then(|| day.checked_add_months(Months::new(rule.months)).unwrap_or(NaiveDate::MAX))
}

/// The day whose lots the reminder of `days` ahead is about, on `day`. None where a later reminder of theirs is due by `today`,
/// too: who catches up says once what is left to say.
pub fn reminded_of(reminders: &[u32], days: u32, day: NaiveDate, today: NaiveDate) -> Option<NaiveDate> {
    let ahead = |days: u32| day.checked_add_days(Days::new(u64::from(days)));
    let on = ahead(days)?;
    let next = reminders.iter().copied().filter(|next| *next < days).max().unwrap_or(0);
    let overtaken = on.checked_sub_days(Days::new(u64::from(next))).is_some_and(|next_day| next_day <= today);
    (!overtaken || today == day).then_some(on)
}

fn end_of_month(day: NaiveDate) -> NaiveDate {
    let first = day.with_day(1).unwrap_or(day);
    first.checked_add_months(Months::new(1)).and_then(|next| next.pred_opt()).unwrap_or(day)
}

/// The first of these days of the year that isn't before `day`.
fn first_of_year(days: &[YearDay], day: NaiveDate) -> NaiveDate {
    let of = |year: i32| days.iter().filter_map(move |at| in_year(*at, year));
    let both = of(day.year()).chain(of(day.year().saturating_add(1)));
    both.filter(|found| *found >= day).min().unwrap_or(day)
}

fn in_year(at: YearDay, year: i32) -> Option<NaiveDate> {
    let is_leap_day = (at.month, at.day) == (2, 29);
    NaiveDate::from_ymd_opt(year, at.month, at.day).or_else(|| is_leap_day.then(|| NaiveDate::from_ymd_opt(year, 2, 28)).flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("date")
    }

    fn rule(mode: ExpiryMode, months: u32) -> Expiry {
        let days = vec![YearDay { month: 2, day: 29 }, YearDay { month: 12, day: 31 }];
        Expiry { months, mode, min_days_after_posting: 30, days, reminders: Expiry::usual_reminders(), revival: None }
    }

    #[test]
    fn the_documents_dates() {
        for (mode, business, posted, last) in [
            (ExpiryMode::EndOfMonth, "2026-10-01", "2026-12-11", "2028-10-31"),
            (ExpiryMode::EndOfMonth, "2026-10-01", "2028-10-20", "2028-11-19"),
            (ExpiryMode::ExactDay, "2028-02-29", "2028-02-29", "2030-02-28"),
            (ExpiryMode::EndOfMonth, "2026-02-28", "2026-02-28", "2028-02-29"),
            (ExpiryMode::Calendar, "2026-10-01", "2026-10-01", "2028-12-31"),
            (ExpiryMode::Calendar, "2026-01-01", "2026-01-01", "2028-02-29"),
            (ExpiryMode::Calendar, "2024-12-31", "2024-12-31", "2026-12-31"),
            (ExpiryMode::Calendar, "2025-01-01", "2025-01-01", "2027-02-28"),
            (ExpiryMode::Sliding, "2026-10-15", "2026-10-15", "2028-10-15"),
        ] {
            assert_eq!(expires_on(&rule(mode, 24), day(business), day(posted)), day(last), "{mode:?}: {business} posted {posted}");
        }
    }

    #[test]
    fn only_sliding_points_are_extended_by_activity() {
        assert_eq!(slides_to(&rule(ExpiryMode::Sliding, 12), day("2026-10-15")), Some(day("2027-10-15")));
        assert_eq!(slides_to(&rule(ExpiryMode::ExactDay, 12), day("2026-10-15")), None);
    }

    #[test]
    fn who_catches_up_reminds_once() {
        let of = |days, on_day: &str, today: &str| reminded_of(&[60, 30, 7], days, day(on_day), day(today)).map(|on| on.to_string());
        assert_eq!(of(60, "2028-09-01", "2028-09-01").as_deref(), Some("2028-10-31"));
        assert_eq!(of(7, "2028-10-24", "2028-10-24").as_deref(), Some("2028-10-31"));
        // Three days late: still said. Thirty days late: the next reminder says it.
        assert_eq!(of(60, "2028-09-01", "2028-09-04").as_deref(), Some("2028-10-31"));
        assert_eq!(of(60, "2028-09-01", "2028-10-01"), None);
        assert_eq!(of(30, "2028-10-01", "2028-10-01").as_deref(), Some("2028-10-31"));
        // Of what has ended meanwhile nobody is reminded.
        assert_eq!(of(7, "2028-10-24", "2028-11-02"), None);
        assert_eq!(reminded_of(&[], 7, day("2028-10-24"), day("2028-10-25")), Some(day("2028-10-31")));
    }
}
