//! The hard stop: several copies never overrun a budget, and its end is said once.

use jifen_contracts::{
    endpoint::{CampaignReport, Empty},
    event::{AccrualAssessed, BudgetExhausted, Earned},
};
use jifen_kernel::Points;
use jifen_runtime::ask;
use jifen_testkit::bus::{drained, publish, published, shuffled};
use serde_json::json;

use crate::support::{DURABLE, copy, earned, many, number, program, read, surroundings};

#[tokio::test(flavor = "multi_thread")]
async fn copies_together_grant_a_budget_to_the_last_point_and_no_further() {
    let env = surroundings().await;
    let rules = [program(1, &[json!({ "code": "limited", "factor": "2", "budget": 12_345 }), json!({ "code": "half", "factor": "1.5" })])];
    let events = many(600);
    publish(&env, shuffled(&events, 2)).await;
    let copies = [copy(&env, 10, &rules).await, copy(&env, 10, &rules).await];
    let answers = drained::<AccrualAssessed>(&env, DURABLE).await;
    assert_eq!(answers.len(), 600);
    let granted = |campaign: &str| -> Vec<i64> {
        let bonuses = answers.iter().flat_map(|event| &event.data.bonuses);
        bonuses.filter(|bonus| bonus.campaign.as_str() == campaign).map(|bonus| bonus.points.0).collect()
    };
    // 123 whole grants and one that is cut; everybody after that gets the next best campaign.
    assert_eq!(granted("limited").iter().sum::<i64>(), 12_345);
    assert_eq!(granted("limited").len(), 124);
    assert_eq!(granted("limited").iter().filter(|points| **points != 100).collect::<Vec<_>>(), [&45]);
    assert_eq!(granted("half"), vec![50; 600 - 124]);
    assert_eq!(number(&env, "select granted from budget where campaign = 'limited'").await, 12_345);
    assert_eq!(number(&env, "select count(*) from budget").await, 1, "a campaign without a budget has no shared row");
    let exhausted = drained::<BudgetExhausted>(&env, DURABLE).await;
    assert_eq!(exhausted.len(), 1, "said once");
    assert_eq!((exhausted[0].data.version, exhausted[0].data.budget), (1, Points(12_345)));
    assert_eq!(number(&env, "select count(*) from dead_letter").await, 0);
    for copy in copies {
        assert!(copy.stop().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_of_a_campaign_share_what_was_granted() {
    let env = surroundings().await;
    let version = |version, budget| program(version, &[json!({ "code": "limited", "factor": "2", "budget": budget })]);
    let campaign = copy(&env, 500, &[version(1, 1_000), version(2, 1_500)]).await;
    let of = |document, version| Earned { program_version: version, ..earned(document, 1, &[("maintenance", 800)]) };
    publish(&env, &[of("R1", 1), of("R2", 1), of("R3", 2), of("R4", 1), of("R5", 2)]).await;
    let answers = published::<AccrualAssessed>(&env, 5).await;
    let bonuses: Vec<String> = answers.iter().map(|event| read(&event.data).1.join(" ")).collect();
    let bonus = |version, points| format!("limited@{version} maintenance x20000 {points}");
    assert_eq!(bonuses, [bonus(1, 800), bonus(1, 200), bonus(2, 500), String::new(), String::new()]);
    let exhausted = drained::<BudgetExhausted>(&env, DURABLE).await;
    let ends: Vec<_> = exhausted.iter().map(|event| (event.data.version, event.data.budget.0)).collect();
    assert_eq!(ends, [(1, 1_000), (2, 1_500)], "each limit has its own last point");
    let report = ask::<CampaignReport>(&env.nats("local").await, &Empty {}).await.expect("report").campaigns;
    let figures: Vec<_> = report.iter().map(|of| (of.version, of.bonuses, of.points.0, of.budget.map(|budget| budget.0))).collect();
    assert_eq!(figures, [(1, 2, 1_000, Some(1_000)), (2, 1, 500, Some(1_500))]);
    assert!(campaign.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accrual_locks_no_budget_that_it_can_not_draw_on() {
    let env = surroundings().await;
    let campaigns = [
        json!({ "code": "free", "factor": "3" }),
        json!({ "code": "behind", "factor": "2", "budget": 1_000 }),
        json!({ "code": "elsewhere", "factor": "5", "budget": 1_000, "stores": ["SH02"] }),
    ];
    // Somebody holds the whole table for as long as the test lasts.
    let mut holder = env.admin_pool().begin().await.expect("transaction");
    sqlx::raw_sql("lock table campaign.budget in access exclusive mode").execute(&mut *holder).await.expect("lock");
    let campaign = copy(&env, 500, &[program(1, &campaigns)]).await;
    publish(&env, &[earned("R1", 1, &[("maintenance", 100)])]).await;
    assert_eq!(read(&published::<AccrualAssessed>(&env, 1).await[0].data).1, ["free@1 maintenance x30000 200"]);
    holder.rollback().await.expect("rollback");
    assert!(campaign.stop().await);
}
