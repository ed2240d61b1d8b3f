//! What is granted, used up and over.

use super::*;
use crate::domain::given::{annual_spend, day, token};

struct Ids(u128);

impl Ids {
    fn next(&mut self) -> Uuid {
        self.0 += 1;
        Uuid::from_u128(self.0)
    }
}

fn renew(held: &mut Vec<Entitlement>, rank: usize, grants: bool, on: &str, ids: &mut Ids) -> (usize, usize) {
    let tiers = annual_spend().program.tiers;
    let renewed = decide_entitlements(held, &tiers, rank, grants, day(on), || ids.next());
    (renewed.granted.len(), renewed.closed.len())
}

#[test]
fn a_tier_brings_its_own_and_those_below_once() {
    let (mut held, mut ids) = (Vec::new(), Ids(0));
    assert_eq!(renew(&mut held, 0, true, "2026-05-10", &mut ids), (1, 0));
    assert_eq!(renew(&mut held, 2, true, "2026-05-10", &mut ids), (1, 0));
    assert_eq!(renew(&mut held, 2, true, "2026-05-10", &mut ids), (0, 0));
    let wash = held.iter().find(|entitlement| entitlement.kind == token("wash")).expect("washes");
    assert_eq!((wash.count, wash.valid_until, next_end(&held, day("2026-05-10"))), (6, day("2027-05-09"), Some(day("2027-05-10"))));
}

#[test]
fn washes_come_anew_each_year_and_an_inspection_does_not() {
    let (mut held, mut ids) = (Vec::new(), Ids(0));
    assert_eq!(renew(&mut held, 2, true, "2026-05-10", &mut ids), (2, 0));
    assert_eq!(renew(&mut held, 2, true, "2027-05-09", &mut ids), (0, 0));
    // In the days of grace they end, and wait.
    assert_eq!(renew(&mut held, 2, false, "2027-05-10", &mut ids), (0, 2));
    assert_eq!(renew(&mut held, 2, true, "2027-05-20", &mut ids), (1, 0));
    assert_eq!(held.last().map(|new| (new.kind.as_str(), new.valid_until)), Some(("wash", day("2028-05-19"))));
}

#[test]
fn a_better_one_of_the_kind_takes_the_place() {
    let (mut held, mut ids) = (Vec::new(), Ids(0));
    let mut tiers = annual_spend().program.tiers;
    let mut better = tiers[2].benefits[0].clone();
    better.count = Some(12);
    tiers[3].benefits.push(better);
    decide_entitlements(&mut held, &tiers, 2, true, day("2026-05-10"), || ids.next());
    let renewed = decide_entitlements(&mut held, &tiers, 3, true, day("2026-05-10"), || ids.next());
    assert_eq!((renewed.granted.len(), renewed.closed.len()), (1, 1));
    let valid: Vec<u32> = held.iter().filter(|one| one.kind == token("wash") && !one.closed).map(|one| one.count).collect();
    assert_eq!(valid, [12]);
}

#[test]
fn six_washes_are_six() {
    let (mut held, mut ids) = (Vec::new(), Ids(0));
    renew(&mut held, 2, true, "2026-05-10", &mut ids);
    let on = day("2027-05-09");
    assert_eq!(decide_use(&mut held, "lounge", on), Err(Refused::Unknown));
    for left in (0..6).rev() {
        let place = decide_use(&mut held, "wash", on).expect("a wash");
        assert_eq!(held[place].left(), left);
    }
    assert_eq!(decide_use(&mut held, "wash", on), Err(Refused::Exhausted));
    assert_eq!(decide_use(&mut held, "inspection", day("2027-05-10")), Err(Refused::Expired));
}

/// Buy, refund, keep the benefit.
#[test]
fn what_a_tier_brought_that_was_taken_back_goes_and_comes_with_it() {
    let (mut held, mut ids) = (Vec::new(), Ids(0));
    let (tiers, on) = (annual_spend().program.tiers, "2026-05-10");
    assert_eq!(renew(&mut held, 2, true, on, &mut ids), (2, 0));
    decide_use(&mut held, "wash", day(on)).expect("a wash");
    let revoked = decide_revoked(&mut held, &tiers, 0, day(on));
    assert_eq!((revoked.len(), decide_use(&mut held, "wash", day(on))), (1, Err(Refused::Expired)));
    assert_eq!(decide_revoked(&mut held, &tiers, 0, day(on)).len(), 0, "once");
    assert_eq!(renew(&mut held, 0, true, "2026-05-11", &mut ids), (0, 0));
    // Earned after all, on the same day: the same one, with what is left of it.
    let renewed = decide_entitlements(&mut held, &tiers, 2, true, day(on), || ids.next());
    assert_eq!((renewed.granted.len(), renewed.reopened.len(), held.len()), (0, 1, 2));
    assert_eq!(decide_use(&mut held, "wash", day(on)).map(|place| held[place].left()), Ok(4));
    // A tier that is kept keeps what is its own.
    assert_eq!(decide_revoked(&mut held, &tiers, 2, day(on)).len(), 0);
    for _ in 0..4 {
        decide_use(&mut held, "wash", day(on)).expect("a wash");
    }
    assert_eq!(decide_revoked(&mut held, &tiers, 0, day(on)).len(), 0, "used up");
}
