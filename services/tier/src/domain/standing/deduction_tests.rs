//! What corrections take of a tier under a ladder of points alone.

use super::*;
use crate::domain::given::{instant, ladder, preset};

fn with(points: i64) -> Standing {
    let mut standing = Standing::default();
    decide_standing(&mut standing, &preset(), Points(points), instant("2026-10-01T04:00:00Z"));
    standing
}

fn deduct(standing: &mut Standing, then: &AppliedProgram, now: &AppliedProgram, points: i64) -> Option<String> {
    let change = decide_deduction(standing, Some(then), now, Points(points), instant("2026-10-02T04:00:00Z"));
    change.map(|change| format!("{} -> {} {}", change.from, change.to.tier, if change.up { "up" } else { "down" }))
}

/// DOMAIN, exact default 11.
#[test]
fn a_tier_that_is_no_longer_earned_is_taken_back_at_once() {
    let rules = preset();
    let mut standing = with(4_900);
    decide_standing(&mut standing, &rules, Points(200), instant("2026-10-01T05:00:00Z"));
    assert_eq!(standing.reached.as_ref().map(|reached| reached.tier.as_str()), Some("silver"));
    assert_eq!(deduct(&mut standing, &rules, &rules, 200).as_deref(), Some("silver -> regular down"));
    assert_eq!((standing.qualifying, standing.changes), (Points(4_900), 2));
    // Over several steps in one; what is earned still stays; nothing lies below the lowest.
    assert_eq!(deduct(&mut with(60_000), &rules, &rules, 55_001).as_deref(), Some("diamond -> regular down"));
    assert_eq!(deduct(&mut with(5_100), &rules, &rules, 100), None);
    assert_eq!(deduct(&mut with(100), &rules, &rules, 100), None);
}

#[test]
fn no_change_of_rules_is_felt_by_way_of_a_refund() {
    let (then, dearer) = (preset(), ladder(2, &[("regular", 0), ("silver", 8_000)]));
    let mut standing = with(6_000);
    assert_eq!(deduct(&mut standing, &then, &dearer, 1_000), None, "earned by the rules that gave it");
    assert_eq!(deduct(&mut standing, &then, &dearer, 1).as_deref(), Some("silver -> regular down"));
    let cheaper = ladder(2, &[("regular", 0), ("silver", 3_000)]);
    assert_eq!(deduct(&mut with(6_000), &then, &cheaper, 3_000), None, "earned by those of today");
}

#[test]
fn who_awaits_activation_has_nothing_to_lose() {
    let rules = preset();
    let mut standing = Standing { awaiting: true, ..Standing::default() };
    decide_standing(&mut standing, &rules, Points(6_000), instant("2026-10-01T04:00:00Z"));
    assert_eq!(deduct(&mut standing, &rules, &rules, 2_000), None);
    assert_eq!((standing.qualifying, standing.reached), (Points(4_000), None));
}

#[test]
fn who_falls_lands_where_the_rules_that_gave_the_tier_let_them_stand() {
    let (then, dearer) = (preset(), ladder(2, &[("regular", 0), ("silver", 10_000), ("gold", 40_000), ("diamond", 100_000)]));
    // Gold since 20,500; 8,500 are left: silver then, regular today.
    assert_eq!(deduct(&mut with(20_500), &then, &dearer, 12_000).as_deref(), Some("gold -> silver down"));
    assert_eq!(deduct(&mut with(20_500), &then, &dearer, 16_000).as_deref(), Some("gold -> regular down"));
    let cheaper = ladder(2, &[("regular", 0), ("silver", 1_000), ("gold", 20_000)]);
    assert_eq!(deduct(&mut with(20_500), &then, &cheaper, 16_000).as_deref(), Some("gold -> silver down"));
}
