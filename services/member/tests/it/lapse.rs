//! Registrations that nobody activates, and those who come back.

use jifen_contracts::{
    endpoint::{MemberCounts, MemberStatus},
    envelope::sequence_of,
    event::{MemberActivated, MemberLapseWarned, MemberLapsed, MemberUpdated},
};
use serde_json::json;

use super::support::{Bench, application, at, unconfirmed};

#[tokio::test]
async fn a_registration_is_warned_lapses_and_comes_back_with_its_number() {
    // 23:30 of 1 October in Shanghai.
    let bench = Bench::start_at("2026-10-01T15:30:00Z", json!({})).await;
    let running = bench.copy().await;
    let waiting = bench.must_register(&unconfirmed("op-1", 1)).await;
    let other = bench.must_register(&unconfirmed("op-2", 2)).await;
    let active = bench.must_register(&application("op-3", 3)).await;
    bench.run_days(&running).await;
    bench.set("2026-10-06T15:59:59Z");
    bench.run_days(&running).await;
    assert!(bench.events::<MemberLapseWarned>().await.is_empty(), "still the 6th");

    // The 7th: two days before. Once, however often the day is run.
    bench.set("2026-10-06T16:00:00Z");
    bench.run_days(&running).await;
    bench.run_days(&running).await;
    let warned = bench.events::<MemberLapseWarned>().await;
    assert_eq!(warned.len(), 2);
    assert!(warned.iter().all(|event| event.data.on == "2026-10-09".parse().expect("date") && event.data.member_id != active.member_id));

    // Until the end of the 8th a code activates.
    bench.set("2026-10-08T15:50:00Z");
    bench.send_code("send-1", &other.member_no).await.expect("sent");
    let code = bench.code(&running, &other.member_no).await;
    bench.activate("in time", &other.member_no, &code).await.expect("active");
    bench.send_code("send-2", &waiting.member_no).await.expect("sent");
    let late = bench.code(&running, &waiting.member_no).await;

    // From midnight on it has lapsed, also before a run has said so.
    bench.set("2026-10-08T16:00:00Z");
    assert_eq!(bench.activate("too late", &waiting.member_no, &late).await.expect_err("lapsed").code, "member.lapsed");
    // Nobody ran for a while: the next run finds what is due, once.
    bench.set("2026-10-12T02:00:00Z");
    bench.run_days(&running).await;
    bench.run_days(&running).await;
    let lapsed = bench.events::<MemberLapsed>().await;
    assert_eq!(
        (lapsed.len(), lapsed[0].data.member_id, lapsed[0].sequence.as_deref().and_then(sequence_of)),
        (1, waiting.member_id, Some(2))
    );
    assert_eq!(bench.send_code("send-3", &waiting.member_no).await.expect_err("lapsed").code, "member.lapsed");
    let counts = bench.ask::<MemberCounts>(json!({})).await.expect("counts").counts;
    assert_eq!((counts["members"], counts["members/active"], counts["members/lapsed"]), (3, 2, 1));

    // The same phone again: the same member, number and all, with another seven days.
    let revived = bench.must_register(&unconfirmed("op-4", 1)).await;
    assert_eq!((revived.member_id, &revived.member_no), (waiting.member_id, &waiting.member_no));
    assert_eq!((revived.status, revived.revived, revived.existing), (MemberStatus::Registered, true, false));
    assert!(bench.must_register(&unconfirmed("op-5", 1)).await.existing, "and then it exists");
    let updated = bench.events::<MemberUpdated>().await;
    assert_eq!(
        (updated.len(), updated[0].data.status, updated[0].sequence.as_deref().and_then(sequence_of)),
        (1, MemberStatus::Registered, Some(3))
    );
    let code = bench.code(&running, &waiting.member_no).await;
    bench.activate("second chance", &waiting.member_no, &code).await.expect("active");
    assert!(running.stop().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lapsed_one_whom_a_store_confirms_is_active_at_once_and_once() {
    let bench = Bench::start_at("2026-10-01T02:00:00Z", json!({ "activation_days": 1 })).await;
    let (one, two) = (bench.copy().await, bench.copy().await);
    let first = bench.must_register(&unconfirmed("op-1", 1)).await;
    bench.set("2026-10-03T02:00:00Z");
    // Many come at once, over two copies, whether a run has written the lapse yet or not.
    let requests: Vec<_> = (0..16).map(|number| application(&format!("again-{number}"), 1)).collect();
    let replies: Vec<_> = bench.register_all(&requests).await.into_iter().map(|answer| answer.expect("answered")).collect();
    assert!(replies.iter().all(|reply| reply.member_id == first.member_id && reply.status == MemberStatus::Active));
    assert_eq!(replies.iter().filter(|reply| reply.revived).count(), 1);
    let (updated, activated) = (bench.events::<MemberUpdated>().await, bench.events::<MemberActivated>().await);
    let sequence = |text: &Option<String>| text.as_deref().and_then(sequence_of);
    let lapsed = i64::try_from(bench.events::<MemberLapsed>().await.len()).expect("few");
    assert_eq!((updated.len(), sequence(&updated[0].sequence), updated[0].data.status), (1, Some(2 + lapsed), MemberStatus::Active));
    assert_eq!((activated.len(), sequence(&activated[0].sequence)), (1, Some(3 + lapsed)));
    assert_eq!(activated[0].data.at, at("2026-10-03T02:00:00Z"));
    bench.run_days(&one).await;
    assert_eq!(i64::try_from(bench.events::<MemberLapsed>().await.len()).expect("few"), lapsed, "it lapses no more");
    assert!(one.stop().await && two.stop().await);
}
