//! Ladders that ask for more than points, registrations and activations, and what staff decides.

use jifen_contracts::{
    Problem, code,
    endpoint::{MemberStatus, StandingGet, StandingReply, TierApprove, TierGiftReply, TierGiftRequest, TierInvite},
    event::{AccrualSettled, AccrualSource, EntitlementGranted, MemberActivated, MemberRegistered, TierUpgraded, VehicleSold},
    program::{AppliedProgram, TierValue},
};
use jifen_kernel::Points;
use jifen_runtime::ask;
use jifen_testkit::{
    TestEnv,
    bus::{drained, publish, publish_times, shuffled},
    statements,
};

use crate::support::{
    DURABLE, activated, annual, copy, handbook, number, preset, registered, settled, sold, spent, surroundings, without_run,
};

const REGISTERED: &str = "tier_member_registered";
const ACTIVATED: &str = "tier_member_activated";
const SOLD: &str = "tier_vehicle_sold";

async fn standing(env: &TestEnv, member_no: &str) -> StandingReply {
    let who = jifen_contracts::endpoint::MemberRequest { member_no: member_no.to_owned() };
    ask::<StandingGet>(&env.nats("local").await, &who).await.expect("standing")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_stands_lowest_and_has_what_that_brings() {
    let env = surroundings().await;
    let tier = copy(&env, 500, &[annual(1)]).await;
    publish_times(&env, &[registered(1, MemberStatus::Active)], 3).await;
    drained::<TierUpgraded>(&env, REGISTERED).await;
    let silver = standing(&env, "M1").await;
    assert_eq!((silver.tier.as_str(), silver.entitlements.len(), silver.year), ("silver", 1, None));
    assert_eq!((silver.entitlements[0].benefit.as_str(), silver.entitlements[0].left), ("inspection", 1));
    assert_eq!(drained::<EntitlementGranted>(&env, REGISTERED).await.len(), 1);
    let ways = silver.next.expect("gold").missing.any;
    assert!(matches!(ways[0].all[0].value, TierValue::Amount(amount) if amount.to_string() == "5000.00"));
    assert!(tier.stop().await);
}

/// Registered, something pending, activated: in any order and as often as one likes.
async fn activation(program: AppliedProgram, first: &str, to: &str, documents: [&str; 2]) {
    let env = surroundings().await;
    let tier = copy(&env, 500, &[program]).await;
    let pending = |document: &str, number| {
        let mut pending = AccrualSettled { ..spent(document, number, "2026-05-10", "6000") };
        pending.entries[0].pending = true;
        pending.entries[0].points = Points(6_000);
        pending
    };
    // M1 as it happens; M2 is heard of by its accrual; M3 is activated before anything else is heard.
    publish(&env, &[registered(1, MemberStatus::Registered)]).await;
    publish(&env, &[activated(3)]).await;
    drained::<TierUpgraded>(&env, REGISTERED).await;
    drained::<TierUpgraded>(&env, ACTIVATED).await;
    publish_times(&env, &[pending("R1", 1), pending("R2", 2), pending("R3", 3)], 2).await;
    let upgraded = drained::<TierUpgraded>(&env, DURABLE).await;
    assert_eq!(upgraded.len(), 1, "nothing is announced of who awaits activation");
    assert_eq!((upgraded[0].data.member_no.as_str(), upgraded[0].data.document.as_str()), ("M3", documents[0]));
    let waiting = standing(&env, "M1").await;
    assert_eq!((waiting.awaiting_activation, waiting.tier.as_str(), waiting.since), (true, first, None));
    assert_eq!((waiting.qualifying, waiting.entitlements.len()), (Points(6_000), 0));
    publish::<MemberRegistered>(&env, &[registered(2, MemberStatus::Registered), registered(3, MemberStatus::Registered)]).await;
    publish_times::<MemberActivated>(&env, &[activated(1), activated(2)], 2).await;
    drained::<TierUpgraded>(&env, REGISTERED).await;
    let upgraded = drained::<TierUpgraded>(&env, ACTIVATED).await;
    assert_eq!(upgraded.len(), 3);
    let of = |number: &str| upgraded.iter().find(|event| event.data.member_no == number).expect("announced");
    for number in ["M1", "M2"] {
        let event = of(number);
        assert_eq!((event.data.from.as_str(), event.data.to.as_str()), (first, to));
        assert_eq!((event.data.document.as_str(), event.data.ordinal), (documents[1], 1));
        assert!(!standing(&env, number).await.awaiting_activation);
    }
    assert!(tier.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pending_is_announced_with_the_activation_by_points() {
    activation(preset(), "regular", "silver", ["R3", "activation"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pending_is_announced_with_the_activation_by_spend() {
    activation(annual(1), "silver", "gold", ["R3", "activation"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cars_count_once_and_lift_at_once() {
    let env = surroundings().await;
    let tier = copy(&env, 500, &[handbook()]).await;
    publish_times::<VehicleSold>(&env, &[sold("S1", 1, "50000"), sold("S2", 2, "49999.99")], 3).await;
    let upgraded = drained::<TierUpgraded>(&env, SOLD).await;
    assert_eq!(upgraded.len(), 1);
    assert_eq!((upgraded[0].data.to.as_str(), upgraded[0].data.document.as_str()), ("silver", "S1"));
    assert_eq!(number(&env, "select count(*) from contribution").await, 2);
    assert!(tier.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_of_one_number_and_other_sources_are_different() {
    let env = surroundings().await;
    let tier = copy(&env, 500, &[preset()]).await;
    let as_source = |source| AccrualSettled { source, ..settled("X1", 1, 2_500) };
    let events = [AccrualSource::Invoice, AccrualSource::Interaction, AccrualSource::Grant].map(as_source);
    publish(&env, shuffled(&events, 2)).await;
    assert_eq!(drained::<TierUpgraded>(&env, DURABLE).await.len(), 1);
    assert_eq!(standing(&env, "M1").await.qualifying, Points(7_500));
    assert!(tier.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn visits_of_one_day_are_one_and_a_free_one_is_not_paid() {
    let env = surroundings().await;
    let tier = copy(&env, 500, &[preset()]).await;
    let vehicle = Some(jifen_contracts::KeyedHash("1:77".to_owned()));
    let bill = |document: &str, number, paid_visit| AccrualSettled { paid_visit, vehicle: vehicle.clone(), ..settled(document, number, 0) };
    publish(&env, &[bill("insurer", 1, false), bill("own", 1, true), bill("free", 2, false)]).await;
    drained::<TierUpgraded>(&env, DURABLE).await;
    for (who, expected) in [
        ("M1", vec![("visits", 1), ("visits_12m", 1), ("paid_visits", 1), ("paid_visits_12m", 1)]),
        ("M2", vec![("visits", 1), ("visits_12m", 1)]),
    ] {
        let metrics = standing(&env, who).await.metrics;
        let visits: Vec<(&str, i64)> =
            metrics.iter().map(|one| (one.metric.as_str(), one.value.units())).filter(|(metric, _)| metric.contains("visits")).collect();
        assert_eq!(visits, expected, "{who}");
    }
    assert!(tier.stop().await);
}

async fn approve(env: &TestEnv, operation: &str, member_no: &str, tier: &str, reason: &str) -> Result<TierGiftReply, Problem> {
    let text = ToOwned::to_owned;
    let request = TierGiftRequest { operation_id: text(operation), member_no: text(member_no), tier: text(tier), reason: text(reason) };
    ask::<TierApprove>(&env.nats("local").await, &request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_approves_with_a_reason_what_the_ladder_allows() {
    let env = surroundings().await;
    let tier = copy(&env, 500, &[handbook()]).await;
    publish(&env, &[registered(1, MemberStatus::Active)]).await;
    drained::<TierUpgraded>(&env, REGISTERED).await;
    for (tier, reason, expected) in
        [("gold", " ", code::TIER_BAD_REASON), ("silver", "车队采购", code::TIER_UNKNOWN), ("platinum", "车队采购", code::TIER_UNKNOWN)]
    {
        let refused = approve(&env, &format!("{tier}{}", reason.len()), "M1", tier, reason).await.expect_err("refused");
        assert_eq!(refused.code, expected.code, "{tier}");
    }
    for _ in 0..2 {
        assert_eq!(approve(&env, "op-1", "M1", "gold", "车队采购二十台").await.expect("approved").tier, "gold");
    }
    let upgraded = drained::<TierUpgraded>(&env, REGISTERED).await;
    assert_eq!(upgraded.len(), 1);
    assert_eq!((upgraded[0].data.to.as_str(), upgraded[0].data.document.as_str()), ("gold", "op-1"));
    assert_eq!(number(&env, "select count(*) from gift where reason = '车队采购二十台'").await, 1);
    let invite = TierGiftRequest { operation_id: "op-2".into(), member_no: "M1".into(), tier: "gold".into(), reason: "x".into() };
    let refused = ask::<TierInvite>(&env.nats("local").await, &invite).await.expect_err("not by invitation");
    assert_eq!(refused.code, code::TIER_UNKNOWN.code);
    assert!(tier.stop().await);
}

#[tokio::test]
async fn a_ladder_of_spend_costs_a_batch_one_statement_more() {
    let env = surroundings().await;
    let events: Vec<AccrualSettled> = (0..400).map(|i| spent(&format!("R{i:03}"), i % 200, "2026-10-01", "100")).collect();
    publish(&env, &events).await;
    without_run(&env).await;
    statements::count();
    let tier = copy(&env, 500, &[annual(1)]).await;
    drained::<TierUpgraded>(&env, DURABLE).await;
    assert!(tier.stop().await);
    let batches = statements::of("insert into contribution");
    assert!((1..=10).contains(&batches), "{:?}", statements::counted());
    assert_eq!(statements::of("select c.member_id, c.source, c.store,"), batches, "{:?}", statements::counted());
    assert_eq!(statements::of("update standing s set"), batches, "{:?}", statements::counted());
}
