//! What a member lacks for the next step.

use jifen_contracts::program::Tier;
use jifen_kernel::{Points, Token};

use super::standing::rank_of;

/// The step above, and the qualifying points that are missing for it; `None` on the highest.
///
/// None are missing where a new version lowered the step below what the member has: the next accrual takes it.
pub fn find_next<'a>(ladder: &'a [Tier], tier: &Token, qualifying: Points) -> Option<(&'a Tier, Points)> {
    let next = ladder.get(rank_of(ladder, tier, qualifying)? + 1)?;
    Some((next, (next.from.unwrap_or_default() - qualifying).max(Points::ZERO)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::given::{ladder, token};

    #[test]
    fn the_next_step_says_what_is_missing() {
        let rules = ladder(1, &[("regular", 0), ("silver", 5_000), ("gold", 20_000)]);
        let next = |tier: &str, points| {
            find_next(&rules.program.tiers, &token(tier), Points(points)).map(|(next, missing)| (next.code.to_string(), missing.0))
        };
        assert_eq!(next("regular", 4_999), Some(("silver".to_owned(), 1)));
        assert_eq!(next("silver", 5_000), Some(("gold".to_owned(), 15_000)));
        assert_eq!(next("gold", 20_000), None);
        // Kept by an older ladder that asked for less.
        assert_eq!(next("silver", 3_000), Some(("gold".to_owned(), 17_000)));
        // Lowered since the last accrual.
        assert_eq!(next("regular", 6_000), Some(("silver".to_owned(), 0)));
        // Renamed since.
        assert_eq!(next("bronze", 6_000), Some(("gold".to_owned(), 14_000)));
    }
}
