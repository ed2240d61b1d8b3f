//! Quiet hours and weeks, in the program's zone.

use chrono::{DateTime, Datelike, Duration, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use jifen_contracts::program::MessageLimits;
use jifen_kernel::clock;

fn is_quiet(time: NaiveTime, limits: &MessageLimits) -> bool {
    let (from, to) = (limits.quiet_from, limits.quiet_to);
    if from <= to { from <= time && time < to } else { from <= time || time < to }
}

/// The first instant from `at` on at which the local clock shows `time`. Where a change of summer time skips it, an hour later.
fn next(at: DateTime<Utc>, zone: Tz, time: NaiveTime) -> DateTime<Utc> {
    let today = clock::local_date(at, zone);
    let on = |day: NaiveDate| {
        let local = day.and_time(time);
        let found = zone.from_local_datetime(&local).earliest();
        let found = found.or_else(|| zone.from_local_datetime(&(local + Duration::hours(1))).earliest());
        found.map_or_else(|| Utc.from_utc_datetime(&local), |at| at.with_timezone(&Utc))
    };
    let first = on(today);
    if first >= at { first } else { on(today + Duration::days(1)) }
}

/// When advertising may go out that is ready at `at`: at once, or when the quiet hours end. They are half-open.
pub fn next_allowed(at: DateTime<Utc>, zone: Tz, limits: &MessageLimits) -> DateTime<Utc> {
    if is_quiet(at.with_timezone(&zone).time(), limits) { next(at, zone, limits.quiet_to) } else { at }
}

/// When the next quiet hours begin; none without any.
pub fn quiet_from(at: DateTime<Utc>, zone: Tz, limits: &MessageLimits) -> Option<DateTime<Utc>> {
    (limits.quiet_from != limits.quiet_to).then(|| next(at, zone, limits.quiet_from))
}

/// The Monday of the local week.
pub fn week_of(at: DateTime<Utc>, zone: Tz) -> NaiveDate {
    let day = clock::local_date(at, zone);
    day - Duration::days(i64::from(day.weekday().num_days_from_monday()))
}

/// The day on which somebody born on this month and day keeps the birthday in `year`: who was born on 29 February on the 28th of
/// common years.
pub fn birthday_in(year: i32, month: u32, day: u32) -> Option<NaiveDate> {
    let is_leap_day = (month, day) == (2, 29);
    NaiveDate::from_ymd_opt(year, month, day).or_else(|| is_leap_day.then(|| NaiveDate::from_ymd_opt(year, 2, 28)).flatten())
}

/// The birthdays, as month and day, that are kept on a day.
pub fn birthdays_on(day: NaiveDate) -> Vec<(u32, u32)> {
    let here = (day.month(), day.day());
    let also = (here == (2, 28) && birthday_in(day.year(), 2, 29) == Some(day)).then_some((2, 29));
    [Some(here), also].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZONE: Tz = chrono_tz::Asia::Shanghai;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse::<DateTime<chrono::FixedOffset>>().expect("instant").to_utc()
    }

    #[test]
    fn quiet_hours_are_half_open_and_cross_midnight() {
        let usual = MessageLimits::default();
        for (ready, allowed) in [
            ("2026-10-01T20:59:59+08:00", "2026-10-01T20:59:59+08:00"),
            ("2026-10-01T21:00:00+08:00", "2026-10-02T08:00:00+08:00"),
            ("2026-10-02T00:30:00+08:00", "2026-10-02T08:00:00+08:00"),
            ("2026-10-02T07:59:59+08:00", "2026-10-02T08:00:00+08:00"),
            ("2026-10-02T08:00:00+08:00", "2026-10-02T08:00:00+08:00"),
        ] {
            assert_eq!(next_allowed(at(ready), ZONE, &usual), at(allowed), "{ready}");
        }
        assert_eq!(quiet_from(at("2026-10-01T10:00:00+08:00"), ZONE, &usual), Some(at("2026-10-01T21:00:00+08:00")));
        let hour = |hour| NaiveTime::from_hms_opt(hour, 0, 0).expect("time");
        let noon = MessageLimits { quiet_from: hour(12), quiet_to: hour(14), ..usual.clone() };
        assert_eq!(next_allowed(at("2026-10-01T13:00:00+08:00"), ZONE, &noon), at("2026-10-01T14:00:00+08:00"));
        assert_eq!(next_allowed(at("2026-10-01T23:00:00+08:00"), ZONE, &noon), at("2026-10-01T23:00:00+08:00"));
        let never = MessageLimits { quiet_from: hour(12), quiet_to: hour(12), ..usual };
        assert_eq!(next_allowed(at("2026-10-01T12:00:00+08:00"), ZONE, &never), at("2026-10-01T12:00:00+08:00"));
        assert_eq!(quiet_from(at("2026-10-01T12:00:00+08:00"), ZONE, &never), None);
    }

    #[test]
    fn a_week_runs_from_monday_to_sunday_local() {
        let monday = |text: &str| week_of(at(text), ZONE).to_string();
        assert_eq!(monday("2026-10-04T23:59:59+08:00"), "2026-09-28");
        assert_eq!(monday("2026-10-05T00:00:00+08:00"), "2026-10-05");
    }

    #[test]
    fn the_leap_day_is_kept_on_the_28th_of_common_years() {
        let day = |text: &str| text.parse::<NaiveDate>().expect("day");
        assert_eq!(birthdays_on(day("2027-02-28")), [(2, 28), (2, 29)]);
        assert_eq!(birthdays_on(day("2028-02-28")), [(2, 28)]);
        assert_eq!(birthdays_on(day("2028-02-29")), [(2, 29)]);
        assert_eq!(birthday_in(2027, 2, 29), Some(day("2027-02-28")));
    }
}
