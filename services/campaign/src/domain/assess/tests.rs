//! Worked numbers of DOMAIN's exact defaults 3 and 17, and what holds for any stream.

use std::collections::BTreeMap;

use jifen_contracts::program::{AppliedProgram, Campaign};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::{
    accrual::Accrual,
    given::{accrual, campaign, offers, person, program, program_with, rulebook, token},
    offer::{list_budgets, list_caps},
};

/// Folds accruals in stream order, the budgets loaded once a batch as the handler does.
fn assess_all(rules: &AppliedProgram, batches: &[&[Accrual]], granted: &mut BTreeMap<Token, Points>) -> Vec<Assessment> {
    let rules = rulebook(rules.clone());
    let nobody = Person::default();
    let mut answers = Vec::new();
    let mut had = BTreeMap::new();
    for batch in batches {
        let offers: Vec<_> = batch.iter().map(|accrual| offers(&rules, accrual, &nobody)).collect();
        let needed = list_budgets(&offers);
        let capped = list_caps(offers.iter().zip(batch.iter().map(|accrual| accrual.member_id)));
        let loaded = needed.keys().map(|code| (code.clone(), granted.get(code).copied().unwrap_or_default()));
        let mut budgets = Budgets::new(loaded.collect(), had.clone());
        let stacking = &rules.applied.program.stacking;
        answers.extend(
            offers.iter().zip(*batch).map(|(offers, accrual)| decide_assessment(offers, stacking, accrual.member_id, &mut budgets)),
        );
        assert!(budgets.drawn().keys().all(|code| needed.contains_key(code)), "only what was locked is drawn on");
        assert!(budgets.drawn_by().keys().all(|key| capped.contains(key)), "only what was locked is drawn on");
        granted.extend(budgets.drawn().clone());
        had.extend(budgets.drawn_by().clone());
    }
    answers
}

/// What grants say, as `(category, campaign, points)`; a fixed bonus has no category.
fn shown(grants: &[Grant]) -> Vec<(String, String, i64)> {
    let category = |grant: &Grant| match &grant.rule {
        GrantRule::Multiplier { category, .. } => category.to_string(),
        GrantRule::Fixed { .. } => String::new(),
    };
    grants.iter().map(|grant| (category(grant), grant.campaign.to_string(), grant.points.0)).collect()
}

/// What one invoice gets.
fn granted(campaigns: Vec<Campaign>, before: &[(&str, i64)], bases: &[(&str, i64)]) -> Vec<(String, String, i64)> {
    let rules = program(campaigns);
    let mut before = before.iter().map(|(code, points)| (token(code), Points(*points))).collect();
    let accruals = [accrual("R1", "2026-10-01", bases)];
    let answers = assess_all(&rules, &[&accruals], &mut before);
    shown(&answers.into_iter().flat_map(|answer| answer.grants).collect::<Vec<_>>())
}

/// What an invoice of 1 October gets under this stacking: of a gold member, born in October.
fn stacked(stacking: serde_json::Value, campaigns: Vec<Campaign>, base: i64) -> Vec<(String, i64)> {
    let earn = json!({ "rates": {}, "first_spending": 100, "tier_factors": { "gold": "1.2" } });
    let rules = rulebook(program_with(campaigns, json!({ "stacking": stacking, "earn": earn })));
    let accrual = accrual("R1", "2026-10-01", &[("maintenance", base)]);
    let answer = super::assess(&rules, &accrual, &person("gold", 10), &mut Budgets::default());
    shown(&answer.grants).into_iter().map(|(_, campaign, points)| (campaign, points)).collect()
}

fn of(campaign: &str, points: i64) -> (String, i64) {
    (campaign.to_owned(), points)
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
    assert_eq!(
        assess_all(&rules, &[&[accrual("R1", "2026-10-01", &[("maintenance", 1_500)])]], &mut BTreeMap::new()),
        [Assessment::default()]
    );
}

fn day_and_birthday() -> Vec<Campaign> {
    vec![campaign("day", "2", json!({})), campaign("birthday", "2", json!({ "birthday_month": true }))]
}

/// Exact default 3: base 1,500, day x2, birthday x2, gold x1.2 = 3,000.
#[test]
fn of_a_double_day_a_birthday_and_a_tier_factor_the_largest_alone_applies() {
    assert_eq!(stacked(json!({ "mode": "best_of" }), day_and_birthday(), 1_500), [of("day", 1_500)]);
    assert_eq!(stacked(json!({ "mode": "best_of" }), vec![], 1_500), [of("tier_accelerator", 300)]);
    assert_eq!(stacked(json!({ "mode": "best_of", "ceiling": "1.5" }), day_and_birthday(), 1_500), [of("day", 750)]);
}

