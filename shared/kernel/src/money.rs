//! Money in yuan, exact to the fen.

use std::{
    fmt,
    iter::Sum,
    ops::{Add, AddAssign, Sub},
};

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// An amount in yuan, exact to the fen. Held as whole fen, so sums never round; on the wire a decimal
/// string with two places.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = "^[0-9]{1,10}(\\.[0-9]{1,2})?$"))]
pub struct Money(i64);

/// Why a text is no amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadMoney {
    /// Not digits with at most one point.
    #[error("an amount is a decimal string such as \"120.50\"")]
    Malformed,
    /// Below zero.
    #[error("an amount may not be negative: corrections are documents of their own")]
    Negative,
    /// More than two places.
    #[error("an amount has at most two decimal places")]
    TooPrecise,
    /// More than ten digits before the point.
    #[error("an amount has at most ten digits before the point")]
    TooLarge,
}

/// Digits before the point of what a document says.
const DIGITS: usize = 10;
/// And of what many documents come to: as many as fit into 64 bits of fen.
const DIGITS_OF_A_SUM: usize = 16;

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Reads an amount as a document may say it: digits, optionally a point and one or two more. No sign, exponent or blank.
    pub fn try_new(text: &str) -> Result<Self, BadMoney> {
        Self::read(text, DIGITS)
    }

    fn read(text: &str, most_digits: usize) -> Result<Self, BadMoney> {
        if let Some(rest) = text.strip_prefix('-') {
            return Err(if rest.starts_with(|c: char| c.is_ascii_digit()) { BadMoney::Negative } else { BadMoney::Malformed });
        }
        let (whole, places) = text.split_once('.').map_or((text, None), |(whole, places)| (whole, Some(places)));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || places.is_some_and(|places| !digits(places)) {
            return Err(BadMoney::Malformed);
        }
        let places = places.unwrap_or("");
        if places.len() > 2 {
            return Err(BadMoney::TooPrecise);
        }
        if whole.len() > most_digits {
            return Err(BadMoney::TooLarge);
        }
        let fen: i64 = format!("{whole}{places:0<2}").parse().map_err(|_| BadMoney::TooLarge)?;
        Ok(Self(fen))
    }

    /// From whole fen.
    pub fn from_fen(fen: i64) -> Self {
        Self(fen)
    }

    /// In whole fen.
    pub fn fen(self) -> i64 {
        self.0
    }

    /// In yuan.
    pub fn to_decimal(self) -> Decimal {
        Decimal::new(self.0, 2)
    }

    /// True above zero.
    pub fn is_positive(self) -> bool {
        self.0 > 0
    }

    /// Spreads `self` over `weights` pro rata: each share floored to the fen, the rest to the largest
    /// remainders, first come first served among equals. The shares sum to `self` unless all weights are zero,
    /// and none exceeds its weight as long as `self` doesn't exceed their sum. (DOMAIN, exact default 14.)
    pub fn spread_over(self, weights: &[Self]) -> Vec<Self> {
        let total: i128 = weights.iter().map(|w| i128::from(w.0)).sum();
        if total == 0 {
            return vec![Self::ZERO; weights.len()];
        }
        let product = |w: &Self| i128::from(w.0) * i128::from(self.0);
        let mut shares: Vec<i128> = weights.iter().map(|w| product(w) / total).collect();
        let mut order: Vec<usize> = (0..weights.len()).collect();
        order.sort_by_key(|&i| std::cmp::Reverse(product(&weights[i]) % total));
        let rest = i128::from(self.0) - shares.iter().sum::<i128>();
        for &i in order.iter().take(usize::try_from(rest).unwrap_or(0)) {
            shares[i] += 1;
        }
        shares.into_iter().map(|fen| Self(i64::try_from(fen).unwrap_or(i64::MAX))).collect()
    }
}

impl Add for Money {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Money {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let fen = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", fen / 100, fen % 100)
    }
}

impl From<Money> for String {
    fn from(money: Money) -> Self {
        money.to_string()
    }
}

impl TryFrom<String> for Money {
    type Error = BadMoney;
    /// Also a sum of amounts, as a service says it.
    fn try_from(text: String) -> Result<Self, BadMoney> {
        Self::read(&text, DIGITS_OF_A_SUM)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts_are_read_to_the_fen_or_refused() {
        assert_eq!(Money::try_new("120.5"), Ok(Money(12_050)));
        assert_eq!(Money::try_new("0"), Ok(Money(0)));
        for (text, why) in [
            ("", BadMoney::Malformed),
            ("-1", BadMoney::Negative),
            ("-", BadMoney::Malformed),
            ("1.234", BadMoney::TooPrecise),
            ("1e999", BadMoney::Malformed),
            ("NaN", BadMoney::Malformed),
            (".5", BadMoney::Malformed),
            ("5.", BadMoney::Malformed),
            ("１２", BadMoney::Malformed),
            ("12345678901", BadMoney::TooLarge),
            ("1 000", BadMoney::Malformed),
            ("+1", BadMoney::Malformed),
        ] {
            assert_eq!(Money::try_new(text), Err(why), "{text:?}");
        }
    }

    #[test]
    fn a_sum_of_the_largest_amounts_can_be_said_and_read() {
        let most = Money::try_new("9999999999.99").expect("an amount");
        let sum: Money = std::iter::repeat_n(most, 500).sum();
        assert_eq!(Money::try_from(sum.to_string()), Ok(sum));
        assert_eq!(Money::try_new(&sum.to_string()), Err(BadMoney::TooLarge), "no document says so much in one place");
    }

    #[test]
    fn an_offset_is_spread_by_largest_remainder() {
        let shares = Money(10_000).spread_over(&[Money(60_000), Money(40_000)]);
        assert_eq!(shares, [Money(6_000), Money(4_000)]);
        assert_eq!(Money(1).spread_over(&[Money(1), Money(1)]), [Money(1), Money(0)]);
        assert_eq!(Money(5).spread_over(&[Money(0), Money(0)]), [Money(0), Money(0)]);
    }

    proptest! {
        #[test]
        fn text_and_back(fen in 0_i64..1_000_000_000_000) {
            prop_assert_eq!(Money::try_new(&Money(fen).to_string()), Ok(Money(fen)));
        }

        #[test]
        fn shares_sum_up_and_fit(weights in prop::collection::vec(0_i64..100_000_000, 1..20), part in 0_i64..=1000) {
            let weights: Vec<Money> = weights.into_iter().map(Money).collect();
            let total = weights.iter().copied().sum::<Money>().0;
            let whole = Money(total * part / 1000);
            let shares = whole.spread_over(&weights);
            prop_assert_eq!(shares.iter().copied().sum::<Money>(), whole);
            prop_assert!(shares.iter().zip(&weights).all(|(share, weight)| share <= weight && share.0 >= 0));
        }
    }
}
