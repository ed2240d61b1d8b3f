//! Promises and reports are net of what corrections took, whatever comes first.

use jifen_contracts::{
    EventType,
    endpoint::{CampaignFigures, CampaignReport, Empty},
    event::{AccrualAssessed, AccrualSource, BonusGranted, CategoryBase, Earned, EntryKind, Reversed},
};
use jifen_kernel::{Money, Points};
use jifen_runtime::{ask, daily::run_due};
use jifen_testkit::{
    DEADLINE, TestEnv,
    bus::{self, drained, publish, published, shuffled},
    eventually, samples,
};
use serde_json::json;

use crate::{
    returned::{REVERSED, reversed},
    support::{DURABLE, at, copy, copy_at, earned, number, program, program_with, surroundings},
};

/// A correction that leaves so much of an invoice's base and, yuan for point, of what was paid; it takes nothing that a campaign posted.
fn leaves(of: &Earned, base: i64, at: &str) -> Reversed {
    let left = of.categories.iter().map(|was| CategoryBase { paid: Money::from_fen(base * 100), base: Points(base), ..was.clone() });
    let mut event = reversed(of, "none", 1, 1, at);
    event.entries.clear();
    Reversed { left: left.collect(), ..event }
}

/// The same, with what it takes of a bonus.
fn takes(of: &Earned, (campaign, entry, points): (&str, u128, i64), base: i64, at: &str) -> Reversed {
    let mut event = Reversed { left: leaves(of, base, at).left, ..reversed(of, campaign, entry, points, at) };
    for entry in event.entries.iter_mut().filter(|entry| entry.kind == EntryKind::Bonus) {
        entry.category = Some(of.categories[0].category.clone());
    }
    event
}

async fn report(env: &TestEnv) -> CampaignFigures {
    ask::<CampaignReport>(&env.nats("local").await, &Empty {}).await.expect("report").campaigns.remove(0)
}

const WITHIN: &str = "2026-10-02T04:00:00Z";

