//! Calendar, audience, arrival and order of offers.

use jifen_contracts::program::Campaign;
use jifen_kernel::{StoreCode, clock};
use serde_json::json;

use super::*;
use crate::domain::given::{accrual, campaign, day, instant, offers, person, program, program_with, rulebook};

/// The codes on offer for maintenance, best first, then those of fixed bonuses; of the first plan.
fn offered(campaigns: Vec<Campaign>, accrual: &Accrual) -> Vec<String> {
    offered_to(campaigns, accrual, &Person::default())
}

fn offered_to(campaigns: Vec<Campaign>, accrual: &Accrual, person: &Person) -> Vec<String> {
    codes(&rulebook(program(campaigns)), accrual, person)
}

fn codes(rules: &Rulebook, accrual: &Accrual, person: &Person) -> Vec<String> {
    let offers = offers(rules, accrual, person);
    let Some(plan) = offers.plans.first() else { return Vec::new() };
    let multipliers = plan.categories.iter().flat_map(|category| &category.offers).map(|offer| offer.source.code);
    multipliers.chain(plan.fixed.iter().map(|offer| offer.source.code)).map(ToString::to_string).collect()
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

    let rules = rulebook(program(vec![campaign("parts", "2", json!({ "categories": ["parts"] }))]));
    let accrual = accrual("R1", "2026-10-01", &[("maintenance", 1_500), ("parts", 120)]);
    let person = Person::default();
    let offers = offers(&rules, &accrual, &person);
    assert_eq!(
        offers.plans[0].categories.iter().map(|offers| (offers.category.as_str(), offers.base.0)).collect::<Vec<_>>(),
        [("parts", 120)]
    );
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
    let rules = rulebook(program(campaigns));
    let accrual = on("2026-10-01");
    let budgets = list_budgets(&[offers(&rules, &accrual, &Person::default())]);
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

#[test]
fn tiers_and_birthday_months_are_an_audience() {
    let gold = || vec![campaign("gold", "2", json!({ "tiers": ["gold"] }))];
    assert_eq!(offered_to(gold(), &on("2026-10-01"), &person("gold", 1)), ["gold"]);
    assert!(offered_to(gold(), &on("2026-10-01"), &person("silver", 1)).is_empty());
    assert!(offered(gold(), &on("2026-10-01")).is_empty());
    // Nobody rose yet: the lowest tier.
    assert_eq!(offered(vec![campaign("regular", "2", json!({ "tiers": ["regular"] }))], &on("2026-10-01")), ["regular"]);

    let birthday = || vec![campaign("birthday", "2", json!({ "birthday_month": true, "from": "2026-01-01", "to": "2027-12-31" }))];
    assert_eq!(offered_to(birthday(), &on("2026-10-31"), &person("regular", 10)), ["birthday"]);
    assert!(offered_to(birthday(), &on("2026-11-01"), &person("regular", 10)).is_empty());
    assert!(offered(birthday(), &on("2026-10-31")).is_empty(), "a company has no birthday");
    // Born on 29 February 1992: February, also of a common year.
    assert_eq!(offered_to(birthday(), &on("2027-02-10"), &person("regular", 2)), ["birthday"]);
}

#[test]
fn a_condition_is_about_member_and_invoice() {
    let offered = |condition: &str| {
        let campaigns = vec![campaign("c", "2", json!({ "condition": condition }))];
        !offered_to(campaigns, &on("2026-10-01"), &person("gold", 1)).is_empty()
    };
    for (condition, expected) in [
        ("paid_fen == 150000 && base == 1500", true),
        ("store == 'SH01' && tier == 'gold' && 'maintenance' in categories", true),
        ("month == 10 && day == 1 && weekday == 4 && hour == 12", true),
        ("visit && paid_visit && !vehicle && !first_spending", true),
        ("size(categories) > 1", false),
        // What `program check` would have refused never applies.
        ("paid >= 1", false),
    ] {
        assert_eq!(offered(condition), expected, "{condition}");
    }
    let rules = rulebook(program(vec![campaign("c", "2", json!({ "condition": "paid >= 1" }))]));
    assert_eq!(rules.unreadable().map(|(code, _)| code.as_str()).collect::<Vec<_>>(), ["c"]);
}

#[test]
fn a_fixed_bonus_asks_for_an_amount_in_its_categories() {
    let bonus = |more| {
        let mut fields = json!({ "factor": null, "bonus": { "points": 100, "from_paid": "1500.00" } });
        fields.as_object_mut().expect("object").extend(serde_json::from_value::<serde_json::Map<_, _>>(more).expect("object"));
        vec![campaign("bonus", "2", fields)]
    };
    assert_eq!(offered(bonus(json!({})), &on("2026-10-01")), ["bonus"]);
    assert!(offered(bonus(json!({})), &accrual("R1", "2026-10-01", &[("maintenance", 1_499)])).is_empty());
    assert!(offered(bonus(json!({ "categories": ["parts"] })), &on("2026-10-01")).is_empty());
    let both = accrual("R1", "2026-10-01", &[("maintenance", 800), ("parts", 700)]);
    assert_eq!(offered(bonus(json!({})), &both), ["bonus"]);
}

#[test]
fn the_tiers_factor_stands_by_its_size_behind_campaigns_as_large() {
    let accelerated = json!({ "earn": { "rates": {}, "first_spending": 100, "tier_factors": { "gold": "1.5", "silver": "1.2" } } });
    let limited = |code: &str, factor: &str| campaign(code, factor, json!({ "budget": 1_000 }));
    let campaigns = vec![limited("small", "1.2"), limited("same", "1.5"), limited("large", "2")];
    let rules = rulebook(program_with(campaigns, accelerated));
    let to = |tier: &str| codes(&rules, &on("2026-10-01"), &person(tier, 1));
    assert_eq!(to("gold"), ["large", "same", "tier_accelerator"]);
    assert_eq!(to("silver"), ["large", "same", "small", "tier_accelerator"]);
    assert_eq!(to("regular"), ["large", "same", "small"]);
    assert!(rules.day(day("2026-10-01")).of(&on("2026-10-01").store).asks_tier);
    assert_eq!(codes(&rules, &on("2026-12-01"), &person("gold", 1)), ["tier_accelerator"], "on any day");
}

#[test]
fn an_exclusive_campaign_stands_alone_and_first() {
    let exclusive = |code: &str, more: serde_json::Value| {
        let mut fields = json!({ "exclusive": true });
        fields.as_object_mut().expect("object").extend(serde_json::from_value::<serde_json::Map<_, _>>(more).expect("object"));
        campaign(code, "1.5", fields)
    };
    let plans = |campaigns| {
        let rules = rulebook(program(campaigns));
        let (accrual, person) = (on("2026-10-01"), Person::default());
        let offers = offers(&rules, &accrual, &person);
        let first =
            |plan: &Plan<'_>| plan.categories[0].offers.iter().map(|offer| offer.source.code.to_string()).collect::<Vec<_>>().join("+");
        offers.plans.iter().map(first).collect::<Vec<_>>()
    };
    let day = || campaign("day", "3", json!({}));
    assert_eq!(plans(vec![day(), exclusive("vip", json!({}))]), ["vip"]);
    assert_eq!(plans(vec![day(), exclusive("vip", json!({ "budget": 100 })), exclusive("more", json!({}))]), ["vip", "more"]);
    assert_eq!(plans(vec![day(), exclusive("vip", json!({ "member_cap": 100 }))]), ["vip", "day"]);
    assert_eq!(plans(vec![day(), exclusive("vip", json!({ "categories": ["parts"] }))]), ["day"], "it doesn't apply to this invoice");
}

#[test]
fn a_hundred_campaigns_on_a_day_cost_no_more_questions_than_one() {
    let asked = |count: usize, stores: bool| {
        let campaigns = (0..count).map(|number| {
            let store = if stores { json!([format!("SH{number:02}")]) } else { json!([]) };
            // Each with an audience, so that it has to be asked; all on a festival, which is looked up once a day.
            let more = json!({ "tiers": ["regular"], "festivals": ["national_day"], "condition": "paid_fen > 0", "stores": store });
            campaign(&format!("c{number}"), "2", more)
        });
        let rules = rulebook(program(campaigns.collect()));
        let accruals: Vec<_> =
            (0..50).map(|number| accrual(&format!("R{number}"), "2026-10-01", &[("maintenance", 100), ("parts", 50)])).collect();
        accruals.iter().map(|accrual| offers(&rules, accrual, &Person::default()).asked).sum::<usize>()
    };
    assert_eq!(asked(1, false), 50);
    assert_eq!(asked(100, false), 50, "the first answers for all behind it");
    assert_eq!(asked(100, true), 50, "those of other stores are not even looked at");
}
