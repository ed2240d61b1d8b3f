//! Points are whole numbers; a rate is an exact decimal.

use std::{
    fmt,
    iter::Sum,
    ops::{Add, AddAssign, Sub},
};

use rust_decimal::{Decimal, RoundingStrategy, prelude::ToPrimitive};
use serde::{Deserialize, Serialize};

use crate::Money;

/// A whole number of points. Negative only where a difference is meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Points(pub i64);

impl Points {
    /// No points.
    pub const ZERO: Self = Self(0);

    /// True above zero.
    pub fn is_positive(self) -> bool {
        self.0 > 0
    }
}

// Sums saturate: an invoice is bounded (500 lines of at most 10^10 yuan), so a ledger can't reach the edge
// of 64 bits in a million years of postings, and a wrap-around would be the one unforgivable answer.
impl Add for Points {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Points {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Points {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Sum for Points {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Points {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Points a yuan, exact, at most four decimal places, from 0 to 1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Rate(Decimal);

/// Why a text is no rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a rate is a decimal from 0 to 1000 with at most four places, not {0:?}")]
pub struct BadRate(String);

impl Rate {
    /// Reads a rate as written in a program, `"1.5"`.
    pub fn try_new(text: &str) -> Result<Self, BadRate> {
        let bad = || BadRate(text.chars().take(40).collect());
        let plain = !text.is_empty() && text.len() <= 12 && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let value: Decimal = if plain { text.parse().map_err(|_| bad())? } else { return Err(bad()) };
        if value.scale() > 4 || value > Decimal::ONE_THOUSAND {
            return Err(bad());
        }
        Ok(Self(value.normalize()))
    }

    /// True for a category that earns nothing.
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// Points for `amount` at this rate: multiplied exactly, then floored once.
    pub fn points_for(self, amount: Money) -> Points {
        let exact = self.0.saturating_mul(amount.to_decimal());
        let whole = exact.round_dp_with_strategy(0, RoundingStrategy::ToNegativeInfinity);
        Points(whole.to_i64().unwrap_or(i64::MAX))
    }

    /// The extra points of a multiplier on `base`: `floor(base x (self - 1))`, never below zero.
    pub fn extra_on(self, base: Points) -> Points {
        let exact = Decimal::from(base.0).saturating_mul((self.0 - Decimal::ONE).max(Decimal::ZERO));
        let whole = exact.round_dp_with_strategy(0, RoundingStrategy::ToNegativeInfinity);
        Points(whole.to_i64().unwrap_or(i64::MAX))
    }

    /// So many yuan at this rate a point, rounded half up to the fen.
    pub fn value_of(self, points: Points) -> Money {
        let fen = self.0.saturating_mul(Decimal::from(points.0)).saturating_mul(Decimal::ONE_HUNDRED);
        let whole = fen.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero);
        Money::from_fen(whole.to_i64().unwrap_or(i64::MAX))
    }

    /// From basis points: 15000 is 1.5.
    pub fn from_basis_points(points: u32) -> Self {
        Self(Decimal::new(points.into(), 4).normalize())
    }

    /// The rate in basis points (1.5 is 15000): how a factor travels in events.
    pub fn basis_points(self) -> u32 {
        (self.0 * Decimal::from(10_000)).to_u32().unwrap_or(u32::MAX)
    }
}

impl TryFrom<String> for Rate {
    type Error = BadRate;
    fn try_from(text: String) -> Result<Self, BadRate> {
        Self::try_new(&text)
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        rate.0.to_string()
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn earned(rate: &str, amount: &str) -> i64 {
        Rate::try_new(rate).expect("rate").points_for(Money::try_new(amount).expect("money")).0
    }

    #[test]
    fn points_are_multiplied_exactly_and_floored_once() {
        for (rate, amount, points) in [
            ("1.5", "1000.00", 1500),
            ("1.0", "333.33", 333),
            ("1.2", "333.33", 399),
            ("1", "0.99", 0),
            ("1.5", "0.67", 1),
            ("0", "99999.99", 0),
            ("1000", "9999999999.99", 9_999_999_999_990),
        ] {
            assert_eq!(earned(rate, amount), points, "{rate} x {amount}");
        }
    }

    #[test]
    fn a_factor_gives_the_extra_only() {
        let factor = |text| Rate::try_new(text).expect("rate");
        assert_eq!(factor("2").extra_on(Points(1500)), Points(1500));
        assert_eq!(factor("1.5").extra_on(Points(733)), Points(366));
        assert_eq!(factor("0.5").extra_on(Points(733)), Points(0));
        assert_eq!(factor("1.5").basis_points(), 15_000);
        assert_eq!(Rate::from_basis_points(15_000), factor("1.5"));
    }

    #[test]
    fn points_have_a_value_in_fen() {
        let value = |rate, points| Rate::try_new(rate).expect("rate").value_of(Points(points)).to_string();
        assert_eq!([value("0.01", 1234), value("0.005", 1), value("0.005", 3), value("0.0049", 1)], ["12.34", "0.01", "0.02", "0.00"]);
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for text in ["", "-1", "1e3", "1.23456", "1001", "NaN", "+1", " 1", "１"] {
            assert!(Rate::try_new(text).is_err(), "{text:?}");
        }
    }
}
