//! Every accrual is answered once, whatever happens to the messages.

use std::collections::BTreeSet;

use jifen_contracts::{
    endpoint::{CampaignReport, Empty},
    event::{AccrualAssessed, CategoryBase, Earned},
};
use jifen_kernel::Points;
use jifen_runtime::ask;
use jifen_testkit::{
    bus::{drained, publish, published, shuffled},
    statements,
};
use serde_json::json;

use crate::support::{DURABLE, copy, earned, many, number, program, read, surroundings};

#[tokio::test(flavor = "multi_thread")]
async fn every_accrual_gets_one_answer_also_none() {
    let env = surroundings().await;
    let campaigns = [json!({ "code": "double_week", "factor": "2" }), json!({ "code": "parts", "factor": "3", "categories": ["parts"] })];
    let campaign = copy(&env, 500, &[program(1, &campaigns)]).await;
    let later = Earned { business_date: "2026-10-08".parse().expect("date"), ..earned("R2", 2, &[("maintenance", 1_500)]) };
    let two = earned("R3", 1, &[("maintenance", 733), ("parts", 120), ("vehicle", 0)]);
    publish(&env, &[earned("R1", 1, &[("maintenance", 1_500)]), later, two, earned("R4", 1, &[])]).await;
    let answers = published::<AccrualAssessed>(&env, 4).await;
    let read: Vec<_> = answers.iter().map(|event| read(&event.data)).collect();
    assert_eq!(
        read,
        [
            ("R1".to_owned(), vec!["double_week@1 maintenance x20000 1500".to_owned()]),
            ("R2".to_owned(), vec![]),
            ("R3".to_owned(), vec!["double_week@1 maintenance x20000 733".to_owned(), "parts@1 parts x30000 240".to_owned()]),
            ("R4".to_owned(), vec![]),
        ]
    );
    assert!(answers.iter().all(|event| event.causationid.is_some() && event.storeid.as_deref() == Some("SH01")));

    let report = ask::<CampaignReport>(&env.nats("local").await, &Empty {}).await.expect("report").campaigns;
    let figures: Vec<_> = report.iter().map(|of| (of.code.as_str(), of.version, of.bonuses, of.members, of.points.0, of.budget)).collect();
    assert_eq!(figures, [("double_week", 1, 2, 1, 2_233, None), ("parts", 1, 1, 1, 240, None)]);
    assert!(campaign.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_may_come_often_in_any_order_and_to_any_copy() {
    let env = surroundings().await;
    let rules = [program(1, &[json!({ "code": "double_week", "factor": "2" }), json!({ "code": "half", "factor": "1.5" })])];
    let events = many(200);
    publish(&env, shuffled(&events, 3)).await;
    let copies = [copy(&env, 16, &rules).await, copy(&env, 16, &rules).await];
    let answers = drained::<AccrualAssessed>(&env, DURABLE).await;
    let expected = events.iter().map(|event| (event.document.clone(), vec!["double_week@1 maintenance x20000 100".to_owned()]));
    assert_eq!(answers.len(), 200, "one answer each");
    assert_eq!(answers.iter().map(|event| read(&event.data)).collect::<BTreeSet<_>>(), expected.collect());
    assert_eq!(number(&env, "select count(*) from assessment").await, 200);
    assert_eq!(number(&env, "select sum(points)::bigint from participation").await, 20_000);
    assert_eq!(number(&env, "select count(*) from dead_letter").await, 0);
    for copy in copies {
        assert!(copy.stop().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_unknown_yet_waits_and_a_broken_accrual_stands_alone() {
    let env = surroundings().await;
    let campaign = copy(&env, 500, &[program(1, &[])]).await;
    let early = Earned { program_version: 2, ..earned("R1", 1, &[("maintenance", 100)]) };
    let mut broken = earned("R2", 1, &[("maintenance", 100)]);
    broken.categories.push(CategoryBase { base: Points(1), ..broken.categories[0].clone() });
    publish(&env, &[early, broken, earned("R3", 1, &[("maintenance", 100)])]).await;
    assert_eq!(read(&published::<AccrualAssessed>(&env, 1).await[0].data), ("R3".to_owned(), vec![]));
    campaign.cx().programs.learn([program(2, &[json!({ "code": "double_week", "factor": "2" })])]);
    let answers = drained::<AccrualAssessed>(&env, DURABLE).await;
    assert_eq!(answers.len(), 2);
    assert_eq!(read(&answers[1].data), ("R1".to_owned(), vec!["double_week@2 maintenance x20000 100".to_owned()]));
    assert_eq!(number(&env, "select count(*) from dead_letter").await, 1);
    assert!(campaign.stop().await);
}

#[tokio::test]
async fn statements_grow_neither_with_the_batch_nor_with_the_campaigns() {
    let env = surroundings().await;
    // A hundred that are open at once, each with a budget: one statement locks them all.
    let mut campaigns: Vec<_> = (0..99).map(|n| json!({ "code": format!("limited{n}"), "factor": "3", "budget": 1_000_000 })).collect();
    campaigns.push(json!({ "code": "free", "factor": "2" }));
    let rules = [program(1, &campaigns)];
    publish(&env, &many(400)).await;
    statements::count();
    let campaign = copy(&env, 500, &rules).await;
    assert_eq!(drained::<AccrualAssessed>(&env, DURABLE).await.len(), 400);
    assert!(campaign.stop().await);
    // One claim a batch.
    let batches = statements::of("insert into assessment");
    assert!((1..=10).contains(&batches), "{:?}", statements::counted());
    for statement in ["insert into budget", "select campaign, granted from", "insert into participation", "update budget"] {
        assert_eq!(statements::of(statement), batches, "{statement}: {:?}", statements::counted());
    }
    assert!(statements::of("with rows as") <= batches, "the outbox: {:?}", statements::counted());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_runtime_role_can_neither_change_nor_remove_what_was_granted() {
    let env = surroundings().await;
    let pool = env.pool("campaign");
    for forbidden in [
        "update assessment set store = ''",
        "delete from assessment",
        "update participation set points = 1",
        "delete from participation",
        "truncate participation",
        "delete from budget",
    ] {
        let refused = sqlx::raw_sql(forbidden).execute(&pool).await.expect_err(forbidden);
        assert_eq!(refused.as_database_error().and_then(|error| error.code().map(String::from)).as_deref(), Some("42501"), "{forbidden}");
    }
}
