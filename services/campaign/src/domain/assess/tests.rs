//! Worked numbers of DOMAIN's exact defaults 3 and 17, and what holds for any stream.

use std::collections::BTreeMap;

use jifen_contracts::program::{AppliedProgram, Campaign};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::{
    accrual::Accrual,
    given::{accrual, campaign, program, token},
    offer::{list_budgets, list_offers},
};

/// Folds accruals in stream order, the budgets loaded once a batch as the handler does.
fn assess(rules: &AppliedProgram, batches: &[&[Accrual]], granted: &mut BTreeMap<Token, Points>) -> Vec<Assessment> {
    let mut answers = Vec::new();
    for batch in batches {
        let offers: Vec<_> = batch.iter().map(|accrual| list_offers(rules, accrual)).collect();
        let needed = list_budgets(offers.iter().flatten());
        let loaded = needed.keys().map(|code| (code.clone(), granted.get(code).copied().unwrap_or_default()));
        let mut budgets = Budgets::new(loaded.collect());
        answers.extend(offers.iter().map(|categories| decide_assessment(categories, &mut budgets)));
        assert!(budgets.drawn().keys().all(|code| needed.contains_key(code)), "only what was locked is drawn on");
        granted.extend(budgets.drawn().clone());
    }
    answers
}

/// What one invoice gets, as `(category, campaign, points)`.
fn granted(campaigns: Vec<Campaign>, before: &[(&str, i64)], bases: &[(&str, i64)]) -> Vec<(String, String, i64)> {
    let rules = program(campaigns);
    let mut before = before.iter().map(|(code, points)| (token(code), Points(*points))).collect();
    let accruals = [accrual("R1", "2026-10-01", bases)];
    let answers = assess(&rules, &[&accruals], &mut before);
    let grants = answers.into_iter().flat_map(|answer| answer.grants);
    grants.map(|grant| (grant.category.to_string(), grant.campaign.to_string(), grant.points.0)).collect()
}

fn row(category: &str, campaign: &str, points: i64) -> (String, String, i64) {
    (category.to_owned(), campaign.to_owned(), points)
}

#[test]
fn a_double_day_adds_the_base_and_half_a_point_is_floored() {
    assert_eq!(granted(vec![campaign("day", "2", json!({}))], &[], &[("maintenance", 1_500)]), [row("maintenance", "day", 1_500)]);
    assert_eq!(granted(vec![campaign("half", "1.5", json!({}))], &[], &[("repair", 733)]), [row("repair", "half", 366)]);
}

#[test]
fn without_a_campaign_the_answer_is_none() {
    let rules = program(vec![]);
    assert_eq!(assess(&rules, &[&[accrual("R1", "2026-10-01", &[("maintenance", 1_500)])]], &mut BTreeMap::new()), [Assessment::default()]);
}

#[test]
fn of_a_double_day_a_birthday_and_a_tier_factor_the_largest_alone_applies() {
    let campaigns = vec![campaign("day", "2", json!({})), campaign("birthday", "2", json!({})), campaign("gold", "1.2", json!({}))];
    assert_eq!(granted(campaigns, &[], &[("maintenance", 1_500)]), [row("maintenance", "day", 1_500)]);
}

#[test]
fn each_category_has_its_own_best_campaign() {
    let campaigns = vec![campaign("all", "2", json!({})), campaign("parts", "3", json!({ "categories": ["parts"] }))];
    assert_eq!(
        granted(campaigns, &[], &[("parts", 120), ("maintenance", 1_500)]),
        [row("maintenance", "all", 1_500), row("parts", "parts", 240)]
    );
}

#[test]
fn the_grant_that_meets_a_budget_is_cut_to_the_rest() {
    let campaigns = || vec![campaign("week", "2", json!({ "budget": 10_000 }))];
    assert_eq!(granted(campaigns(), &[("week", 9_100)], &[("maintenance", 1_500)]), [row("maintenance", "week", 900)]);
    assert_eq!(granted(campaigns(), &[("week", 10_000)], &[("maintenance", 1_500)]), []);
    // Lowered below what was granted, it stays closed.
    assert_eq!(granted(campaigns(), &[("week", 12_000)], &[("maintenance", 1_500)]), []);
}

#[test]
fn categories_draw_on_a_budget_by_name() {
    let campaigns = vec![campaign("week", "2", json!({ "budget": 1_000 }))];
    assert_eq!(
        granted(campaigns, &[], &[("repair", 600), ("other", 10), ("maintenance", 700)]),
        [row("maintenance", "week", 700), row("other", "week", 10), row("repair", "week", 290)]
    );
}

