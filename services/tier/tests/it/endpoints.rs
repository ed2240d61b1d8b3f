//! What members' standings answer.

use async_nats::HeaderMap;
use chrono::DateTime;
use futures_util::StreamExt;
use jifen_contracts::{
    Problem, code,
    endpoint::{
        AnnounceRequest, Empty, Endpoint, MemberGet, MemberReply, MemberRequest, MemberStatus, StandingGet, StandingReply, TierAnnounce,
        TierCounts,
    },
    event::{TierStanding, TierUpgraded},
};
use jifen_kernel::Points;
use jifen_runtime::ask;
use jifen_testkit::{
    TestEnv,
    bus::{drained, publish},
};

use crate::support::{DURABLE, copy, member, preset, program, settled, surroundings};

async fn standing(env: &TestEnv, member_no: &str) -> Result<StandingReply, Problem> {
    ask::<StandingGet>(&env.nats("local").await, &MemberRequest { member_no: member_no.to_owned() }).await
}

fn next(standing: &StandingReply) -> Option<(&str, i64)> {
    standing.next.as_ref().map(|next| (next.tier.as_str(), next.missing.points.0))
}

/// Answers in place of member: M9 is registered and has earned nothing, everybody else is unknown.
async fn stand_in_for_member(env: &TestEnv) {
    let nats = env.nats("member").await;
    let mut requests = nats.subscribe(MemberGet::SUBJECT).await.expect("subscription");
    nats.flush().await.expect("flush");
    tokio::spawn(async move {
        while let Some(request) = requests.next().await {
            let asked: MemberRequest = serde_json::from_slice(&request.payload).expect("request");
            let mut headers = HeaderMap::new();
            let body = if asked.member_no == "M9" {
                serde_json::to_vec(&MemberReply {
                    member_id: member(9),
                    member_no: asked.member_no,
                    status: MemberStatus::Active,
                    store: "SH01".to_owned(),
                    registered_at: DateTime::UNIX_EPOCH,
                    name_masked: "*".to_owned(),
                    phone_masked: "*".to_owned(),
                    vehicles: 0,
                })
            } else {
                headers.insert(async_nats::service::NATS_SERVICE_ERROR_CODE, "404");
                serde_json::to_vec(&Problem::new(code::MEMBER_UNKNOWN))
            };
            let to = request.reply.expect("reply");
            nats.publish_with_headers(to, headers, body.expect("json").into()).await.expect("reply");
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standing_says_tier_name_and_what_the_next_step_lacks() {
    let env = surroundings().await;
    let tier = copy(&env, 500, &[preset()]).await;
    publish(&env, &[settled("R1", 1, 5_000), settled("R2", 2, 4_999), settled("R3", 3, 70_000)]).await;
    assert_eq!(drained::<TierUpgraded>(&env, DURABLE).await.len(), 2);

    let silver = standing(&env, "M1").await.expect("standing");
    assert_eq!((silver.member_id, silver.tier.as_str(), silver.name.zh.as_str()), (member(1), "silver", "银卡"));
    assert_eq!((silver.qualifying, next(&silver)), (Points(5_000), Some(("gold", 15_000))));
    assert!(silver.since.is_some() && silver.entitlements.is_empty());
    let regular = standing(&env, "M2").await.expect("standing");
    assert_eq!((regular.tier.as_str(), next(&regular)), ("regular", Some(("silver", 1))));
    let diamond = standing(&env, "M3").await.expect("standing");
    assert_eq!((diamond.tier.as_str(), next(&diamond)), ("diamond", None));

    let counts = ask::<TierCounts>(&env.nats("local").await, &Empty {}).await.expect("counts").counts;
    let expected = [("diamond", 1), ("regular", 1), ("silver", 1)].map(|(tier, members)| (tier.to_owned(), members));
    assert_eq!(counts, expected.into());
    assert!(tier.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_those_in_force_and_a_tier_gone_keeps_its_own() {
    let env = surroundings().await;
    let tier = copy(&env, 500, &[preset()]).await;
    publish(&env, &[settled("R1", 1, 5_000), settled("R2", 2, 20_000)]).await;
    assert_eq!(drained::<TierUpgraded>(&env, DURABLE).await.len(), 2);
    tier.cx().programs.learn([program(2, &[("regular", "普通", 0), ("silver", "银星", 9_000), ("platinum", "白金", 30_000)])]);
    let silver = standing(&env, "M1").await.expect("standing");
    assert_eq!((silver.tier.as_str(), silver.name.zh.as_str(), next(&silver)), ("silver", "银星", Some(("platinum", 25_000))));
    let gold = standing(&env, "M2").await.expect("standing");
    assert_eq!((gold.tier.as_str(), gold.name.zh.as_str(), next(&gold)), ("gold", "金卡", Some(("platinum", 10_000))));
    assert!(tier.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_without_entries_stands_lowest_and_a_stranger_is_unknown() {
    let env = surroundings().await;
    let tier = copy(&env, 500, &[]).await;
    let nobody = standing(&env, "M9").await.expect_err("no program");
    assert_eq!(nobody.code, code::SERVICE_UNAVAILABLE.code);
    tier.cx().programs.learn([preset()]);
    stand_in_for_member(&env).await;
    let lowest = standing(&env, "M9").await.expect("standing");
    assert_eq!((lowest.member_id, lowest.tier.as_str(), lowest.since, lowest.qualifying), (member(9), "regular", None, Points::ZERO));
    assert_eq!(next(&lowest), Some(("silver", 5_000)));
    for stranger in ["M8", "", "M\0"] {
        assert_eq!(standing(&env, stranger).await.expect_err("stranger").code, code::MEMBER_UNKNOWN.code, "{stranger:?}");
    }
    assert!(tier.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_members_stand_can_be_said_once_more() {
    let env = surroundings().await;
    let tier = copy(&env, 500, &[preset()]).await;
    publish(&env, &[settled("R1", 1, 60_000), settled("R2", 2, 4_999), settled("R3", 3, 5_000), settled("R4", 3, 20_000)]).await;
    drained::<TierUpgraded>(&env, DURABLE).await;
    let nats = env.nats("local").await;
    let request = AnnounceRequest { operation_id: "announce-1".to_owned(), after: None };
    let reply = ask::<TierAnnounce>(&nats, &request).await.expect("announced");
    assert_eq!((reply.announced, reply.after), (2, None), "who never rose stands where everybody begins");
    assert_eq!(ask::<TierAnnounce>(&nats, &request).await.expect("the same answer"), reply);
    let said = drained::<TierStanding>(&env, DURABLE).await;
    let said: Vec<_> = said.iter().map(|event| (event.data.member_id, event.data.tier.as_str(), event.sequence.as_deref())).collect();
    let ordinal = tier_changes(&env, 3).await;
    let of = jifen_contracts::envelope::sequence_text;
    assert_eq!(said, [(member(1), "diamond", Some(of(1).as_str())), (member(3), "gold", Some(of(ordinal).as_str()))]);
    assert!(tier.stop().await);
}

/// Both accruals in one batch are two steps or one.
async fn tier_changes(env: &TestEnv, number: u128) -> i64 {
    sqlx::query_scalar("select changes from standing where member_id = $1")
        .bind(member(number).0)
        .fetch_one(&env.pool("tier"))
        .await
        .expect("a row")
}