/// A promise of a bill that was voided is free at once, and the bill that takes its place gets it.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_promised_for_a_voided_bill_is_promised_anew() {
    let env = surroundings().await;
    let week = json!({ "code": "week", "factor": "2", "post_after_days": 5, "member_cap": 1_500, "budget": 1_500 });
    let holidays = jifen_rules::seed::holidays(2026..=2026);
    samples::remember(&env, "campaign", &[program_with(1, &[week], json!({ "holidays": holidays }))]).await;
    let clock = at("2026-10-02T04:00:00Z");
    let copies = [copy_at(&env, &clock).await, copy_at(&env, &clock).await];
    let (first, second) = (earned("R1", 1, &[("maintenance", 1_500)]), earned("R2", 1, &[("maintenance", 1_650)]));
    publish(&env, [&first]).await;
    published::<AccrualAssessed>(&env, 1).await;
    let (half, none) = (leaves(&first, 700, WITHIN), leaves(&first, 0, WITHIN));
    publish(&env, [&none, &half, &none]).await;
    drained::<AccrualAssessed>(&env, REVERSED).await;
    assert_eq!(number(&env, "select granted from budget").await, 0);
    assert_eq!(number(&env, "select granted from member_share").await, 0);
    publish(&env, [&second]).await;
    published::<AccrualAssessed>(&env, 2).await;
    assert_eq!(number(&env, "select points from deferred where document = 'R2'").await, 1_500);
    // 100 yuan of the second come back: 1,550 would be due, 1,500 stay.
    publish(&env, &[leaves(&second, 1_550, WITHIN)]).await;
    drained::<AccrualAssessed>(&env, REVERSED).await;
    let figures = report(&env).await;
    assert_eq!((figures.points, figures.deferred, figures.budget_left), (Points(1_500), Points(1_500), Some(Points(0))));
    assert_eq!((figures.bonuses, figures.members, figures.revenue.to_string().as_str()), (1, 1, "1550.00"));
    // After the last day less is due, and no budget returns.
    publish(&env, &[leaves(&second, 1_000, "2026-10-09T04:00:00Z")]).await;
    drained::<AccrualAssessed>(&env, REVERSED).await;
    assert_eq!(number(&env, "select granted from budget").await, 1_500);
    clock.set("2026-10-13T04:00:00Z".parse().expect("instant"));
    eventually(DEADLINE, || async {
        run_due(copies[0].cx(), &jifen_campaign::jobs::GrantPromises).await.expect("the 13th");
        (number(&env, "select count(*) from deferred where granted_at is null and points > 0").await == 0).then_some(())
    })
    .await;
    bus::all_published(&env, "campaign").await;
    let granted = published::<BonusGranted>(&env, 1).await;
    assert_eq!(bus::count(&env, "EVENTS", &BonusGranted::filter()).await, 1, "of the first nothing is left");
    let granted = &granted[0].data;
    assert_eq!((granted.participation.as_str(), granted.points, granted.bonuses[0].points), ("SH01:R2", Points(1_000), Points(1_000)));
    // What is posted comes back as entries, under its own document: the promise is no longer cut.
    let mut void = takes(&second, ("week", 9, 1_000), 0, "2026-10-14T04:00:00Z");
    void.left.clear();
    void.entries.iter_mut().for_each(|entry| entry.category = None);
    (void.source, void.document) = (AccrualSource::Grant, "week/SH01:R2/1".to_owned());
    publish(&env, [&leaves(&second, 0, "2026-10-14T04:00:00Z"), &void, &void]).await;
    drained::<AccrualAssessed>(&env, REVERSED).await;
    let figures = report(&env).await;
    assert_eq!((figures.points, figures.deferred, figures.bonuses, figures.members), (Points(0), Points(0), 0, 0));
    assert_eq!((figures.revenue, figures.roi_basis_points), (Money::ZERO, None));
    assert_eq!(number(&env, "select count(*) from dead_letter").await, 0);
    for copy in copies {
        assert!(copy.stop().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promise_is_cut_once_whether_its_correction_comes_before_with_or_after_it() {
    let env = surroundings().await;
    let rules = [program(1, &[json!({ "code": "week", "factor": "2", "post_after_days": 5, "budget": 1_000_000, "member_cap": 100_000 })])];
    let invoices: Vec<Earned> = (0..200).map(|i| earned(&format!("R{i:03}"), i % 7, &[("maintenance", 100)])).collect();
    let corrections: Vec<Reversed> =
        invoices.iter().flat_map(|of| [leaves(of, 50, WITHIN), leaves(of, 30, WITHIN), leaves(of, 80, WITHIN)]).collect();
    // Some before, the others beside it, all of them twice.
    let (before, beside) = corrections.split_at(150);
    publish(&env, shuffled(before, 2)).await;
    let copies = [copy(&env, 16, &rules).await, copy(&env, 16, &rules).await];
    drained::<AccrualAssessed>(&env, REVERSED).await;
    tokio::join!(publish(&env, shuffled(&invoices, 2)), publish(&env, shuffled(beside, 2)));
    drained::<AccrualAssessed>(&env, DURABLE).await;
    drained::<AccrualAssessed>(&env, REVERSED).await;
    assert_eq!(number(&env, "select count(*) from deferred where points = 30").await, 200);
    assert_eq!(number(&env, "select sum(points)::bigint from returned").await, 200 * 70);
    assert_eq!(number(&env, "select granted from budget").await, 200 * 30);
    assert_eq!(number(&env, "select sum(granted)::bigint from member_share").await, 200 * 30);
    assert_eq!(number(&env, "select count(*) from dead_letter").await, 0);
    for copy in copies {
        assert!(copy.stop().await);
    }
}

/// Ten bills of 1,000 yuan, nine of them refunded: one is left in every figure.
#[tokio::test(flavor = "multi_thread")]
async fn a_report_counts_what_is_left() {
    let env = surroundings().await;
    let campaign = copy(&env, 500, &[program(1, &[json!({ "code": "october", "factor": "2" })])]).await;
    let bills: Vec<Earned> = (0..10).map(|i| earned(&format!("R{i}"), i / 2, &[("maintenance", 1_000)])).collect();
    let back: Vec<Reversed> = (1..).zip(&bills[1..]).map(|(i, of)| takes(of, ("october", i, 1_000), 0, WITHIN)).collect();
    // Of three nothing else is known than what is left of them, as yet.
    publish(&env, &bills[1..4].iter().map(|of| leaves(of, 0, WITHIN)).collect::<Vec<_>>()).await;
    drained::<AccrualAssessed>(&env, REVERSED).await;
    publish(&env, &bills).await;
    published::<AccrualAssessed>(&env, 10).await;
    let two = earned("R10", 0, &[("maintenance", 500), ("parts", 500)]);
    publish(&env, [&two]).await;
    published::<AccrualAssessed>(&env, 11).await;
    let figures = report(&env).await;
    assert_eq!((figures.bonuses, figures.members, figures.revenue.to_string().as_str()), (12, 5, "8000.00"));
    publish(&env, shuffled(&back, 2)).await;
    // Of one of two bonuses nothing is left.
    let mut less = takes(&two, ("october", 99, 500), 0, WITHIN);
    (less.left[1].paid, less.left[1].base) = (Money::from_fen(50_000), Points(500));
    publish(&env, &[less]).await;
    drained::<AccrualAssessed>(&env, REVERSED).await;
    let figures = report(&env).await;
    assert_eq!((figures.points, figures.bonuses, figures.members), (Points(1_500), 2, 1));
    assert_eq!((figures.revenue.to_string().as_str(), figures.cost.to_string().as_str()), ("1500.00", "15.00"));
    assert_eq!(figures.roi_basis_points, Some(990_000));
    assert_eq!(number(&env, "select count(*) from dead_letter").await, 0);
    assert!(campaign.stop().await);
}

/// A bill gets what the one whose place it takes had, also before that one's points are taken back; and nothing returns twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_bill_gets_what_the_one_whose_place_it_takes_had() {
    let env = surroundings().await;
    let posted = json!({ "code": "posted", "factor": "2", "member_cap": 1_500, "budget": 4_500, "categories": ["maintenance"] });
    let later = json!({ "code": "later", "factor": "2", "post_after_days": 5, "budget": 300, "categories": ["parts"] });
    let rules = [program(1, &[posted, later])];
    samples::remember(&env, "campaign", &rules).await;
    let clock = at("2026-10-02T04:00:00Z");
    let copies = [copy_at(&env, &clock).await, copy_at(&env, &clock).await];
    let first = |member: u128| earned(&format!("A{member}"), member, &[("maintenance", 1_500), ("parts", 100)]);
    let second = |member: u128| Earned {
        replaces: Some(format!("A{member}")),
        ..earned(&format!("B{member}"), member, &[("maintenance", 1_650), ("parts", 120)])
    };
    // The first pair as it comes mostly, the second with what the first of it took half back, the third all at once: then its first one
    // may come last, and get nothing.
    publish(&env, &[first(1), first(2)]).await;
    published::<AccrualAssessed>(&env, 2).await;
    publish(&env, &[takes(&first(2), ("posted", 50, 700), 800, WITHIN)]).await;
    drained::<AccrualAssessed>(&env, REVERSED).await;
    publish(&env, &[second(1), second(1), second(2), first(3), second(3)]).await;
    published::<AccrualAssessed>(&env, 6).await;
    drained::<AccrualAssessed>(&env, DURABLE).await;
    let had = "select count(*) from participation where document like 'B%' and campaign = 'posted' and points = 1500";
    assert_eq!(number(&env, had).await, 3);
    let third =
        number(&env, "select coalesce(sum(points), 0)::bigint from participation where document = 'A3' and campaign = 'posted'").await;
    let gone = |member: u128, points| takes(&first(member), ("posted", 100 + member, points), 0, WITHIN);
    let rest = takes(&first(2), ("posted", 51, 800), 0, WITHIN);
    publish(&env, shuffled(&[gone(1, 1_500), rest, gone(3, third)], 3)).await;
    drained::<AccrualAssessed>(&env, REVERSED).await;
    assert_eq!(number(&env, "select granted from budget where campaign = 'posted'").await, 4_500);
    assert_eq!(number(&env, "select count(*) from member_share where granted = 1500").await, 3);
    assert_eq!(number(&env, "select sum(points)::bigint from returned where campaign = 'posted'").await, 3_000 + third);
    assert_eq!(number(&env, "select granted from budget where campaign = 'later'").await, 300);
    assert_eq!(number(&env, "select sum(points)::bigint from deferred where document like 'A%'").await, 0);
    assert_eq!(number(&env, "select sum(points)::bigint from deferred").await, 300);
    assert_eq!(number(&env, "select count(*) from corrected where ahead <> '{}'").await, 0);
    // The second one's own correction returns as any.
    publish(&env, &[takes(&second(1), ("posted", 70, 1_500), 0, WITHIN)]).await;
    drained::<AccrualAssessed>(&env, REVERSED).await;
    assert_eq!(number(&env, "select granted from budget where campaign = 'posted'").await, 3_000);
    assert_eq!(number(&env, "select count(*) from dead_letter").await, 0);
    for copy in copies {
        assert!(copy.stop().await);
    }
}
