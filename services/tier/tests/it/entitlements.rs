//! Countable benefits at stores: used one by one, never once too often, taken back once.

use futures_util::future::join_all;
use jifen_contracts::{
    Problem, code,
    endpoint::{
        EntitlementUndo, EntitlementUndoRequest, EntitlementUse, EntitlementUseReply, EntitlementUseRequest, MemberRequest, StandingGet,
    },
    event::{EntitlementUsed, TierUpgraded},
};
use jifen_runtime::ask;
use jifen_testkit::{
    TestEnv,
    bus::{all_published, drained, publish},
};

use crate::support::{DURABLE, annual, copy, number, spent, surroundings};

async fn wash(
    nats: &async_nats::Client,
    operation: &str,
    store: &str,
    member_no: &str,
    benefit: &str,
) -> Result<EntitlementUseReply, Problem> {
    let request = EntitlementUseRequest {
        operation_id: operation.to_owned(),
        store: store.to_owned(),
        member_no: member_no.to_owned(),
        benefit: benefit.to_owned(),
        document: None,
    };
    ask::<EntitlementUse>(nats, &request).await
}

async fn undo(nats: &async_nats::Client, operation: &str, store: &str, of: &EntitlementUseReply) -> Result<EntitlementUseReply, Problem> {
    let request = EntitlementUndoRequest { operation_id: operation.to_owned(), store: store.to_owned(), use_id: of.use_id };
    ask::<EntitlementUndo>(nats, &request).await
}

async fn left(env: &TestEnv, nats: &async_nats::Client) -> u32 {
    let standing = ask::<StandingGet>(nats, &MemberRequest { member_no: "M1".to_owned() }).await.expect("standing");
    assert!(number(env, "select count(*) from entitlement where used > count").await == 0);
    standing.entitlements.iter().find(|one| one.benefit == "wash").expect("washes").left
}

fn refused(answer: Result<EntitlementUseReply, Problem>) -> String {
    answer.expect_err("refused").code
}

#[tokio::test(flavor = "multi_thread")]
async fn two_copies_and_many_stores_give_six_washes_and_not_a_seventh() {
    let env = surroundings().await;
    let copies = [copy(&env, 500, &[annual(1)]).await, copy(&env, 500, &[annual(1)]).await];
    publish(&env, &[spent("R1", 1, "2026-11-01", "5000")]).await;
    assert_eq!(drained::<TierUpgraded>(&env, DURABLE).await.len(), 1);
    let nats = env.nats("local").await;
    let operations: Vec<String> = (0..24).map(|number| format!("op-{number}")).collect();
    let answers = join_all(operations.iter().map(|operation| wash(&nats, operation, "SH01", "M1", "wash"))).await;
    let given: Vec<&EntitlementUseReply> = answers.iter().flatten().collect();
    assert_eq!(given.len(), 6);
    let mut counts: Vec<u32> = given.iter().map(|one| one.left).collect();
    counts.sort_unstable();
    assert_eq!(counts, [0, 1, 2, 3, 4, 5]);
    assert!(answers.iter().filter_map(|answer| answer.as_ref().err()).all(|problem| problem.code == code::TIER_ENTITLEMENT_EXHAUSTED.code));
    // Every repeat gets its own answer again.
    let repeated = join_all(operations.iter().map(|operation| wash(&nats, operation, "SH01", "M1", "wash"))).await;
    assert_eq!(repeated, answers);
    assert_eq!(left(&env, &nats).await, 0);

    // Taken back by the store that gave it, once, whoever asks at the same time.
    let one = given[0];
    assert_eq!(refused(undo(&nats, "u-0", "SH02", one).await), code::TIER_USE_UNKNOWN.code);
    let undos: Vec<String> = (1..=8).map(|number| format!("u-{number}")).collect();
    let undone = join_all(undos.iter().map(|operation| undo(&nats, operation, "SH01", one))).await;
    assert_eq!(undone.iter().flatten().map(|reply| reply.left).collect::<Vec<_>>(), [1]);
    assert!(undone.iter().filter_map(|answer| answer.as_ref().err()).all(|problem| problem.code == code::TIER_USE_UNDONE.code));
    assert_eq!(left(&env, &nats).await, 1);
    let last = join_all(["l-1", "l-2"].map(|operation| wash(&nats, operation, "SH01", "M1", "wash"))).await;
    assert_eq!(last.iter().flatten().count(), 1);

    all_published(&env, "tier").await;
    let used = drained::<EntitlementUsed>(&env, DURABLE).await;
    assert_eq!((used.len(), used.iter().filter(|event| event.data.undone).count()), (8, 1));
    for copy in copies {
        assert!(copy.stop().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_refused_by_name() {
    let env = surroundings().await;
    let tier = copy(&env, 500, &[annual(1)]).await;
    publish(&env, &[spent("R1", 1, "2026-11-01", "5000")]).await;
    drained::<TierUpgraded>(&env, DURABLE).await;
    let nats = env.nats("local").await;
    assert_eq!(refused(wash(&nats, "a", "SH01", "M1", "lounge").await), code::TIER_ENTITLEMENT_UNKNOWN.code);
    assert_eq!(refused(wash(&nats, "b", "SH09", "M1", "wash").await), code::TIER_UNKNOWN_STORE.code);
    assert_eq!(refused(wash(&nats, "c", "SH01", "M\0", "wash").await), code::MEMBER_UNKNOWN.code);
    // A store's own user asks at its own subject, and for itself alone.
    let store = env.nats("SH01").await;
    let request = serde_json::json!({ "operation_id": "d", "member_no": "M1", "benefit": "wash" }).to_string();
    let reply = store.request("api.tier.entitlement.use.SH01", request.into()).await.expect("an answer");
    let reply: EntitlementUseReply = serde_json::from_slice(&reply.payload).expect("a wash");
    assert_eq!(reply.left, 5);
    sqlx::raw_sql("update tier.entitlement set valid_until = '2026-01-01'").execute(env.admin_pool()).await.expect("aged");
    assert_eq!(refused(wash(&nats, "e", "SH01", "M1", "wash").await), code::TIER_ENTITLEMENT_EXPIRED.code);
    assert_eq!(refused(undo(&nats, "f", "SH01", &reply).await), code::TIER_ENTITLEMENT_EXPIRED.code);
    assert!(tier.stop().await);
}
