//! What a cap leaves of an invoice's base. (DOMAIN exact defaults 2 and 4.)

use std::cmp::Reverse;

use jifen_contracts::event::CategoryBase;
use jifen_kernel::Points;

use super::base::total;

/// Cuts the base of categories to `most` in all, pro rata: the largest remainder gets the points that are left over, the first
/// by name of equal ones. `None` if nothing is to be cut.
pub fn cut(categories: &[CategoryBase], most: Points) -> Option<Vec<CategoryBase>> {
    let all = total(categories);
    if all <= most {
        return None;
    }
    let whole = i128::from(all.0);
    let share = |category: &CategoryBase| i128::from(category.base.0) * i128::from(most.0.max(0));
    let mut cut: Vec<CategoryBase> = categories.to_vec();
    let mut order: Vec<usize> = (0..cut.len()).collect();
    order.sort_by_key(|&place| (Reverse(share(&categories[place]) % whole), &categories[place].category));
    for category in &mut cut {
        category.base = Points(i64::try_from(share(category) / whole).unwrap_or(i64::MAX));
    }
    let rest = usize::try_from(most.0.max(0) - total(&cut).0).unwrap_or(0);
    for place in order.into_iter().take(rest) {
        cut[place].base += Points(1);
    }
    Some(cut)
}

#[cfg(test)]
mod tests {
    use jifen_kernel::{Money, Token};
    use proptest::prelude::*;

    use super::*;

    fn categories(bases: &[(&str, i64)]) -> Vec<CategoryBase> {
        let one = |&(name, base): &(&str, i64)| CategoryBase {
            category: Token::try_new(name).expect("token"),
            paid: Money::ZERO,
            base: Points(base),
        };
        bases.iter().map(one).collect()
    }

    fn left(bases: &[(&str, i64)], most: i64) -> Option<Vec<i64>> {
        cut(&categories(bases), Points(most)).map(|cut| cut.iter().map(|category| category.base.0).collect())
    }

    #[test]
    fn a_cap_cuts_categories_pro_rata() {
        assert_eq!(left(&[("maintenance", 900), ("repair", 600)], 1000), Some(vec![600, 400]));
        assert_eq!(left(&[("maintenance", 900), ("repair", 600)], 1500), None);
        assert_eq!(left(&[("maintenance", 900), ("repair", 600)], 0), Some(vec![0, 0]));
        assert_eq!(left(&[], 0), None);
        // 2.5 and 2.5: a tie goes to the first by name. 1.67, 1.67, 1.67: to the first two.
        assert_eq!(left(&[("repair", 10), ("parts", 10)], 5), Some(vec![2, 3]));
        assert_eq!(left(&[("a", 3), ("b", 3), ("c", 3)], 5), Some(vec![2, 2, 1]));
        // 0.8, 3.2 and 0: the largest remainder.
        assert_eq!(left(&[("a", 1), ("b", 4), ("c", 0)], 4), Some(vec![1, 3, 0]));
    }

    proptest! {
        #[test]
        fn a_cut_comes_to_the_cap_and_gives_nobody_more(bases in prop::collection::vec(0_i64..100_000, 1..6), most in 0_i64..100_000) {
            let names = ["a", "b", "c", "d", "e", "f"];
            let before: Vec<(&str, i64)> = names.into_iter().zip(bases).collect();
            if let Some(after) = left(&before, most) {
                prop_assert_eq!(after.iter().sum::<i64>(), most);
                prop_assert!(after.iter().zip(&before).all(|(after, before)| (0..=before.1).contains(after)));
            }
        }
    }
}
