//! Calendar, audience, arrival and order of offers.

use jifen_contracts::program::Campaign;
use jifen_kernel::{StoreCode, clock};
use serde_json::json;

use super::*;
use crate::domain::given::{accrual, campaign, day, instant, program};

/// The codes on offer for maintenance, best first.
fn offered(campaigns: Vec<Campaign>, accrual: &Accrual) -> Vec<String> {
    let rules = program(campaigns);
    let offers = list_offers(&rules, accrual);
    offers.iter().flat_map(|category| &category.offers).map(|offer| offer.campaign.code.to_string()).collect()
}

fn on(date: &str) -> Accrual {
    accrual("R1", date, &[("maintenance", 1_500)])
}

#[test]
fn a_campaign_holds_from_its_first_to_its_last_local_day() {
    for (date, applies) in [("2026-09-30", false), ("2026-10-01", true), ("2026-10-07", true), ("2026-10-08", false)] {
        assert_eq!(!offered(vec![campaign("week", "2", json!({}))], &on(date)).is_empty(), applies, "{date}");
    }
}

#[test]
fn the_edges_of_the_october_week_are_local_midnights() {
    for (issued_at, applies) in [
        ("2026-09-30T15:59:59.999Z", false),
        ("2026-09-30T16:00:00Z", true),
        ("2026-10-07T15:59:59.999Z", true),
        ("2026-10-07T16:00:00Z", false),
    ] {
        let at = instant(issued_at);
        let accrual = Accrual { business_date: clock::local_date(at, chrono_tz::Asia::Shanghai), received_at: at, ..on("2026-10-01") };
        assert_eq!(!offered(vec![campaign("week", "2", json!({}))], &accrual).is_empty(), applies, "{issued_at}");
    }
}

#[test]
fn a_document_may_arrive_thirty_days_after_the_end_and_no_later() {
    // The end is 2026-10-08 00:00 local, thirty days later is 2026-11-07 00:00 local.
    for (received_at, applies) in [
        ("2026-10-02T00:00:00Z", true),
        ("2026-11-06T15:59:59Z", true),
        ("2026-11-06T16:00:00Z", true),
        ("2026-11-06T16:00:00.000001Z", false),
    ] {
        let accrual = Accrual { received_at: instant(received_at), ..on("2026-10-07") };
        assert_eq!(!offered(vec![campaign("week", "2", json!({}))], &accrual).is_empty(), applies, "{received_at}");
    }
    let endless = campaign("endless", "2", json!({ "to": chrono::NaiveDate::MAX }));
    assert_eq!(offered(vec![endless], &on("2026-10-07")), ["endless"]);
}

#[test]
fn weekly_days_count_by_the_business_date() {
    // 2026-10-02 is a Friday.
    let friday = || campaign("friday", "2", json!({ "weekdays": ["fri"], "to": "2026-12-31" }));
    assert_eq!(on("2026-10-02").business_date, day("2026-10-02"));
    assert_eq!(offered(vec![friday()], &on("2026-10-02")), ["friday"]);
    assert_eq!(offered(vec![friday()], &on("2026-10-09")), ["friday"]);
    assert!(offered(vec![friday()], &on("2026-10-03")).is_empty());
    assert!(offered(vec![friday()], &on("2027-01-01")).is_empty());
}

#[test]
fn stores_and_categories_are_an_audience() {
    let here = || campaign("here", "2", json!({ "stores": ["SH01", "SH03"] }));
    assert_eq!(offered(vec![here()], &on("2026-10-01")), ["here"]);
    let elsewhere = Accrual { store: StoreCode::try_new("SH02").expect("store"), ..on("2026-10-01") };
    assert!(offered(vec![here()], &elsewhere).is_empty());

    let rules = program(vec![campaign("parts", "2", json!({ "categories": ["parts"] }))]);
    let accrual = accrual("R1", "2026-10-01", &[("maintenance", 1_500), ("parts", 120)]);
    let offers = list_offers(&rules, &accrual);
    assert_eq!(offers.iter().map(|offers| (offers.category.as_str(), offers.offers[0].due.0)).collect::<Vec<_>>(), [("parts", 120)]);
}

#[test]
fn the_largest_factor_stands_first_and_a_tie_goes_to_the_one_published_first() {
    let limited = |code: &str, factor: &str| campaign(code, factor, json!({ "budget": 1_000 }));
    let campaigns = vec![limited("a", "1.5"), limited("b", "2"), limited("c", "2"), limited("d", "3")];
    assert_eq!(offered(campaigns, &on("2026-10-01")), ["d", "b", "c", "a"]);
}

#[test]
fn nothing_is_offered_behind_a_campaign_without_a_budget() {
    let limited = |code: &str, factor: &str| campaign(code, factor, json!({ "budget": 1_000 }));
    let campaigns = vec![limited("small", "1.5"), campaign("free", "2", json!({})), limited("large", "3")];
    assert_eq!(offered(campaigns.clone(), &on("2026-10-01")), ["large", "free"]);
    // Hence only that budget is locked.
    let rules = program(campaigns);
    let accrual = on("2026-10-01");
    let budgets = list_budgets(&list_offers(&rules, &accrual));
    assert_eq!(budgets.keys().map(Token::as_str).collect::<Vec<_>>(), ["large"]);
}

#[test]
fn what_adds_no_point_is_no_offer() {
    for factor in ["0", "0.5", "1"] {
        assert!(offered(vec![campaign("none", factor, json!({}))], &on("2026-10-01")).is_empty(), "{factor}");
    }
    let small = accrual("R1", "2026-10-01", &[("maintenance", 1)]);
    assert!(offered(vec![campaign("half", "1.5", json!({}))], &small).is_empty());
    let nothing = accrual("R1", "2026-10-01", &[("vehicle", 0)]);
    assert!(offered(vec![campaign("double", "2", json!({ "budget": 10 }))], &nothing).is_empty());
}
