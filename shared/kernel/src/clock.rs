//! Time as a parameter.

use std::sync::Mutex;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;

/// Where the current instant comes from. Services receive one; only [`SystemClock`] asks the machine.
pub trait Clock: Send + Sync + 'static {
    /// The current instant.
    fn now(&self) -> DateTime<Utc>;

    /// An instant that another program read from the machine's clock, on this one: the same, unless a test has moved this one.
    fn of_machine(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        at
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine for the time")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

/// A clock that stands still until it is told to move: for tests and simulations.
#[derive(Debug)]
pub struct ManualClock(Mutex<DateTime<Utc>>);

impl ManualClock {
    /// A clock that stands at `at`.
    pub fn new(at: DateTime<Utc>) -> Self {
        Self(Mutex::new(at))
    }

    /// Moves the clock to `at`.
    pub fn set(&self, at: DateTime<Utc>) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = at;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The calendar day of `at` in `zone`: days are half-open, from local midnight to the next.
pub fn local_date(at: DateTime<Utc>, zone: Tz) -> NaiveDate {
    at.with_timezone(&zone).date_naive()
}

/// The instant at which `day` begins in `zone`. Where local midnight does not exist (a change of summer
/// time), the first instant after it.
pub fn start_of_day(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let midnight = day.and_time(NaiveTime::MIN);
    match zone.from_local_datetime(&midnight) {
        chrono::LocalResult::Single(at) | chrono::LocalResult::Ambiguous(at, _) => at.with_timezone(&Utc),
        chrono::LocalResult::None => {
            let later = midnight + chrono::Duration::hours(1);
            zone.from_local_datetime(&later).earliest().map_or_else(|| Utc.from_utc_datetime(&later), |at| at.with_timezone(&Utc))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_day_is_half_open() {
        let zone = chrono_tz::Asia::Shanghai;
        let at: DateTime<Utc> = "2026-09-30T16:00:00Z".parse().expect("instant");
        assert_eq!(local_date(at, zone), NaiveDate::from_ymd_opt(2026, 10, 1).expect("date"));
        assert_eq!(local_date(at - chrono::Duration::nanoseconds(1), zone), NaiveDate::from_ymd_opt(2026, 9, 30).expect("date"));
        assert_eq!(start_of_day(NaiveDate::from_ymd_opt(2026, 10, 1).expect("date"), zone), at);
    }
}
