//! The ladder's edges, and what holds for any stream of accruals.

use proptest::prelude::*;

use super::*;
use crate::domain::given::{instant, ladder, preset};

fn at() -> DateTime<Utc> {
    instant("2026-10-01T04:00:00Z")
}

/// Counts accruals one after the other; the steps taken as `(from, to, ordinal)`.
fn count(standing: &mut Standing, rules: &AppliedProgram, accruals: &[i64]) -> Vec<(String, String, i64)> {
    let upgrades = accruals.iter().filter_map(|points| decide_standing(standing, rules, Points(*points), at()));
    upgrades.map(|upgrade| (upgrade.from.to_string(), upgrade.to.tier.to_string(), upgrade.ordinal)).collect()
}

fn step(from: &str, to: &str, ordinal: i64) -> (String, String, i64) {
    (from.to_owned(), to.to_owned(), ordinal)
}

fn tier(standing: &Standing) -> &str {
    standing.reached.as_ref().map_or("", |reached| reached.tier.as_str())
}

#[test]
fn a_lower_bound_is_inclusive() {
    for (points, reached) in
        [(0, "regular"), (4_999, "regular"), (5_000, "silver"), (19_999, "silver"), (20_000, "gold"), (50_000, "diamond")]
    {
        let mut standing = Standing::default();
        count(&mut standing, &preset(), &[points]);
        assert_eq!(tier(&standing), reached, "{points}");
    }
}

#[test]
fn the_accrual_that_crosses_a_bound_takes_the_step() {
    let mut standing = Standing::default();
    assert_eq!(count(&mut standing, &preset(), &[4_900, 99, 1, 0, 10_000]), [step("regular", "silver", 1)]);
    assert_eq!(standing.qualifying, Points(15_000));
    assert_eq!(count(&mut standing, &preset(), &[5_000]), [step("silver", "gold", 2)]);
}

#[test]
fn several_steps_at_once_are_one_upgrade() {
    assert_eq!(count(&mut Standing::default(), &preset(), &[60_000, 1]), [step("regular", "diamond", 1)]);
}

#[test]
fn an_upgrade_names_its_program_and_its_instant() {
    let (rules, mut standing) = (ladder(7, &[("regular", 0), ("silver", 10)]), Standing::default());
    let upgrade = decide_standing(&mut standing, &rules, Points(10), at()).expect("upgrade");
    assert_eq!((upgrade.to.program_version, upgrade.to.since), (7, at()));
    assert_eq!(standing.reached, Some(upgrade.to));
}

#[test]
fn a_ladder_with_higher_bounds_takes_nothing_away() {
    let (lower, higher) =
        (ladder(1, &[("regular", 0), ("silver", 1_000)]), ladder(2, &[("regular", 0), ("silver", 9_000), ("gold", 20_000)]));
    let mut standing = Standing::default();
    count(&mut standing, &lower, &[1_000]);
    assert_eq!(count(&mut standing, &higher, &[100, 7_900]), []);
    assert_eq!(tier(&standing), "silver");
    assert_eq!(count(&mut standing, &higher, &[11_000]), [step("silver", "gold", 2)]);
    // A late accrual under the old ladder changes nothing either.
    assert_eq!(count(&mut standing, &lower, &[1]), []);
}

#[test]
fn a_ladder_with_lower_bounds_lifts_with_the_next_accrual() {
    let mut standing = Standing::default();
    count(&mut standing, &preset(), &[3_500]);
    let lower = ladder(2, &[("regular", 0), ("silver", 3_000)]);
    assert_eq!(count(&mut standing, &lower, &[0]), [step("regular", "silver", 1)]);
}

#[test]
fn a_tier_that_a_new_ladder_does_not_know_is_left_only_upwards() {
    let mut standing = Standing::default();
    count(&mut standing, &preset(), &[20_000]);
    let renamed = ladder(2, &[("explorer", 0), ("companion", 10_000), ("co_creator", 30_000)]);
    assert_eq!(count(&mut standing, &renamed, &[9_999]), []);
    assert_eq!(tier(&standing), "gold");
    assert_eq!(count(&mut standing, &renamed, &[1]), [step("gold", "co_creator", 2)]);
}

#[test]
fn without_a_ladder_points_still_add_up() {
    let mut standing = Standing::default();
    assert_eq!(count(&mut standing, &ladder(1, &[]), &[5_000]), []);
    assert_eq!((standing.qualifying, &standing.reached), (Points(5_000), &None));
    assert_eq!(count(&mut standing, &preset(), &[0]), [step("regular", "silver", 1)]);
}

proptest! {
    #[test]
    fn accruals_in_any_order_reach_the_same_tier(
        (accruals, shuffled) in prop::collection::vec(0_i64..9_000, 0..20).prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
    ) {
        let (mut one, mut other) = (Standing::default(), Standing::default());
        count(&mut one, &preset(), &accruals);
        count(&mut other, &preset(), &shuffled);
        prop_assert_eq!(one.qualifying, other.qualifying);
        prop_assert_eq!(tier(&one), tier(&other));
        prop_assert_eq!(one.qualifying.0, accruals.iter().sum::<i64>());
    }

    #[test]
    fn steps_form_a_chain_that_only_climbs(accruals in prop::collection::vec((0_i64..9_000, any::<bool>()), 0..30)) {
        // Two versions take turns, the second with higher bounds.
        let (one, two) = (preset(), ladder(2, &[("regular", 0), ("silver", 8_000), ("gold", 30_000), ("diamond", 70_000)]));
        let order = ["regular", "silver", "gold", "diamond"];
        let rank = |tier: &str| order.iter().position(|known| *known == tier);
        let (mut standing, mut last) = (Standing::default(), ("regular".to_owned(), 0));
        for (points, first) in accruals {
            for (from, to, ordinal) in count(&mut standing, if first { &one } else { &two }, &[points]) {
                prop_assert_eq!((&from, ordinal), (&last.0, last.1 + 1));
                prop_assert!(rank(&from) < rank(&to));
                last = (to, ordinal);
            }
        }
        prop_assert!(standing.reached.is_none() || tier(&standing) == last.0);
        prop_assert_eq!(standing.changes, last.1);
    }

    #[test]
    fn batches_of_any_size_give_the_same_standing(accruals in prop::collection::vec(0_i64..9_000, 0..30), size in 1..8_usize) {
        let (mut whole, mut split) = (Standing::default(), Standing::default());
        let at_once = count(&mut whole, &preset(), &accruals);
        // Between batches a standing rests in its row.
        let in_parts: Vec<_> = accruals.chunks(size).flat_map(|batch| count(&mut split, &preset(), batch)).collect();
        prop_assert_eq!(at_once, in_parts);
        prop_assert_eq!(whole, split);
    }
}
