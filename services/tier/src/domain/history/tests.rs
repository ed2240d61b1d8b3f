//! The year of DOMAIN's exact default 12, the four ladders, and what holds for any facts.

use jifen_contracts::program::AppliedProgram;
use proptest::prelude::*;

use super::*;
use crate::domain::{
    contribution::Source,
    decide::{Decided, decide_by_facts},
    given::{annual_spend, bought, companion, day, fact, handbook, preset, spent, token},
};

fn always(rules: AppliedProgram) -> impl Fn(NaiveDate) -> Option<Arc<AppliedProgram>> {
    let rules = Arc::new(rules);
    move |_| Some(Arc::clone(&rules))
}

fn sorted(mut facts: Vec<Fact>) -> Vec<Fact> {
    facts.sort_by(|one, other| one.place().cmp(&other.place()));
    facts
}

fn active(since: &str) -> Standing {
    Standing { active_on: Some(day(since)), ..Standing::default() }
}

/// The tier on a day.
fn tier_on(standing: &Standing, facts: &[Fact], on: &str, rules: &InForce<'_>) -> String {
    tell(standing, facts, day(on), rules).held.map_or_else(String::new, |held| held.tier.to_string())
}

/// Decides day by day; what was announced: the day, and the step or warning.
fn days(standing: &mut Standing, facts: &[Fact], from: &str, to: &str, rules: &InForce<'_>) -> Vec<String> {
    let mut said = Vec::new();
    for today in day(from).iter_days().take_while(|today| *today <= day(to)) {
        let known: Vec<Fact> = facts.iter().filter(|fact| fact.business_date <= today).cloned().collect();
        let Decided { change, warning, .. } = decide_by_facts(standing, &known, today, rules);
        said.extend(change.map(|(change, _)| format!("{today} {} -> {}", change.from, change.to.tier)));
        said.extend(warning.map(|warning| format!("{today} warned of {} on {}", warning.to, warning.on)));
    }
    said
}

#[test]
fn gold_with_a_fen_too_little_is_warned_and_goes_down_one_step() {
    let rules = always(annual_spend());
    let facts = [spent("R1", "2026-05-10", "5000"), spent("R2", "2026-11-01", "4999.99")];
    let said = days(&mut active("2026-01-01"), &facts, "2026-05-01", "2028-07-01", &rules);
    // On the lowest step there is nothing to lose.
    assert_eq!(said, ["2026-05-10 silver -> gold", "2027-04-09 warned of silver on 2027-06-09", "2027-06-09 gold -> silver"]);
}

#[test]
fn a_fen_that_settles_on_the_last_day_of_grace_keeps_it() {
    let rules = always(annual_spend());
    let base = [spent("R1", "2026-05-10", "5000"), spent("R2", "2026-11-01", "4999.99")];
    let with = |on: &str| sorted(base.iter().cloned().chain([spent("R3", on, "0.01")]).collect());
    let kept = ["2026-05-10 silver -> gold", "2027-04-09 warned of silver on 2027-06-09"];
    assert_eq!(days(&mut active("2026-01-01"), &with("2027-06-08"), "2026-05-01", "2027-12-31", &rules), kept);
    let late = days(&mut active("2026-01-01"), &with("2027-06-09"), "2026-05-01", "2027-12-31", &rules);
    assert_eq!(late.last().map(String::as_str), Some("2027-06-09 gold -> silver"));
    // Settled in time and heard of a day late: what was taken is given back.
    let mut standing = active("2026-01-01");
    days(&mut standing, &base, "2026-05-01", "2027-06-09", &rules);
    let given_back = decide_by_facts(&mut standing, &with("2027-06-08"), day("2027-06-09"), &rules).change.expect("a step");
    assert_eq!((given_back.0.to.tier.as_str(), given_back.0.up, given_back.0.ordinal), ("gold", true, 3));
    // What saved the old year is not counted for the new one.
    let next = tell(&active("2026-01-01"), &with("2027-06-08"), day("2027-06-10"), &rules).year.expect("a year");
    assert_eq!((next.from, next.end, next.earned), (day("2027-05-10"), day("2028-05-10"), false));
}

#[test]
fn who_earned_it_again_is_not_warned() {
    let rules = always(annual_spend());
    let facts = [spent("R1", "2026-05-10", "5000"), spent("R2", "2027-04-08", "5000")];
    assert_eq!(days(&mut active("2026-01-01"), &facts, "2026-05-01", "2027-12-31", &rules), ["2026-05-10 silver -> gold"]);
    let year = tell(&active("2026-01-01"), &facts, day("2027-05-09"), &rules).year.expect("a year");
    assert_eq!((year.earned, year.warn_on), (true, day("2027-04-09")));
}

#[test]
fn a_step_down_is_one_step_and_begins_a_year_of_its_own() {
    let rules = always(annual_spend());
    let said = days(&mut active("2026-01-01"), &[spent("R1", "2026-05-10", "15000")], "2026-05-01", "2028-12-31", &rules);
    assert_eq!(
        said,
        [
            "2026-05-10 silver -> platinum",
            "2027-04-09 warned of gold on 2027-06-09",
            "2027-06-09 platinum -> gold",
            "2028-05-09 warned of silver on 2028-07-09",
            "2028-07-09 gold -> silver",
        ]
    );
}

