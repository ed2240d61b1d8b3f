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
