//! What is known of a member at the time of an invoice: birthday, tier and cars.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use jifen_contracts::event::VehicleKeys;
use jifen_kernel::Token;

/// What an offer may ask of a member. Empty where no open offer asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    /// The month of the birthday that counts on the business date.
    pub birthday_month: Option<u32>,
    /// The tier in force at settlement; none for the lowest.
    pub tier: Option<Token>,
    /// The member's cars, as known by now.
    pub cars: Vec<VehicleKeys>,
}

/// A birthday as it was said once. The first has counted ever since; a change counts from the calendar year that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Birthday {
    /// The first calendar year in which it counts; 0 for always.
    pub from_year: i32,
    /// Orders what was said about a member.
    pub sequence: i64,
    /// 1 to 12; none where the member has no birthday (a company, or nobody asked).
    pub month: Option<u32>,
}

/// The month that counts on a day: what was said last, of what counts in that year already (DOMAIN, exact default 16).
pub fn birthday_month_on(day: NaiveDate, said: &[Birthday]) -> Option<u32> {
    let counting = said.iter().filter(|birthday| birthday.from_year <= day.year());
    counting.max_by_key(|birthday| birthday.sequence)?.month
}

/// A change of tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TierChange {
    /// Counts the member's changes.
    pub ordinal: i64,
    /// When it took effect.
    pub at: DateTime<Utc>,
    /// The tier since.
    pub tier: Token,
}

/// The tier in force at an instant; none before the first change.
pub fn tier_at(at: DateTime<Utc>, changes: &[TierChange]) -> Option<&Token> {
    changes.iter().filter(|change| change.at <= at).max_by_key(|change| change.ordinal).map(|change| &change.tier)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::given::{day, instant, token};

    #[test]
    fn a_birthday_given_at_registration_counts_at_once_and_a_change_from_the_next_year() {
        let said = |from_year, sequence, month| Birthday { from_year, sequence, month };
        // Registered with February (born on the 29th, 1992); changed to May in 2026, and to June later that year.
        let mut all = vec![said(0, 1, Some(2)), said(2027, 2, Some(5))];
        assert_eq!(birthday_month_on(day("2026-02-10"), &all), Some(2));
        assert_eq!(birthday_month_on(day("2027-02-10"), &all), Some(5));
        all.push(said(2027, 3, Some(6)));
        // In whatever order it became known.
        all.reverse();
        assert_eq!(birthday_month_on(day("2026-05-10"), &all), Some(2));
        assert_eq!(birthday_month_on(day("2027-01-01"), &all), Some(6));
        assert_eq!(birthday_month_on(day("2027-01-01"), &[said(0, 1, None)]), None);
        assert_eq!(birthday_month_on(day("2027-01-01"), &[]), None);
    }

    #[test]
    fn the_tier_is_that_of_the_instant() {
        let change = |ordinal, at, tier| TierChange { ordinal, at: instant(at), tier: token(tier) };
        let changes = [change(2, "2026-10-03T00:00:00Z", "gold"), change(1, "2026-10-01T00:00:00Z", "silver")];
        let at = |at| tier_at(instant(at), &changes).map(Token::as_str);
        assert_eq!(at("2026-09-30T23:59:59Z"), None);
        assert_eq!(at("2026-10-01T00:00:00Z"), Some("silver"));
        assert_eq!(at("2026-10-05T00:00:00Z"), Some("gold"));
    }
}
