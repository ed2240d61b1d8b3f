//! A message's parameters: texts within the limits of SMS templates and WeChat subscription messages, so that a gateway maps
//! them one to one.

use std::collections::BTreeMap;

use jifen_contracts::program::Program;
use jifen_kernel::Points;

use super::occasion::{Facts, Occasion};

/// Characters of a `thing`, the narrowest field for a name.
const NAME_CHARS: usize = 20;
/// Characters of a `character_string`: member numbers.
const CODE_CHARS: usize = 32;
/// Digits of a number: the narrowest field holds ten.
const NUMBER_LIMIT: i64 = 9_999_999_999;
/// 亿, the unit in which larger numbers are told.
const HUNDRED_MILLION: i64 = 100_000_000;

/// What an occasion names is not in the version of the program that it names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadOccasion {
    /// A tier that the ladder doesn't have.
    #[error("tier {0} is not in the program version that the event names")]
    UnknownTier(String),
    /// A program without a text for this kind.
    #[error("the program version has no text for {0}")]
    NoTemplate(&'static str),
    /// A text that uses something else than its parameters.
    #[error("the program version's text for {0} can't be rendered")]
    BadText(&'static str),
}

/// The parameters that [`jifen_contracts::program::MessageKind::params`] promises.
pub fn params_of(occasion: &Occasion, program: &Program) -> Result<BTreeMap<String, String>, BadOccasion> {
    // A store may have left the program since; its code still says where.
    let store = occasion.store.as_str();
    let store_name = program.store(store).map_or(store, |store| store.name.zh.as_str());
    let mut params = vec![("store_name", cut(store_name, NAME_CHARS))];
    match &occasion.facts {
        Facts::Welcome { member_no } => params.push(("member_no", cut(member_no, CODE_CHARS))),
        Facts::PointsEarned { points, bonus, balance } => {
            params.extend([("points", number(*points)), ("bonus", number(*bonus)), ("balance", number(*balance))]);
        }
        Facts::TierUpgraded { to } => {
            let tier = program.tiers.iter().find(|tier| tier.code == *to).ok_or_else(|| BadOccasion::UnknownTier(to.to_string()))?;
            params.push(("tier_name", cut(&tier.name.zh, NAME_CHARS)));
        }
    }
    Ok(params.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn cut(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

/// Whole, or in whole 亿 where that would be too long: rounded down, never a wrong number.
fn number(points: Points) -> String {
    if points.0.abs() <= NUMBER_LIMIT { points.to_string() } else { format!("{}亿", points.0 / HUNDRED_MILLION) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_and_long_numbers_told_in_units() {
        assert_eq!(cut("浦东旗舰店", 3), "浦东旗");
        assert_eq!(cut("浦东旗舰店", NAME_CHARS), "浦东旗舰店");
        for (points, text) in
            [(0, "0"), (1_500, "1500"), (9_999_999_999, "9999999999"), (12_345_678_901, "123亿"), (i64::MAX, "92233720368亿")]
        {
            assert_eq!(number(Points(points)), text);
        }
    }
}
