//! What gateways report, in whatever order and however often.

use jifen_contracts::event::EntryKind::Accrual;
use serde_json::json;
use uuid::Uuid;

use crate::support::{Bench, settled};

fn receipt(id: Uuid, status: &str, second: u32) -> String {
    json!({ "notification_id": id, "status": status, "provider_id": "p-1", "code": "C1", "at": format!("2026-10-01T10:00:{second:02}+08:00") }).to_string()
}

fn structured(receipt: &str) -> String {
    format!(r#"{{"specversion":"1.0","id":"anything","source":"/gw","type":"receipt","data":{receipt}}}"#)
}

/// Commands to so many members; their ids by document.
async fn commanded(bench: &Bench, count: u128) -> Vec<Uuid> {
    let accruals: Vec<_> = (1..=count).map(|number| settled(number, "R1", &[(Accrual, 10)], 1)).collect();
    for number in 1..=count {
        bench.knows(number, &["sms:service"]);
    }
    bench.answer_contacts().await;
    bench.publish_all(&accruals).await;
    bench.settle().await;
    let mut commands = bench.commands().await;
    commands.sort_by(|a, b| a.to.phone.cmp(&b.to.phone));
    commands.into_iter().map(|command| command.notification_id).collect()
}

#[tokio::test]
async fn reports_move_messages_forward_and_the_end_is_announced_once() {
    let bench = Bench::start().await;
    let copies = (bench.copy(500).await, bench.copy(3).await);
    let ids = commanded(&bench, 5).await;
    let mut receipts = vec![
        receipt(ids[0], "accepted", 1),
        structured(&receipt(ids[0], "delivered", 2)),
        receipt(ids[1], "accepted", 1),
        receipt(ids[1], "failed", 2),
        receipt(ids[2], "expired", 3),
        receipt(ids[3], "unknown", 2),
        receipt(ids[3], "accepted", 1),
    ];
    bench.report("sms", &receipts).await;
    bench.settle().await;
    let counts = bench.counts().await;
    let shown: Vec<(&str, i64)> = counts.iter().map(|(word, count)| (word.as_str(), *count)).collect();
    let expected = [
        ("points_earned/commanded", 1),
        ("points_earned/delivered", 1),
        ("points_earned/expired", 1),
        ("points_earned/failed", 1),
        ("points_earned/unknown", 1),
    ];
    assert_eq!(shown, expected);
    // Again, the other way round: nothing moves back, nothing is announced twice.
    receipts.reverse();
    bench.report("sms", &receipts).await;
    bench.report("sms", &receipts).await;
    bench.settle().await;
    assert_eq!(bench.counts().await, counts);
    let delivered = bench.messages("EVENTS", "evt.notification.delivered.v1._").await;
    let failed = bench.messages("EVENTS", "evt.notification.failed.v1._").await;
    assert_eq!((delivered.len(), failed.len()), (1, 2));
    assert_eq!(delivered[0]["data"]["notification_id"], json!(ids[0]));
    assert_eq!((&delivered[0]["data"]["kind"], &delivered[0]["data"]["channel"]), (&json!("points_earned"), &json!("sms")));
    assert!(failed.iter().all(|event| event["data"]["code"] == json!("C1")));
    // A message that failed is not sent again, by this channel or another.
    assert_eq!(bench.messages("NOTIFY", "notify.v1.>").await.len(), 5);
    assert!(copies.0.stop().await && copies.1.stop().await);
}

#[tokio::test]
async fn what_is_no_receipt_of_ours_is_set_aside_and_the_others_count() {
    let bench = Bench::start().await;
    let copy = bench.copy(500).await;
    let ids = commanded(&bench, 2).await;
    bench.report("wechat", &[receipt(ids[1], "delivered", 1)]).await;
    let garbage = ["{", "\u{feff}", "{\"specversion\":\"1.0\"}", "{\"notification_id\":7}"].map(str::to_owned);
    bench.report("sms", &garbage).await;
    bench.report("sms", &[receipt(Uuid::from_u128(7), "delivered", 1), receipt(ids[0], "delivered", 1)]).await;
    // A provider's words may hold anything but may not hurt anybody.
    let odd = json!({ "notification_id": ids[1], "status": "accepted", "provider_id": "a\u{0}b", "code": "x".repeat(5_000), "at": "2026-10-01T02:00:00Z" });
    bench.report("sms", &[odd.to_string()]).await;
    bench.settle().await;
    let counts = bench.counts().await;
    assert_eq!((counts.get("points_earned/delivered"), counts.get("points_earned/accepted")), (Some(&1), Some(&1)), "{counts:?}");
    assert_eq!(bench.number("select count(*) from dead_letter where code = 'event.undecodable'").await, 4);
    assert_eq!(bench.number("select count(*) from dead_letter where code = 'event.invariant'").await, 2);
    assert_eq!(bench.number("select count(*) from send where provider_id = 'ab' and length(provider_code) = 64").await, 1);
    assert!(copy.stop().await);
}

#[tokio::test]
async fn the_services_role_can_change_nothing_but_what_reports_say() {
    let bench = Bench::start().await;
    let role = bench.env.pool("notification");
    for sql in [
        "delete from send",
        "truncate send",
        "update send set member_id = member_id",
        "update send set created_at = now()",
        "delete from task",
    ] {
        let refused = sqlx::query(sql).execute(&role).await.expect_err(sql);
        assert_eq!(refused.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref(), Some("42501"), "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_the_broker_has_lost_come_again_but_none_that_a_gateway_has_spoken_of() {
    let bench = Bench::start().await;
    let copy = bench.copy(500).await;
    let ids = commanded(&bench, 5).await;
    bench.report("sms", &[receipt(ids[0], "delivered", 1), receipt(ids[1], "accepted", 1), receipt(ids[2], "unknown", 1)]).await;
    bench.settle().await;
    let pool = bench.env.admin_pool();
    sqlx::query("update notification.send set not_after = now() where notification_id = $1")
        .bind(ids[3])
        .execute(pool)
        .await
        .expect("late");
    bench.env.js("provisioner").await.delete_stream("NOTIFY").await.expect("deleted");
    jifen_infra::streams::ensure_streams(&bench.env.nats("provisioner").await, 1).await.expect("streams");
    jifen_testkit::eventually(jifen_testkit::DEADLINE, || async { (bench.commands().await.len() == 1).then_some(()) }).await;
    bench.settle().await;
    let again: Vec<Uuid> = bench.commands().await.into_iter().map(|command| command.notification_id).collect();
    assert_eq!(again, [ids[4]]);
    assert_eq!(bench.number("select count(*) from send where state = 'commanded'").await, 2);
    assert!(copy.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_no_gateway_ever_got_end_with_their_time_instead_of_coming_late() {
    let bench = Bench::start_at("2026-10-01T12:00:00+08:00").await;
    bench.env.js("provisioner").await.delete_stream("NOTIFY").await.expect("deleted");
    bench.answer_contacts().await;
    let copy = bench.copy(500).await;
    let told = |document: &str| settled(1, document, &[(Accrual, 10)], 1);
    bench.knows(1, &["sms:service"]);
    bench.publish_all(&[told("R1"), told("R2")]).await;
    // Read and acknowledged: who wrote the commands no longer tries to publish them.
    bench.read_all().await;
    // A day later their time is over, whether there is a stream or not; of the third it isn't.
    bench.set_clock("2026-10-02T12:30:00+08:00");
    bench.publish(&told("R3")).await;
    bench.read_all().await;
    let expired = || async { (bench.counts().await.get("points_earned/expired") == Some(&2)).then_some(()) };
    jifen_testkit::eventually(jifen_testkit::DEADLINE, expired).await;
    bench.set_clock("2026-10-02T12:31:00+08:00");
    jifen_infra::streams::ensure_streams(&bench.env.nats("provisioner").await, 1).await.expect("streams");
    bench.settle().await;
    assert_eq!(bench.commands().await.len(), 1);
    let counts = bench.counts().await;
    assert_eq!((counts["points_earned/expired"], counts["points_earned/commanded"]), (2, 1), "{counts:?}");
    assert_eq!(bench.messages("NOTIFY", "notify.v1.>").await.len(), 1);
    assert!(copy.stop().await);
}
