//! Every accrual counts once, whatever happens to the messages.

use std::collections::BTreeMap;

use jifen_contracts::event::{AccrualSettled, TierUpgraded};
use jifen_kernel::Points;
use jifen_testkit::{
    bus::{drained, publish, published, shuffled},
    statements,
};

use crate::support::{DURABLE, copy, member, number, preset, program, settled, surroundings, without_run};

#[tokio::test(flavor = "multi_thread")]
async fn the_five_thousandth_point_is_silver() {
    let env = surroundings().await;
    let tier = copy(&env, 500, &[preset()]).await;
    publish(&env, &[settled("R1", 1, 4_999), settled("R2", 2, 60_000), settled("R3", 1, 0), settled("R4", 1, 1)]).await;
    let upgrades = drained::<TierUpgraded>(&env, DURABLE).await;
    let steps: Vec<_> = upgrades
        .iter()
        .map(|event| (event.data.document.as_str(), event.data.from.as_str(), event.data.to.as_str(), event.data.ordinal))
        .collect();
    assert_eq!(steps, [("R2", "regular", "diamond", 1), ("R4", "regular", "silver", 1)]);
    let silver = &upgrades[1];
    assert_eq!((silver.data.member_id, silver.data.member_no.as_str(), silver.data.program_version), (member(1), "M1", 1));
    assert_eq!(silver.sequence.as_deref(), Some("00000000000000000001"));
    assert_eq!(silver.storeid.as_deref(), Some("SH01"));
    assert!(silver.causationid.is_some());
    let facts = "select count(*) from contribution where visit and paid_visit and paid_fen = '{\"maintenance\": 80000}'";
    assert_eq!(number(&env, facts).await, 4);
    assert!(tier.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_may_come_often_in_any_order_and_to_any_copy() {
    let env = surroundings().await;
    let members = 7;
    let events: Vec<AccrualSettled> =
        (0..300).map(|i| settled(&format!("R{i:03}"), i % members, 400 + 3 * i64::try_from(i).expect("small"))).collect();
    publish(&env, shuffled(&events, 3)).await;
    let copies = [copy(&env, 16, &[preset()]).await, copy(&env, 16, &[preset()]).await];
    let upgrades = drained::<TierUpgraded>(&env, DURABLE).await;

    assert_eq!(number(&env, "select count(*) from contribution").await, 300);
    assert_eq!(
        number(&env, "select sum(qualifying)::bigint from standing").await,
        events.iter().map(|event| event.qualifying().0).sum::<i64>()
    );
    let differing =
        "select count(*) from standing s where qualifying <> (select sum(qualifying) from contribution c where c.member_id = s.member_id)";
    assert_eq!(number(&env, differing).await, 0);
    // Each has over 20,000 points and fewer than 50,000: two steps, or one over both, in a chain without a gap.
    assert_eq!(number(&env, "select count(*) from standing where tier = 'gold'").await, 7);
    let mut chains: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for event in &upgrades {
        chains.entry(event.data.member_id).or_default().push((event.data.ordinal, event.data.from.to_string(), event.data.to.to_string()));
    }
    assert_eq!(chains.len(), 7);
    for mut chain in chains.into_values() {
        // Events of two copies may stand in the stream in another order than the commits.
        chain.sort_unstable();
        assert_eq!((chain[0].0, chain[0].1.as_str()), (1, "regular"));
        assert!(chain.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1 && pair[1].1 == pair[0].2), "{chain:?}");
        assert_eq!(chain.last().map(|step| step.2.as_str()), Some("gold"));
    }
    assert_eq!(number(&env, "select count(*) from dead_letter").await, 0);
    for copy in copies {
        assert!(copy.stop().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_unknown_yet_waits_and_a_broken_accrual_stands_alone() {
    let env = surroundings().await;
    let tier = copy(&env, 500, &[preset()]).await;
    let early = AccrualSettled { program_version: 2, ..settled("R1", 1, 3_000) };
    publish(&env, &[early, settled("R2", 1, -1), settled("R3", 2, 5_000)]).await;
    assert_eq!(published::<TierUpgraded>(&env, 1).await[0].data.document, "R3");
    // The ladder of version 2 asks for less.
    tier.cx().programs.learn([program(2, &[("regular", "普通", 0), ("silver", "银卡", 3_000)])]);
    let upgrades = drained::<TierUpgraded>(&env, DURABLE).await;
    assert_eq!(upgrades.len(), 2);
    assert_eq!((upgrades[1].data.document.as_str(), upgrades[1].data.program_version), ("R1", 2));
    assert_eq!(number(&env, "select count(*) from dead_letter").await, 1);
    assert!(tier.stop().await);
}

#[tokio::test]
async fn statements_do_not_grow_with_the_batch() {
    let env = surroundings().await;
    let events: Vec<AccrualSettled> = (0..400).map(|i| settled(&format!("R{i:03}"), i % 200, 3_000)).collect();
    publish(&env, &events).await;
    without_run(&env).await;
    statements::count();
    let tier = copy(&env, 500, &[preset()]).await;
    assert_eq!(drained::<TierUpgraded>(&env, DURABLE).await.len(), 200);
    assert!(tier.stop().await);
    let batches = statements::of("insert into contribution");
    assert!((1..=10).contains(&batches), "{:?}", statements::counted());
    assert_eq!(statements::of("update standing"), batches, "{:?}", statements::counted());
    // Standings are locked once more where some are opened.
    let opened = statements::of("insert into standing");
    assert!((1..=batches).contains(&opened), "{:?}", statements::counted());
    assert_eq!(statements::of("select member_id, qualifying, tier,"), batches + opened, "{:?}", statements::counted());
    assert!(statements::of("with rows as") <= batches, "the outbox: {:?}", statements::counted());
    assert_eq!(number(&env, "select max(qualifying) from standing").await, Points(6_000).0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_runtime_role_can_neither_change_nor_remove_what_was_counted() {
    let env = surroundings().await;
    let pool = env.pool("tier");
    for forbidden in ["update contribution set qualifying = 1", "delete from contribution", "truncate contribution", "delete from standing"]
    {
        let refused = sqlx::raw_sql(forbidden).execute(&pool).await.expect_err(forbidden);
        assert_eq!(refused.as_database_error().and_then(|error| error.code().map(String::from)).as_deref(), Some("42501"), "{forbidden}");
    }
}
