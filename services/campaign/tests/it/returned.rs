//! What corrections take back returns to budget and cap while the campaign runs: once, whatever comes first.

use chrono::{DateTime, Utc};
use jifen_contracts::{
    endpoint::{CampaignReport, Empty},
    event::{AccrualAssessed, AccrualSource, Balance, CorrectionKind, Earned, EntryKind, Reversed, ReversedEntry},
};
use jifen_kernel::Points;
use jifen_runtime::ask;
use jifen_testkit::{
    bus::{drained, publish, published, shuffled},
    statements,
};
use serde_json::json;
use uuid::Uuid;

use crate::support::{copy, earned, number, program, read, surroundings};

pub const REVERSED: &str = "campaign_reversed";

/// A refund that takes so many points of a bonus back, and some base with it.
pub fn reversed(of: &Earned, campaign: &str, entry: u128, points: i64, at: &str) -> Reversed {
    let at: DateTime<Utc> = at.parse().expect("instant");
    let taken = |id, kind, rule: &str, points| ReversedEntry {
        entry_id: Uuid::from_u128(id),
        reverses: Uuid::from_u128(7),
        kind,
        rule: rule.to_owned(),
        category: None,
        points: Points(points),
        qualifying: true,
        pending: false,
        breakage_of: None,
        accrual: None,
    };
    Reversed {
        correction: CorrectionKind::Refund,
        number: Some(format!("C{entry}")),
        source: AccrualSource::Invoice,
        store: of.store.clone(),
        document: of.document.clone(),
        member_id: of.member_id,
        member_no: of.member_no.clone(),
        at,
        business_date: of.business_date,
        entries: vec![
            taken(entry + 1_000_000, EntryKind::Accrual, "earn@1", points),
            taken(entry, EntryKind::Bonus, &format!("campaign:{campaign}@1"), points),
        ],
        paid: Vec::new(),
        left: Vec::new(),
        vehicle: None,
        visit_lost: false,
        paid_visit_lost: false,
        balance: Balance::default(),
    }
}

/// Exact default 17: a revoked bonus returns to the budget while the campaign runs.
#[tokio::test(flavor = "multi_thread")]
async fn a_bonus_that_was_taken_back_can_be_granted_again_while_the_campaign_runs() {
    let env = surroundings().await;
    let rules = program(1, &[json!({ "code": "limited", "factor": "2", "budget": 1_000, "member_cap": 800 })]);
    let campaign = copy(&env, 500, &[rules]).await;
    let (first, second) = (earned("R1", 1, &[("maintenance", 1_500)]), earned("R2", 2, &[("maintenance", 1_500)]));
    publish(&env, &[first.clone(), second.clone()]).await;
    let answers = published::<AccrualAssessed>(&env, 2).await;
    let granted: Vec<i64> = answers.iter().map(|event| event.data.bonuses[0].points.0).collect();
    assert_eq!(granted, [800, 200], "the cap, then what is left");
    // Two corrections of one bonus, the first of them said twice: 300 and 100 come back on the last day, local time.
    let last_day = "2026-10-07T15:59:59Z";
    publish(&env, &[reversed(&first, "limited", 1, 300, last_day), reversed(&first, "limited", 1, 300, last_day)]).await;
    publish(&env, &[reversed(&first, "limited", 2, 100, last_day)]).await;
    drained::<AccrualAssessed>(&env, REVERSED).await;
    assert_eq!(number(&env, "select granted from budget").await, 600);
    assert_eq!(number(&env, "select max(granted) from member_share").await, 400);
    publish(&env, &[earned("R3", 1, &[("maintenance", 1_500)])]).await;
    assert_eq!(read(&published::<AccrualAssessed>(&env, 3).await[2].data).1, ["limited@1 maintenance x20000 400"]);
    // What comes back after the last day is no budget any more, and still subtracted in the report.
    publish(&env, &[reversed(&second, "limited", 3, 200, "2026-10-07T16:00:00Z")]).await;
    drained::<AccrualAssessed>(&env, REVERSED).await;
    assert_eq!(number(&env, "select granted from budget").await, 1_000);
    let report = ask::<CampaignReport>(&env.nats("local").await, &Empty {}).await.expect("report").campaigns;
    assert_eq!((report[0].points, report[0].budget_left), (Points(800), Some(Points(0))));
    assert_eq!(number(&env, "select count(*) from dead_letter").await, 0);
    assert!(campaign.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn corrections_may_come_often_in_any_order_and_to_any_copy() {
    let env = surroundings().await;
    let rules = [program(1, &[json!({ "code": "limited", "factor": "2", "budget": 100_000 }), json!({ "code": "free", "factor": "1.5" })])];
    let invoices: Vec<Earned> = (0..200).map(|i| earned(&format!("R{i:03}"), i % 7, &[("maintenance", 100)])).collect();
    publish(&env, &invoices).await;
    let copies = [copy(&env, 16, &rules).await, copy(&env, 16, &rules).await];
    drained::<AccrualAssessed>(&env, "campaign_earned").await;
    let at = "2026-10-02T04:00:00Z";
    let mut corrections: Vec<Reversed> = (0..).zip(&invoices).map(|(i, of)| reversed(of, "limited", 1_000 + i, 30, at)).collect();
    corrections.extend((0..).zip(&invoices[..50]).map(|(i, of)| reversed(of, "limited", 5_000 + i, 70, at)));
    // Of a campaign without a budget, and of one that nobody knows any more.
    corrections.push(reversed(&invoices[0], "free", 9_000, 50, at));
    corrections.push(reversed(&invoices[0], "gone", 9_001, 50, at));
    publish(&env, shuffled(&corrections, 2)).await;
    drained::<AccrualAssessed>(&env, REVERSED).await;
    assert_eq!(number(&env, "select granted from budget where campaign = 'limited'").await, 20_000 - 200 * 30 - 50 * 70);
    assert_eq!(number(&env, "select count(*) from budget").await, 1);
    assert_eq!(number(&env, "select count(*) from returned").await, 252);
    assert_eq!(number(&env, "select count(*) from dead_letter").await, 0);
    for copy in copies {
        assert!(copy.stop().await);
    }
}

#[tokio::test]
async fn what_comes_back_costs_the_same_statements_however_much_it_is() {
    let env = surroundings().await;
    let rules = [program(1, &[json!({ "code": "limited", "factor": "2", "budget": 100_000, "member_cap": 5_000 })])];
    let invoices: Vec<Earned> = (0..100).map(|i| earned(&format!("R{i:03}"), i, &[("maintenance", 100)])).collect();
    publish(&env, &invoices).await;
    let campaign = copy(&env, 500, &rules).await;
    drained::<AccrualAssessed>(&env, "campaign_earned").await;
    assert!(campaign.stop().await);
    let at = "2026-10-02T04:00:00Z";
    publish(&env, &(0..).zip(&invoices).map(|(i, of)| reversed(of, "limited", 1_000 + i, 30, at)).collect::<Vec<_>>()).await;
    statements::count();
    let campaign = copy(&env, 500, &rules).await;
    drained::<AccrualAssessed>(&env, REVERSED).await;
    assert!(campaign.stop().await);
    let batches = statements::of("insert into returned");
    assert!((1..=5).contains(&batches), "{:?}", statements::counted());
    assert_eq!(statements::of("update budget b"), batches, "{:?}", statements::counted());
    assert_eq!(statements::of("update member_share s"), batches, "{:?}", statements::counted());
    assert_eq!(number(&env, "select granted from budget").await, 7_000);
}