#[test]
fn factors_are_added_up_to_the_ceiling() {
    assert_eq!(
        stacked(json!({ "mode": "additive" }), day_and_birthday(), 1_500),
        [of("day", 1_500), of("birthday", 1_500), of("tier_accelerator", 300)]
    );
    assert_eq!(
        stacked(json!({ "mode": "additive", "ceiling": "2.5" }), day_and_birthday(), 1_500),
        [of("day", 1_500), of("birthday", 750)]
    );
    // Each is floored for itself: 733 x 0.5 and 733 x 0.2.
    let half = vec![campaign("half", "1.5", json!({}))];
    assert_eq!(stacked(json!({ "mode": "additive" }), half, 733), [of("half", 366), of("tier_accelerator", 146)]);
}

#[test]
fn factors_are_multiplied_up_to_the_ceiling() {
    // 2 x 2 x 1.2 = 4.8: 1,500 + 3,000 + 1,200 on top of the base.
    let four = json!({ "mode": "multiplicative", "ceiling": "10" });
    assert_eq!(stacked(four, day_and_birthday(), 1_500), [of("day", 1_500), of("birthday", 3_000), of("tier_accelerator", 1_200)]);
    let three = json!({ "mode": "multiplicative", "ceiling": "3" });
    assert_eq!(stacked(three, day_and_birthday(), 1_500), [of("day", 1_500), of("birthday", 1_500)]);
    // One whose budget is used up multiplies nothing.
    let used_up = vec![campaign("day", "2", json!({ "budget": 1_000 })), campaign("half", "1.5", json!({}))];
    let rules = rulebook(program_with(used_up, json!({ "stacking": { "mode": "multiplicative", "ceiling": "10" } })));
    let accrual = accrual("R1", "2026-10-01", &[("maintenance", 1_500)]);
    let mut budgets = Budgets::new(BTreeMap::from([(token("day"), Points(1_000))]), BTreeMap::new());
    let answer = super::assess(&rules, &accrual, &Person::default(), &mut budgets);
    assert_eq!(shown(&answer.grants), [row("maintenance", "half", 750)]);
}

#[test]
fn of_exclusive_campaigns_the_first_that_can_give_applies_alone() {
    let vip = |budget: i64| campaign("vip", "1.5", json!({ "exclusive": true, "budget": budget }));
    let mut campaigns = day_and_birthday();
    campaigns.push(vip(700));
    assert_eq!(stacked(json!({ "mode": "additive" }), campaigns.clone(), 1_500), [of("vip", 700)]);
    let rules = rulebook(program(campaigns));
    let accrual = accrual("R1", "2026-10-01", &[("maintenance", 1_500)]);
    let mut budgets = Budgets::new(BTreeMap::from([(token("vip"), Points(700))]), BTreeMap::new());
    let answer = super::assess(&rules, &accrual, &Person::default(), &mut budgets);
    assert_eq!(shown(&answer.grants), [row("maintenance", "day", 1_500)], "used up, it excludes nobody");
}

/// Exact default 2, as far as campaigns go: base 5,000 under its cap, a double day, and the fixed bonus on top.
#[test]
fn what_a_cap_left_is_doubled_and_fixed_bonuses_add() {
    let fixed = |code: &str| campaign(code, "2", json!({ "factor": null, "bonus": { "points": 100, "from_paid": "1" } }));
    let campaigns = vec![campaign("day", "2", json!({})), fixed("one"), fixed("two")];
    assert_eq!(
        granted(campaigns, &[], &[("maintenance", 5_000)]),
        [row("maintenance", "day", 5_000), row("", "one", 100), row("", "two", 100)]
    );
    let both = campaign("both", "2", json!({ "bonus": { "points": 100, "from_paid": "1" }, "budget": 1_050 }));
    assert_eq!(granted(vec![both], &[], &[("maintenance", 1_000)]), [row("maintenance", "both", 1_000), row("", "both", 50)]);
}

#[test]
fn a_member_gets_no_more_than_the_cap_in_all() {
    let rules = program(vec![campaign("week", "2", json!({ "member_cap": 1_200 })), campaign("half", "1.5", json!({}))]);
    let accruals = ["R1", "R2", "R3"].map(|document| accrual(document, "2026-10-01", &[("maintenance", 1_000)]));
    let answers = assess_all(&rules, &[&accruals[..1], &accruals[1..]], &mut BTreeMap::new());
    let grants: Vec<_> = answers.into_iter().flat_map(|answer| answer.grants).collect();
    assert_eq!(shown(&grants), [row("maintenance", "week", 1_000), row("maintenance", "week", 200), row("maintenance", "half", 500)]);
}