#[test]
fn a_lifetime_ladder_takes_nothing_back() {
    let rules = always(preset());
    let facts = [Fact { qualifying: jifen_kernel::Points(20_000), ..spent("R1", "2026-05-10", "1") }];
    assert_eq!(days(&mut active("2026-01-01"), &facts, "2026-05-01", "2029-01-01", &rules), ["2026-05-10 regular -> gold"]);
    assert_eq!(tell(&active("2026-01-01"), &facts, day("2027-06-01"), &rules).next_due(day("2027-06-01")), None);
}

#[test]
fn the_spend_of_a_year_leaves_cars_and_premiums_out_and_ends_after_twelve_months() {
    let rules = always(annual_spend());
    let of = |category: &str, fact: Fact| Fact { paid: fact.paid.into_values().map(|paid| (token(category), paid)).collect(), ..fact };
    let not = [of("vehicle", spent("R1", "2026-05-10", "180000")), of("insurance_premium", spent("R2", "2026-05-10", "6000"))];
    assert_eq!(tier_on(&active("2026-01-01"), &not, "2026-05-11", &rules), "silver");
    let within = [spent("R1", "2026-05-10", "2500"), spent("R2", "2027-05-09", "2500")];
    assert_eq!(tier_on(&active("2026-01-01"), &within, "2027-05-09", &rules), "gold");
    let beyond = [spent("R1", "2026-05-10", "2500"), spent("R2", "2027-05-10", "2500")];
    assert_eq!(tier_on(&active("2026-01-01"), &beyond, "2027-05-10", &rules), "silver");
}

#[test]
fn annual_spend_knows_referrals_and_invitations() {
    let rules = always(annual_spend());
    let referred = |number: usize| fact(Source::ReferralPurchase, &format!("F{number}"), "2026-05-10");
    let who = active("2026-01-01");
    assert_eq!(tier_on(&who, &[], "2026-01-01", &rules), "silver");
    assert_eq!(tier_on(&who, &[referred(1)], "2026-05-10", &rules), "gold");
    assert_eq!(tier_on(&who, &[referred(1), referred(2), referred(3)], "2026-05-10", &rules), "platinum");
    let invited = |tier: &str| Fact { detail: Some(tier.to_owned()), ..fact(Source::Invitation, "op", "2026-05-10") };
    assert_eq!(tier_on(&who, &[invited("diamond")], "2026-05-10", &rules), "diamond");
    assert_eq!(tier_on(&who, &[invited("gold")], "2026-05-10", &rules), "silver");
    assert_eq!(tier_on(&who, &[spent("R1", "2026-05-10", "50000")], "2026-05-10", &rules), "diamond");
}

#[test]
fn handbook_knows_points_cars_visits_years_models_and_approval() {
    let rules = always(handbook());
    let who = active("2024-01-01");
    let visit = |number: u32, on: &str| Fact { visit: true, paid_visit: true, ..fact(Source::Invoice, &format!("V{number}"), on) };
    let points = |points| Fact { qualifying: jifen_kernel::Points(points), ..fact(Source::Invoice, "P", "2026-05-10") };
    let listed = Fact { detail: Some("X1".to_owned()), ..bought("S1", "2026-05-10", "1000") };
    let approved = Fact { detail: Some("gold".to_owned()), ..fact(Source::Approval, "op", "2026-05-10") };
    let years = ["2024-03-01", "2025-03-01", "2026-03-01"].map(|on| spent(on, on, "20000"));
    let three = [visit(1, "2025-01-01"), visit(2, "2025-02-01"), visit(3, "2026-03-01")];
    for (facts, tier) in [
        (vec![points(4_999)], "regular"),
        (vec![points(5_000)], "silver"),
        (vec![points(15_000)], "gold"),
        (vec![bought("S1", "2026-05-10", "49999.99")], "regular"),
        (vec![bought("S1", "2026-05-10", "50000")], "silver"),
        (vec![bought("S1", "2024-05-10", "40000"), bought("S2", "2026-05-10", "40000")], "regular"),
        (vec![bought("S1", "2024-05-10", "100000"), bought("S2", "2026-05-10", "50000")], "gold"),
        (three[..2].to_vec(), "regular"),
        (three.to_vec(), "silver"),
        (years[..2].to_vec(), "regular"),
        (years.to_vec(), "gold"),
        (vec![listed], "gold"),
        (vec![approved], "gold"),
    ] {
        assert_eq!(tier_on(&who, &sorted(facts.clone()), "2026-12-31", &rules), tier, "{facts:?}");
    }
}

