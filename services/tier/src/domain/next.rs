//! What a member lacks for the next step.

use jifen_contracts::{
    endpoint::{Missing, NextTier},
    program::Program,
};
use jifen_kernel::{Points, Token};

use super::{ladder::rank_of, metrics::Seen};

/// The step above with what is missing for it; `None` on the highest.
///
/// Nothing is missing where a new version lowered the step below what the member has: the next accrual takes it, or the day's run.
pub fn find_next(program: &Program, tier: &Token, qualifying: Points, facts: Seen<'_>) -> Option<NextTier> {
    let tiers = &program.tiers;
    let next = tiers.get(rank_of(tiers, tier, qualifying)? + 1)?;
    let points = next.from.map_or(Points::ZERO, |from| (from - qualifying).max(Points::ZERO));
    Some(NextTier { tier: next.code.to_string(), missing: Missing { points, any: facts.missing(next, &program.ladder) } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::given::{ladder, token};

    #[test]
    fn the_next_step_says_what_is_missing() {
        let rules = ladder(1, &[("regular", 0), ("silver", 5_000), ("gold", 20_000)]);
        let next = |tier: &str, points| {
            let none = Seen { all: &[], recent: &[] };
            find_next(&rules.program, &token(tier), Points(points), none).map(|next| (next.tier, next.missing.points.0))
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
