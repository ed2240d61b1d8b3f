//! Another way is tried when a gateway says that a message will not arrive, and never for its silence.

use jifen_contracts::event::{AccrualSource, EntryKind};
use serde_json::json;
use uuid::Uuid;

use crate::support::{Bench, settled};

const BOTH: &[&str] = &["wechat:service", "sms:service"];

fn receipt(id: Uuid, status: &str) -> String {
    json!({ "notification_id": id, "status": status, "at": "2026-10-01T10:00:05+08:00" }).to_string()
}

/// Five members are told on WeChat of a review each; the commands' ids.
async fn told_on_wechat(bench: &Bench) -> Vec<Uuid> {
    let mut events = Vec::new();
    for number in 1..=5 {
        bench.knows_on_wechat(number, BOTH);
        let mut event = settled(number, "I-1", &[(EntryKind::Interaction, 50)], 1);
        event.source = AccrualSource::Interaction;
        events.push(event);
    }
    bench.answer_contacts().await;
    bench.publish_all(&events).await;
    bench.settle().await;
    let mut commands = bench.commands_of("wechat").await;
    commands.sort_by(|a, b| a.to.wechat_openid.cmp(&b.to.wechat_openid));
    assert!(commands.iter().all(|command| command.fields["number1"] == "50" && command.to.phone.is_none()));
    commands.into_iter().map(|command| command.notification_id).collect()
}

#[tokio::test]
async fn the_next_way_is_tried_after_failure_and_never_after_silence() {
    let bench = Bench::start().await;
    let copies = (bench.copy(500).await, bench.copy(2).await);
    let ids = told_on_wechat(&bench).await;
    assert_eq!(ids.len(), 5);
    // Of the fifth nobody says anything.
    let reports = [receipt(ids[0], "failed"), receipt(ids[1], "expired"), receipt(ids[2], "unknown"), receipt(ids[3], "delivered")];
    bench.report("wechat", &reports).await;
    bench.report("wechat", &reports).await;
    bench.settle().await;
    jifen_testkit::eventually(jifen_testkit::DEADLINE, || async { (bench.commands().await.len() == 2).then_some(()) }).await;
    bench.send_due(&copies.0).await;
    bench.send_due(&copies.1).await;
    let mut second = bench.commands().await;
    second.sort_by(|a, b| a.to.phone.cmp(&b.to.phone));
    let phones: Vec<_> = second.iter().map(|command| command.to.phone.clone().expect("a phone")).collect();
    assert_eq!(phones, [crate::support::phone(1), crate::support::phone(2)]);
    assert!(second.iter().all(|command| !ids.contains(&command.notification_id) && command.text.ends_with("参与 50")));
    // Of the last way nothing is kept, and behind it there is none.
    bench.report("sms", &[receipt(second[0].notification_id, "failed"), receipt(second[1].notification_id, "delivered")]).await;
    // What arrives after all is counted.
    bench.report("wechat", &[receipt(ids[0], "delivered")]).await;
    bench.settle().await;
    bench.send_due(&copies.0).await;
    assert_eq!((bench.commands().await.len(), bench.commands_of("wechat").await.len()), (2, 5));
    let counts = bench.counts().await;
    let shown: Vec<(&str, i64)> = counts.iter().map(|(word, count)| (word.as_str(), *count)).collect();
    let expected = [
        ("interaction_earned/commanded", 1),
        ("interaction_earned/delivered", 2),
        ("interaction_earned/expired", 1),
        ("interaction_earned/failed", 1),
        ("interaction_earned/failed/delivered_late", 1),
        ("interaction_earned/unknown", 1),
    ];
    assert_eq!(shown, expected);
    assert_eq!(bench.number("select count(*) from send where attempt = 2 and channel = 'sms'").await, 2);
    assert_eq!(bench.number("select count(*) from send where facts is not null").await, 2);
    assert!(copies.0.stop().await && copies.1.stop().await);
}

#[tokio::test]
async fn consent_of_the_next_way_is_asked_when_it_is_tried() {
    let bench = Bench::start().await;
    let copy = bench.copy(500).await;
    let ids = told_on_wechat(&bench).await;
    bench.knows_on_wechat(1, &["wechat:service"]);
    bench.report("wechat", &[receipt(ids[0], "failed")]).await;
    bench.settle().await;
    let dropped = || async { (bench.counts().await.get("interaction_earned/suppressed/no_consent") == Some(&1)).then_some(()) };
    jifen_testkit::eventually(jifen_testkit::DEADLINE, dropped).await;
    assert_eq!(bench.commands().await.len(), 0);
    assert!(copy.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_broker_never_took_is_told_on_the_next_way_unless_a_gateway_has_it_after_all() {
    let bench = Bench::start_at("2026-10-01T12:00:00+08:00").await;
    bench.env.js("provisioner").await.delete_stream("NOTIFY").await.expect("deleted");
    let copy = bench.copy(500).await;
    let mut events = Vec::new();
    for number in 1..=3 {
        bench.knows_on_wechat(number, BOTH);
        let mut event = settled(number, "I-1", &[(EntryKind::Interaction, 50)], 1);
        event.source = AccrualSource::Interaction;
        events.push(event);
    }
    bench.answer_contacts().await;
    bench.publish_all(&events).await;
    bench.read_all().await;
    bench.set_clock("2026-10-02T12:30:00+08:00");
    let counted = async |word: &str, count: i64| {
        jifen_testkit::eventually(jifen_testkit::DEADLINE, || async { (bench.counts().await.get(word) == Some(&count)).then_some(()) })
            .await;
    };
    counted("interaction_earned/expired", 3).await;
    jifen_infra::streams::ensure_streams(&bench.env.nats("provisioner").await, 1).await.expect("streams");
    // A copy had published the third and died before it wrote so: its gateway knows better.
    let ids: Vec<Uuid> = sqlx::query_scalar("select notification_id from send order by member_id")
        .fetch_all(&bench.env.pool("notification"))
        .await
        .expect("ids");
    bench.report("wechat", &[receipt(ids[2], "accepted"), receipt(ids[2], "delivered")]).await;
    bench.settle().await;
    let unsent = async || jifen_runtime::job::run_once(copy.cx(), &jifen_notification::jobs::Unsent).await.expect("unsent");
    unsent().await;
    assert_eq!(bench.number("select count(*) from send where attempt = 2").await, 0, "a gateway has time to speak");
    bench.set_clock("2026-10-02T12:50:00+08:00");
    unsent().await;
    unsent().await;
    bench.settle().await;
    bench.send_due(&copy).await;
    let failed = bench.messages("EVENTS", "evt.notification.failed.>").await;
    assert_eq!(failed.iter().filter(|event| event["data"]["code"] == "not_published").count(), 2);
    let phones: std::collections::BTreeSet<_> =
        bench.commands().await.into_iter().map(|command| command.to.phone.expect("a phone")).collect();
    assert_eq!(phones, [crate::support::phone(1), crate::support::phone(2)].into());
    assert_eq!((bench.commands().await.len(), bench.commands_of("wechat").await.len()), (2, 0));
    assert_eq!(bench.counts().await["interaction_earned/delivered"], 1);
    assert!(copy.stop().await);
}