#[test]
fn companion_knows_buying_again_referring_and_taking_part() {
    let rules = always(companion());
    let who = active("2024-01-01");
    let took_part = |number: u32, kind: &str| Fact {
        qualifying: jifen_kernel::Points(200),
        detail: Some(kind.to_owned()),
        ..fact(Source::Interaction, &format!("I{number}"), "2026-05-10")
    };
    for (facts, tier) in [
        (vec![], "explorer"),
        (vec![bought("S1", "2026-05-10", "1")], "explorer"),
        (vec![bought("S1", "2025-05-10", "1"), bought("S2", "2026-05-10", "1")], "companion"),
        (vec![fact(Source::ReferralService, "F1", "2026-05-10")], "companion"),
        (vec![took_part(1, "suggestion"), took_part(2, "event"), took_part(3, "check_in")], "explorer"),
        (vec![took_part(1, "suggestion"), took_part(2, "event"), took_part(3, "event")], "co_creator"),
    ] {
        assert_eq!(tier_on(&who, &facts, "2026-12-31", &rules), tier, "{facts:?}");
    }
}

#[test]
fn what_is_pending_counts_and_lifts_with_the_activation() {
    let rules = always(annual_spend());
    let facts = [spent("R1", "2026-05-10", "5000")];
    let mut standing = Standing { awaiting: true, ..Standing::default() };
    let waiting = decide_by_facts(&mut standing, &facts, day("2026-05-10"), &rules);
    assert_eq!((waiting.change, standing.reached.clone()), (None, None));
    standing.activate(day("2026-05-15"));
    let (change, by) = decide_by_facts(&mut standing, &facts, day("2026-05-15"), &rules).change.expect("a step");
    assert_eq!((change.from.as_str(), change.to.tier.as_str(), by), ("silver", "gold", None));
    // The year begins with the activation.
    assert_eq!(tell(&standing, &facts, day("2026-05-15"), &rules).year.expect("a year").from, day("2026-05-15"));
}

#[test]
fn each_day_has_its_own_rules() {
    let (points, annual) = (Arc::new(preset()), Arc::new(AppliedProgram { version: 2, ..annual_spend() }));
    let rules = |on: NaiveDate| Some(Arc::clone(if on < day("2026-06-01") { &points } else { &annual }));
    let facts = [Fact { qualifying: jifen_kernel::Points(20_000), ..spent("R1", "2025-05-10", "1") }];
    // Gold by points in a ladder for life: the first year under the yearly one is asked for as a whole.
    let said = days(&mut active("2025-01-01"), &facts, "2025-05-01", "2027-12-31", &rules);
    assert_eq!(said, ["2025-05-10 regular -> gold", "2027-04-09 warned of silver on 2027-06-09", "2027-06-09 gold -> silver"]);
}

fn any_fact() -> impl Strategy<Value = Fact> {
    (0_u32..900, 0_i64..4_000, 0_u32..10_000, 0..4_u8).prop_map(|(offset, yuan, number, kind)| {
        let on = (day("2026-01-01") + Days::new(offset.into())).to_string();
        match kind {
            0 => fact(Source::ReferralPurchase, &format!("F{number}"), &on),
            _ => spent(&format!("R{number}-{offset}"), &on, &yuan.to_string()),
        }
    })
}

proptest! {
    #[test]
    fn facts_in_any_order_number_and_batch_come_to_the_same(
        (facts, shuffled) in prop::collection::vec(any_fact(), 0..15).prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        size in 1..5_usize,
    ) {
        // A document counts once: its claim sees to that, here the map does.
        let unique = |facts: &[Fact]| {
            let by_key: std::collections::BTreeMap<_, _> =
                facts.iter().map(|fact| ((fact.document.clone(), fact.source), fact.clone())).collect();
            sorted(by_key.into_values().collect())
        };
        let rules = always(annual_spend());
        let end = day("2029-01-01");
        let mut at_once = active("2026-01-01");
        decide_by_facts(&mut at_once, &unique(&facts), end, &rules);
        let mut in_parts = active("2026-01-01");
        let mut known: Vec<Fact> = Vec::new();
        for part in shuffled.chunks(size) {
            known.extend_from_slice(part);
            known.extend_from_slice(part);
            let first: Vec<Fact> = unique(&known);
            decide_by_facts(&mut in_parts, &first, day("2028-06-01"), &rules);
        }
        decide_by_facts(&mut in_parts, &unique(&facts), end, &rules);
        prop_assert_eq!(&at_once.reached, &in_parts.reached);
        prop_assert_eq!(at_once.qualifying, in_parts.qualifying);
    }

    #[test]
    fn announced_steps_form_a_chain(facts in prop::collection::vec(any_fact(), 0..12)) {
        let rules = always(annual_spend());
        let facts = sorted(facts);
        let mut standing = active("2026-01-01");
        let (mut last, mut ordinal) = ("silver".to_owned(), 0);
        for week in 0..170 {
            let today = day("2026-01-01") + Days::new(week * 7);
            let known: Vec<Fact> = facts.iter().filter(|fact| fact.business_date <= today).cloned().collect();
            if let Some((change, _)) = decide_by_facts(&mut standing, &known, today, &rules).change {
                prop_assert_eq!((change.from.as_str(), change.ordinal), (last.as_str(), ordinal + 1));
                (last, ordinal) = (change.to.tier.to_string(), change.ordinal);
            }
        }
    }
}
