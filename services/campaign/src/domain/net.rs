//! What corrections leave of an invoice, and of what was promised for it: computed as `points` computes it for what is posted. (DOMAIN,
//! exact default 4.)

use std::collections::BTreeMap;

use jifen_contracts::event::{Bonus, BonusRule, CategoryBase};
use jifen_kernel::{MemberId, Money, Points, Token};

/// What is known of an invoice that was corrected, or may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corrected {
    /// Whose.
    pub member_id: MemberId,
    /// What is left of it; `None` while no correction was heard of.
    pub left: Option<Vec<CategoryBase>>,
    /// By campaign: bonuses that were given back when another invoice took its place, and whose entries haven't come yet.
    pub ahead: BTreeMap<Token, Points>,
}

impl Corrected {
    /// Takes in what is said to be left; true if that is less than what was known.
    pub fn listen(&mut self, left: &[CategoryBase]) -> bool {
        let now = self.left.as_ref().map_or_else(|| left.to_vec(), |known| least(known, left));
        let is_new = self.left.as_ref() != Some(&now);
        self.left = Some(now);
        is_new
    }

    /// Of bonus points whose entry comes now: those that nobody has given back yet.
    pub fn not_ahead(&mut self, campaign: &Token, points: Points) -> Points {
        let Some(ahead) = self.ahead.get_mut(campaign) else { return points };
        let given = points.min(*ahead);
        *ahead = *ahead - given;
        self.ahead.retain(|_, points| points.is_positive());
        points - given
    }
}

/// Of each category the least that was said. What is left of an invoice only falls: so this is what is left of it, whatever was said
/// first. A category that isn't in both has nothing left.
pub fn least(one: &[CategoryBase], other: &[CategoryBase]) -> Vec<CategoryBase> {
    let both = one.iter().filter_map(|one| {
        let other = other.iter().find(|other| other.category == one.category)?;
        Some(CategoryBase { category: one.category.clone(), paid: one.paid.min(other.paid), base: one.base.min(other.base) })
    });
    both.collect()
}

/// What is still paid in these categories; in all of them if none is named.
pub fn paid_in(left: &[CategoryBase], categories: &[Token]) -> Money {
    let counts = |found: &&CategoryBase| categories.is_empty() || categories.contains(&found.category);
    left.iter().filter(counts).map(|found| found.paid).sum()
}

/// What is due of a promise of so many points; its parts become what is due of them. How old promises were computed wasn't kept: they
/// stand while anything is paid.
pub fn due(points: Points, bonuses: &mut Vec<Bonus>, left: &[CategoryBase]) -> Points {
    if bonuses.is_empty() {
        return if paid_in(left, &[]).is_positive() { points } else { Points::ZERO };
    }
    for bonus in bonuses.iter_mut() {
        bonus.points = due_of(bonus, left);
    }
    bonuses.retain(|bonus| bonus.points.is_positive());
    bonuses.iter().map(|bonus| bonus.points).sum::<Points>().min(points)
}

fn due_of(bonus: &Bonus, left: &[CategoryBase]) -> Points {
    match &bonus.rule {
        BonusRule::Multiplier { category, factor_basis_points } => {
            let base = left.iter().find(|found| found.category == *category).map_or(0, |found| found.base.0);
            let extra = i128::from(base) * (i128::from(*factor_basis_points) - 10_000) / 10_000;
            bonus.points.min(Points(i64::try_from(extra).unwrap_or(i64::MAX)))
        }
        BonusRule::Fixed { keep_from, categories } if paid_in(left, categories) >= *keep_from => bonus.points,
        BonusRule::Fixed { .. } => Points::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::given::token;

    fn left(categories: &[(&str, i64)]) -> Vec<CategoryBase> {
        let one = |&(category, base): &(&str, i64)| CategoryBase {
            category: token(category),
            paid: Money::from_fen(base * 100),
            base: Points(base),
        };
        categories.iter().map(one).collect()
    }

    fn promise() -> Vec<Bonus> {
        let bonus = |points, rule| Bonus { campaign: token("week"), version: 1, points: Points(points), rule };
        let times = |category: &str, factor_basis_points| BonusRule::Multiplier { category: token(category), factor_basis_points };
        vec![
            bonus(900, times("maintenance", 20_000)),
            bonus(366, times("parts", 15_000)),
            bonus(50, BonusRule::Fixed { keep_from: Money::from_fen(50_000), categories: vec![token("maintenance")] }),
        ]
    }

    #[test]
    fn a_promise_shrinks_as_a_posted_bonus_does() {
        let due_of = |categories: &[(&str, i64)]| {
            let mut bonuses = promise();
            let points = due(Points(1_316), &mut bonuses, &left(categories)).0;
            assert_eq!(bonuses.iter().map(|bonus| bonus.points.0).sum::<i64>(), points);
            points
        };
        // A budget had left 900 of 1,500: half of the base gone, 750 stay.
        assert_eq!(due_of(&[("maintenance", 1_500), ("parts", 733)]), 1_316);
        assert_eq!(due_of(&[("maintenance", 750), ("parts", 733)]), 750 + 366 + 50);
        assert_eq!(due_of(&[("maintenance", 499), ("parts", 1)]), 499);
        assert_eq!(due_of(&[("maintenance", 0), ("parts", 0)]), 0);
        assert_eq!(due_of(&[]), 0);
        // How it was computed isn't known: all or nothing.
        assert_eq!(due(Points(70), &mut Vec::new(), &left(&[("parts", 1)])), Points(70));
        assert_eq!(due(Points(70), &mut Vec::new(), &left(&[("parts", 0)])), Points::ZERO);
    }

    #[test]
    fn what_was_given_back_ahead_is_not_given_back_again() {
        let week = token("week");
        let mut known =
            Corrected { member_id: MemberId(uuid::Uuid::nil()), left: None, ahead: BTreeMap::from([(week.clone(), Points(1_500))]) };
        assert_eq!(known.not_ahead(&token("other"), Points(10)), Points(10));
        assert_eq!(known.not_ahead(&week, Points(1_000)), Points::ZERO);
        assert_eq!(known.not_ahead(&week, Points(600)), Points(100));
        assert_eq!((known.not_ahead(&week, Points(600)), known.ahead.len()), (Points(600), 0));
        assert!(known.listen(&left(&[("parts", 5)])) && !known.listen(&left(&[("parts", 6)])) && known.listen(&[]));
    }

    #[test]
    fn what_was_said_last_is_what_is_least() {
        let (half, less) = (left(&[("maintenance", 750), ("parts", 10)]), left(&[("maintenance", 100), ("parts", 20)]));
        assert_eq!(least(&half, &less), left(&[("maintenance", 100), ("parts", 10)]));
        assert_eq!(least(&less, &half), least(&half, &less));
        assert_eq!(least(&half, &[]), []);
    }
}
