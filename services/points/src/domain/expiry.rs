//! When points end. (DOMAIN exact default 9.)

use chrono::{Days, Months, NaiveDate};
use jifen_contracts::program::{Expiry, ExpiryMode};

/// The last local day on which points earned on `business_date` and posted on `posted_on` live.
pub fn expires_on(rule: &Expiry, business_date: NaiveDate, posted_on: NaiveDate) -> NaiveDate {
    let same_day = business_date.checked_add_months(Months::new(rule.months)).unwrap_or(NaiveDate::MAX);
    let by_rule = match rule.mode {
        ExpiryMode::ExactDay => same_day,
        ExpiryMode::EndOfMonth => end_of_month(same_day),
    };
    let earliest = posted_on.checked_add_days(Days::new(u64::from(rule.min_days_after_posting))).unwrap_or(NaiveDate::MAX);
    by_rule.max(earliest)
}

fn end_of_month(day: NaiveDate) -> NaiveDate {
    use chrono::Datelike;
    let first = day.with_day(1).unwrap_or(day);
    first.checked_add_months(Months::new(1)).and_then(|next| next.pred_opt()).unwrap_or(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("date")
    }

    #[test]
    fn the_documents_dates() {
        let rule = |mode| Expiry { months: 24, mode, min_days_after_posting: 30 };
        for (mode, business, posted, last) in [
            (ExpiryMode::EndOfMonth, "2026-10-01", "2026-12-11", "2028-10-31"),
            (ExpiryMode::EndOfMonth, "2026-10-01", "2028-10-20", "2028-11-19"),
            (ExpiryMode::ExactDay, "2028-02-29", "2028-02-29", "2030-02-28"),
            (ExpiryMode::EndOfMonth, "2026-02-28", "2026-02-28", "2028-02-29"),
        ] {
            assert_eq!(expires_on(&rule(mode), day(business), day(posted)), day(last), "{business} posted {posted}");
        }
    }
}
