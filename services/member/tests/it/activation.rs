//! Codes: sent, tried, used up, and how many of them whatever the number of copies.

use futures_util::future::join_all;
use jifen_contracts::{
    endpoint::{CodeSend, MemberActivate, MemberStatus, RegisterReply},
    envelope::sequence_of,
    event::{MemberActivated, MemberCodeIssued},
};
use serde_json::json;

use super::support::{Bench, at, unconfirmed};

const NOW: &str = "2026-10-01T02:00:00Z";

/// Another code than this one.
fn wrong(code: &str) -> String {
    let digit = if code.starts_with('0') { "1" } else { "0" };
    format!("{digit}{}", &code[1..])
}

#[tokio::test]
async fn who_has_the_code_is_active() {
    let bench = Bench::start_at(NOW, json!({})).await;
    let running = bench.copy().await;
    let member = bench.must_register(&unconfirmed("op-1", 1)).await;
    assert_eq!((member.status, member.code_not_after), (MemberStatus::Registered, Some(at("2026-10-01T02:10:00Z"))));
    let registered = &bench.announced().await[0].data;
    assert_eq!((registered.status, &registered.member_no), (MemberStatus::Registered, &member.member_no), "the number is given at once");
    let code = bench.code(&running, &member.member_no).await;
    assert!(code.len() == 6 && code.bytes().all(|digit| digit.is_ascii_digit()), "six digits");

    let problem = bench.activate("try-1", &member.member_no, &wrong(&code)).await.expect_err("wrong");
    assert_eq!((problem.code.as_str(), problem.pointer.as_deref()), ("member.code_wrong", Some("/code")));
    assert_eq!(bench.activate("try-1", &member.member_no, &wrong(&code)).await.expect_err("the same answer"), problem);
    let reply =
        bench.ask::<MemberActivate>(json!({ "operation_id": "try-2", "phone": "138 0000 0001", "code": code })).await.expect("active");
    assert_eq!((reply.member_id, reply.status), (member.member_id, MemberStatus::Active));
    let events = bench.events::<MemberActivated>().await;
    assert_eq!((events.len(), events[0].sequence.as_deref().and_then(sequence_of)), (1, Some(2)));
    assert_eq!(bench.activate("try-2", &member.member_no, &code).await.expect_err("another request").code, "operation.conflict");
    assert_eq!(bench.activate("try-3", &member.member_no, &code).await.expect_err("used").code, "member.already_active");
    assert_eq!(bench.send_code("again", &member.member_no).await.expect_err("no need").code, "member.already_active");

    // The code stands nowhere in clear: neither beside its hash nor in what was published.
    let row: String =
        sqlx::query_scalar("select c::text from member.activation_code c").fetch_one(bench.env.admin_pool()).await.expect("row");
    assert!(!row.contains(&code) && !row.contains(&hex::encode(&code)), "{row}");
    for mut event in bench.outbox().await {
        if let Some(data) = event["data"].as_object_mut() {
            data.remove("code_sealed");
        }
        let text = event["data"].to_string();
        assert!(!text.contains(&code) && !text.contains("13800000001"), "{text}");
    }
    assert!(running.stop().await);
}

#[tokio::test]
async fn a_code_ends_by_time_by_attempts_and_by_the_next_one() {
    let bench = Bench::start_at(NOW, json!({ "code_attempts": 3 })).await;
    let running = bench.copy().await;
    let member_no = bench.must_register(&unconfirmed("op-1", 1)).await.member_no;
    let first = bench.code(&running, &member_no).await;
    bench.set("2026-10-01T02:10:00Z");
    assert_eq!(bench.activate("late", &member_no, &first).await.expect_err("late").code, "member.code_expired");

    let sent = bench.send_code("again", &member_no).await.expect("sent");
    assert_eq!(sent.not_after, at("2026-10-01T02:20:00Z"));
    let second = bench.code(&running, &member_no).await;
    if first != second {
        assert_eq!(bench.activate("old", &member_no, &first).await.expect_err("replaced").code, "member.code_wrong");
    }
    bench.set("2026-10-01T02:11:00Z");
    bench.send_code("once more", &member_no).await.expect("sent");
    let third = bench.code(&running, &member_no).await;
    for attempt in 0..3 {
        let problem = bench.activate(&format!("wrong-{attempt}"), &member_no, &wrong(&third)).await.expect_err("wrong");
        assert!(problem.code == "member.code_wrong" && problem.detail.contains(&format!("{} attempts", 2 - attempt)), "{problem}");
    }
    assert_eq!(bench.activate("right", &member_no, &third).await.expect_err("too late").code, "member.code_void");
    bench.set("2026-10-01T02:12:00Z");
    bench.send_code("last", &member_no).await.expect("sent");
    let last = bench.code(&running, &member_no).await;
    bench.activate("in time", &member_no, &last).await.expect("active");

    for (request, code, pointer) in [
        (json!({ "operation_id": "x-1", "member_no": "M1000000016" }), "member.unknown", "/member_no"),
        (json!({ "operation_id": "x-2", "phone": "13900000000" }), "member.unknown", "/phone"),
        (json!({ "operation_id": "x-3", "phone": "12345" }), "member.bad_phone", "/phone"),
        (json!({ "operation_id": "x-4" }), "request.malformed", "/member_no"),
        (json!({ "operation_id": "x-5", "member_no": member_no, "phone": "13800000001" }), "request.malformed", "/member_no"),
    ] {
        let problem = bench.ask::<CodeSend>(request.clone()).await.expect_err("refused");
        assert_eq!((problem.code.as_str(), problem.pointer.as_deref()), (code, Some(pointer)), "{request}");
    }
    assert!(running.stop().await);
}

