//! Who wants no more advertising says so, by a reply or at a desk.

use jifen_contracts::{
    endpoint::{MessageOptOut, OptOutReply, OptOutRequest},
    notify::Channel,
};
use jifen_runtime::ask;
use serde_json::json;

use crate::support::{Bench, phone};

fn reply(from: &str, text: &str) -> String {
    json!({ "from": from, "text": text, "at": "2026-10-05T11:02:09+08:00" }).to_string()
}

#[tokio::test]
async fn a_reply_takes_the_consent_back_whatever_comes_again() {
    let bench = Bench::start().await;
    bench.knows(1, &["sms:promotion"]);
    let copies = (bench.copy(500).await, bench.copy(1).await);
    let structured = format!(r#"{{"specversion":"1.0","id":"1","source":"/gw","type":"reply","data":{}}}"#, reply(&phone(1), "R"));
    let replies = [reply(&phone(1), " r "), structured, reply(&phone(1), "谢谢"), reply("+8613900000000", "退订"), "{".to_owned()];
    // While member is away they wait.
    bench.say("sms", "reply", &replies).await;
    let js = bench.env.js("provisioner").await;
    jifen_testkit::eventually(jifen_testkit::DEADLINE, || async {
        let info = js.get_stream("GATEWAY_RECEIPTS").await.ok()?.consumer_info("notification_gateway_replies").await.ok()?;
        (info.num_redelivered > 0).then_some(())
    })
    .await;
    let asked = bench.change_consents().await;
    bench.say("sms", "reply", &replies).await;
    bench.settle().await;
    let asked = asked.lock().expect("lock").clone();
    let ids: std::collections::BTreeSet<&str> = asked.iter().map(|change| change.operation_id.as_str()).collect();
    // Two replies of the member and one of a stranger, each by one id however often it came.
    assert_eq!(ids.len(), 3);
    let expected = ("sms", "promotion", false);
    assert!(asked.iter().all(|change| (change.channel.as_str(), change.purpose.as_str(), change.granted) == expected));
    assert!(ids.iter().all(|id| id.len() <= 64 && !id.contains("138")));
    // Only what is no reply is set aside.
    assert_eq!(bench.number("select count(*) from dead_letter where code = 'event.undecodable'").await, 2);
    assert_eq!(bench.number("select count(*) from dead_letter").await, 2);
    assert!(copies.0.stop().await && copies.1.stop().await);
}

#[tokio::test]
async fn a_desk_ends_messages_once() {
    let bench = Bench::start().await;
    bench.knows(1, &["sms:promotion"]);
    let asked = bench.change_consents().await;
    let copy = bench.copy(500).await;
    let operator = bench.env.nats("operator").await;
    let request = |operation_id: &str, member_no: &str, purpose: Option<&str>| OptOutRequest {
        operation_id: operation_id.to_owned(),
        member_no: member_no.to_owned(),
        channel: Channel::Sms,
        purpose: purpose.map(str::to_owned),
    };
    let first = ask::<MessageOptOut>(&operator, &request("op-1", "M1", None)).await.expect("ended");
    assert_eq!(first, OptOutReply { member_no: "M1".to_owned(), channel: Channel::Sms, purpose: "promotion".to_owned() });
    assert_eq!(ask::<MessageOptOut>(&operator, &request("op-1", "M1", None)).await.expect("the same"), first);
    let changed = asked.lock().expect("lock").clone();
    assert!(changed.iter().all(|change| change.operation_id == changed[0].operation_id && !change.granted));
    let refused = ask::<MessageOptOut>(&operator, &request("op-2", "M9", None)).await.expect_err("unknown");
    assert_eq!(refused.code, "member.unknown");
    let refused = ask::<MessageOptOut>(&operator, &request("op-3", "M1", Some("fun"))).await.expect_err("wrong");
    assert_eq!(refused.pointer.as_deref(), Some("/purpose"));
    assert!(copy.stop().await);
}