#[test]
fn what_comes_after_the_end_is_promised_and_drawn_on_now() {
    let rules = program(vec![campaign("week", "2", json!({ "budget": 1_500, "post_after_days": 5 }))]);
    let accruals = ["R1", "R2"].map(|document| accrual(document, "2026-10-01", &[("maintenance", 1_000)]));
    let mut before = BTreeMap::new();
    let answers = assess_all(&rules, &[&accruals], &mut before);
    let promised: Vec<_> = answers.iter().flat_map(|answer| &answer.grants).map(|grant| (grant.points.0, grant.deferred)).collect();
    assert_eq!(promised, [(1_000, true), (500, true)]);
    assert_eq!(before, BTreeMap::from([(token("week"), Points(1_500))]));
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
    let answers = assess_all(&rules, &[&accruals], &mut BTreeMap::new());
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
        let at_once = assess_all(&rules, &[&accruals], &mut whole);
        let in_parts = assess_all(&rules, &accruals.chunks(size).collect::<Vec<_>>(), &mut split);
        prop_assert_eq!(at_once, in_parts);
        prop_assert_eq!(whole, split);
    }

    #[test]
    fn a_budget_is_never_overrun_and_its_end_is_said_once(rules in any_program(), accruals in prop::collection::vec(any_accrual(), 0..40)) {
        let answers = assess_all(&rules, &[&accruals], &mut BTreeMap::new());
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
        let answers = assess_all(&rules, &[&accruals], &mut BTreeMap::new());
        for (answer, accrual) in answers.iter().zip(&accruals) {
            let rows = shown(&answer.grants);
            prop_assert!(rows.is_sorted_by(|one, next| one.0 < next.0));
            for grant in &answer.grants {
                let campaign = rules.program.campaigns.iter().find(|campaign| campaign.code == grant.campaign).expect("campaign");
                let GrantRule::Multiplier { category, base, .. } = &grant.rule else { panic!("no multiplier") };
                prop_assert_eq!(accrual.bases.get(category), Some(base));
                prop_assert!(grant.points.is_positive() && grant.points <= campaign.factor.expect("a factor").extra_on(*base));
            }
        }
    }

    /// What `points` computes again from an effective factor is what was granted here, where no budget cuts.
    #[test]
    fn every_multiplier_can_be_computed_again(
        factors in prop::collection::vec(prop::sample::select(vec!["1.0001", "1.2", "1.5", "2", "3.3333", "100"]), 1..5),
        mode in prop::sample::select(vec!["best_of", "additive", "multiplicative"]),
        ceiling in prop::option::of(prop::sample::select(vec!["1.5", "4", "999"])),
        base in 0_i64..10_000_000,
    ) {
        let campaigns = factors.iter().enumerate().map(|(number, factor)| campaign(&format!("c{number}"), factor, json!({}))).collect();
        let mut stacking = json!({ "mode": mode });
        if let Some(ceiling) = ceiling {
            stacking["ceiling"] = json!(ceiling);
        }
        let rules = rulebook(program_with(campaigns, json!({ "stacking": stacking })));
        let accrual = accrual("R1", "2026-10-01", &[("maintenance", base)]);
        let answer = super::assess(&rules, &accrual, &Person::default(), &mut Budgets::default());
        for grant in &answer.grants {
            let GrantRule::Multiplier { factor_basis_points, base, .. } = &grant.rule else { panic!("no multiplier") };
            let factor = jifen_kernel::Rate::try_new(&format!("{}.{:04}", factor_basis_points / 10_000, factor_basis_points % 10_000));
            prop_assert_eq!(factor.expect("a rate").extra_on(*base), grant.points);
        }
    }

    /// Without a biting budget or cap the bonuses of an invoice depend on nothing but itself.
    #[test]
    fn any_order_and_multiplicity_gives_the_same_bonuses(
        mut campaigns in prop::collection::vec(any_campaign(), 0..5),
        bases in prop::collection::vec(any_accrual(), 1..20),
        order in prop::collection::vec(0_usize..1_000, 20),
    ) {
        let mut seen = std::collections::HashSet::new();
        campaigns.retain_mut(|campaign| {
            campaign.budget = campaign.budget.map(|_| Points(10_000_000));
            seen.insert(campaign.code.clone())
        });
        let rules = rulebook(program(campaigns));
        let mut budgets = Budgets::default();
        let straight: Vec<_> = bases.iter().map(|accrual| super::assess(&rules, accrual, &Person::default(), &mut budgets).grants).collect();
        let mut shuffled: Vec<usize> = (0..bases.len()).collect();
        shuffled.sort_by_key(|place| (order[*place], *place));
        let mut budgets = Budgets::default();
        for place in shuffled {
            // The claim keeps a repeated document away from the rules; its first answer is what counts.
            prop_assert_eq!(&super::assess(&rules, &bases[place], &Person::default(), &mut budgets).grants, &straight[place]);
        }
    }
}