/// Whoever guesses over four copies at once has as many attempts as over one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_are_counted_over_all_copies() {
    let bench = Bench::start_at(NOW, json!({})).await;
    let (one, two, three, four) = (bench.copy().await, bench.copy().await, bench.copy().await, bench.copy().await);
    let member_no = bench.must_register(&unconfirmed("op-1", 1)).await.member_no;
    let guess = wrong(&bench.code(&one, &member_no).await);
    let operations: Vec<String> = (0..24).map(|number| format!("guess-{number}")).collect();
    let answers = join_all(operations.iter().map(|operation| bench.activate(operation, &member_no, &guess))).await;
    let count = |code: &str| answers.iter().filter(|answer| answer.as_ref().is_err_and(|problem| problem.code == code)).count();
    assert_eq!((count("member.code_wrong"), count("member.code_void")), (5, 19));
    for copy in [one, two, three, four] {
        assert!(copy.stop().await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_of_codes_hold_over_all_copies() {
    let rules = json!({ "codes_per_phone_day": 3, "codes_per_store_hour": 10, "codes_per_group_hour": 15 });
    let bench = Bench::start_at(NOW, rules).await;
    let (one, two, three, four) = (bench.copy().await, bench.copy().await, bench.copy().await, bench.copy().await);
    // 40 sign up at once at one store: all are registered, ten codes go out, the others say how long to wait.
    let requests: Vec<_> = (0..40).map(|number| unconfirmed(&format!("op-{number}"), number)).collect();
    let replies: Vec<RegisterReply> = bench.register_all(&requests).await.into_iter().map(|answer| answer.expect("registered")).collect();
    assert_eq!(replies.iter().filter(|reply| reply.code_not_after.is_some()).count(), 10);
    assert!(replies.iter().filter(|reply| reply.code_not_after.is_none()).all(|reply| reply.code_wait_s == Some(3_601)), "an hour");
    // At the other store five more, then the group is at its limit.
    let waiting: Vec<&RegisterReply> = replies.iter().filter(|reply| reply.code_not_after.is_none()).collect();
    let send = |place: usize, store: &'static str| {
        let request = json!({ "operation_id": format!("send-{store}-{place}"), "store": store, "member_no": waiting[place].member_no });
        bench.ask::<CodeSend>(request)
    };
    let answers = join_all((0..20).map(|place| send(place, "SH02"))).await;
    let refused: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    assert_eq!((answers.iter().filter(|answer| answer.is_ok()).count(), refused.len()), (5, 15));
    assert!(refused.iter().all(|problem| problem.code == "member.code_rate_limited" && problem.retry_after_s == Some(3_601)));
    // One phone has three a local day, which ends at 16:00Z.
    let member_no = &replies.iter().find(|reply| reply.code_not_after.is_some()).expect("one").member_no;
    bench.set("2026-10-01T03:00:00Z");
    let operations: Vec<String> = (0..12).map(|number| format!("phone-{number}")).collect();
    let answers = join_all(operations.iter().map(|operation| bench.send_code(operation, member_no))).await;
    let refused: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    assert_eq!(refused.len(), 10, "one went out at the registration");
    assert!(refused.iter().all(|problem| problem.retry_after_s == Some(13 * 3_600 + 1)), "{refused:?}");
    assert_eq!(bench.events::<MemberCodeIssued>().await.len(), 10 + 5 + 2, "as many codes as were granted");
    for copy in [one, two, three, four] {
        assert!(copy.stop().await);
    }
}
