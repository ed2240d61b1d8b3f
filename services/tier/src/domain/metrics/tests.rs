//! DOMAIN's exact default 13, and what a way lacks.

use super::*;
use crate::domain::given::{annual_spend, day, fact, spent};

fn bill(document: &str, vehicle: Option<&str>, visit: bool, paid_visit: bool) -> Fact {
    let bill = fact(Source::Invoice, document, "2026-10-01");
    Fact { visit, paid_visit, vehicle: vehicle.map(ToOwned::to_owned), ..bill }
}

fn visits_of(facts: &[Fact]) -> (i64, i64) {
    let rules = annual_spend();
    let seen = Seen { all: facts, recent: facts };
    let of = |metric| seen.value(metric, &rules.program.ladder, &rules.program.tiers[0]);
    (of(TierMetric::Visits), of(TierMetric::PaidVisits))
}

#[test]
fn one_vehicle_store_and_day_is_one_visit() {
    // The insurer's bill and the customer's own of one repair.
    assert_eq!(visits_of(&[bill("R1", Some("v"), true, false), bill("R2", Some("v"), true, true)]), (1, 1));
    // A free first maintenance.
    assert_eq!(visits_of(&[bill("R1", Some("v"), true, false)]), (1, 0));
    assert_eq!(visits_of(&[bill("R1", Some("v"), true, true), bill("R2", Some("w"), true, true)]), (2, 2));
    assert_eq!(visits_of(&[bill("R1", None, true, true), bill("R2", None, true, true)]), (2, 2));
    assert_eq!(visits_of(&[bill("R1", Some("v"), false, false)]), (0, 0));
    let elsewhere = Fact { store: jifen_kernel::StoreCode::try_new("SH02").expect("store"), ..bill("R2", Some("v"), true, true) };
    assert_eq!(visits_of(&[bill("R1", Some("v"), true, true), elsewhere]), (2, 2));
    let next_day = Fact { business_date: day("2026-10-02"), ..bill("R2", Some("v"), true, true) };
    assert_eq!(visits_of(&[bill("R1", Some("v"), true, true), next_day]), (2, 2));
}

#[test]
fn each_way_says_what_it_lacks() {
    let rules = annual_spend();
    let facts = [spent("R1", "2026-05-10", "4999.99")];
    let gold = &rules.program.tiers[1];
    let missing = Seen::up_to(&facts, day("2026-05-10")).missing(gold, &rules.program.ladder);
    let shown: Vec<(&str, i64)> = missing.iter().flat_map(|way| &way.all).map(|one| (one.metric.as_str(), one.value.units())).collect();
    assert_eq!(shown, [("spend_12m", 1), ("referrals_purchase_12m", 1)]);
}