#[test]
fn a_campaign_with_a_rest_is_taken_and_one_without_is_passed_over() {
    let campaigns = || vec![campaign("triple", "3", json!({ "budget": 1_000 })), campaign("double", "2", json!({}))];
    assert_eq!(granted(campaigns(), &[("triple", 999)], &[("maintenance", 700)]), [row("maintenance", "triple", 1)]);
    assert_eq!(granted(campaigns(), &[("triple", 1_000)], &[("maintenance", 700)]), [row("maintenance", "double", 700)]);
    // Both within one invoice.
    assert_eq!(
        granted(campaigns(), &[("triple", 999)], &[("maintenance", 700), ("repair", 50)]),
        [row("maintenance", "triple", 1), row("repair", "double", 50)]
    );
}

#[test]
fn exhaustion_is_said_with_the_last_point_and_once() {
    let rules = program(vec![campaign("week", "2", json!({ "budget": 1_000 }))]);
    let accruals = ["R1", "R2", "R3"].map(|document| accrual(document, "2026-10-01", &[("maintenance", 500)]));
    let answers = assess(&rules, &[&accruals], &mut BTreeMap::new());
    let exhausted: Vec<_> = answers.into_iter().map(|answer| answer.exhausted).collect();
    let said = Exhausted { campaign: token("week"), version: 3, budget: Points(1_000) };
    assert_eq!(exhausted, [vec![], vec![said], vec![]]);
}

fn any_campaign() -> impl Strategy<Value = Campaign> {
    let categories = prop::sample::subsequence(vec!["maintenance", "parts", "repair"], 0..3);
    (0..4_usize, prop::sample::select(vec!["1", "1.2", "1.5", "2", "3"]), categories, prop::option::of(0_i64..5_000)).prop_map(
        |(code, factor, categories, budget)| {
            campaign(["a", "b", "c", "d"][code], factor, json!({ "categories": categories, "budget": budget }))
        },
    )
}

/// Codes are unique in a program.
fn any_program() -> impl Strategy<Value = AppliedProgram> {
    prop::collection::vec(any_campaign(), 0..5).prop_map(|mut campaigns| {
        let mut seen = std::collections::HashSet::new();
        campaigns.retain(|campaign| seen.insert(campaign.code.clone()));
        program(campaigns)
    })
}

fn any_accrual() -> impl Strategy<Value = Accrual> {
    (1..9_u32, prop::collection::btree_map(prop::sample::select(vec!["maintenance", "parts", "repair", "other"]), 0_i64..2_000, 0..4))
        .prop_map(|(day, bases)| accrual("R1", &format!("2026-10-0{day}"), &bases.into_iter().collect::<Vec<_>>()))
}

proptest! {
    #[test]
    fn batches_of_any_size_give_the_same_answers(
        rules in any_program(),
        accruals in prop::collection::vec(any_accrual(), 0..40),
        size in 1..10_usize,
    ) {
        let (mut whole, mut split) = (BTreeMap::new(), BTreeMap::new());
        let at_once = assess(&rules, &[&accruals], &mut whole);
        let in_parts = assess(&rules, &accruals.chunks(size).collect::<Vec<_>>(), &mut split);
        prop_assert_eq!(at_once, in_parts);
        prop_assert_eq!(whole, split);
    }

    #[test]
    fn a_budget_is_never_overrun_and_its_end_is_said_once(rules in any_program(), accruals in prop::collection::vec(any_accrual(), 0..40)) {
        let answers = assess(&rules, &[&accruals], &mut BTreeMap::new());
        for campaign in &rules.program.campaigns {
            let of_it = answers.iter().flat_map(|answer| &answer.grants).filter(|grant| grant.campaign == campaign.code);
            let total: Points = of_it.map(|grant| grant.points).sum();
            let said = answers.iter().flat_map(|answer| &answer.exhausted).filter(|end| end.campaign == campaign.code).count();
            if let Some(budget) = campaign.budget {
                prop_assert!(total <= budget);
                prop_assert_eq!(said == 1, budget.is_positive() && total == budget);
            }
            prop_assert!(said <= 1);
        }
    }

    #[test]
    fn a_category_gets_one_bonus_at_most_and_never_more_than_its_factor_gives(
        rules in any_program(),
        accruals in prop::collection::vec(any_accrual(), 0..20),
    ) {
        let answers = assess(&rules, &[&accruals], &mut BTreeMap::new());
        for (answer, accrual) in answers.iter().zip(&accruals) {
            let names: Vec<_> = answer.grants.iter().map(|grant| &grant.category).collect();
            prop_assert!(names.is_sorted_by(|one, next| one < next));
            for grant in &answer.grants {
                let campaign = rules.program.campaigns.iter().find(|campaign| campaign.code == grant.campaign).expect("campaign");
                prop_assert_eq!(accrual.bases.get(&grant.category), Some(&grant.base));
                prop_assert!(grant.points.is_positive() && grant.points <= campaign.factor.expect("a factor").extra_on(grant.base));
            }
        }
    }
}
