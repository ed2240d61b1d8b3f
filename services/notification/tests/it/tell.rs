//! Members hear of an event once.

use std::collections::BTreeMap;

use jifen_contracts::event::EntryKind::{Accrual, Bonus, FirstSpending};
use jifen_runtime::service::{DeadLetterReply, DeadLetterRequest};
use jifen_testkit::{DEADLINE, eventually};
use uuid::Uuid;

use crate::support::{Bench, phone, program, registered, settled, upgraded};

const CONSENT: &[&str] = &["sms:service"];

fn counts(expected: &[(&str, i64)]) -> BTreeMap<String, i64> {
    expected.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect()
}

#[tokio::test]
async fn a_member_hears_of_registration_points_and_tier() {
    let bench = Bench::start().await;
    bench.knows(1, CONSENT);
    bench.answer_contacts().await;
    let copy = bench.copy(500).await;
    bench.publish(&registered(1)).await;
    bench.publish(&settled(1, "R1", &[(Accrual, 3_000), (FirstSpending, 100), (Bonus, 3_000)], 1)).await;
    bench.publish(&upgraded(1, 1)).await;
    bench.settle().await;
    assert_eq!(
        bench.texts().await,
        [
            "+8613800000001 points_earned 【会员中心】6100+3000=9000@浦东店 v1",
            "+8613800000001 tier_upgraded 【会员中心】银卡会员@浦东店 v1",
            "+8613800000001 welcome 【会员中心】M1@浦东店 v1",
        ]
    );
    let command = bench.commands().await.into_iter().find(|command| command.kind == "points_earned").expect("command");
    assert_eq!((command.sign.as_str(), command.template.as_str()), ("会员中心", "POINTS_EARNED"));
    let params: Vec<(&str, &str)> = command.params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(params, [("balance", "9000"), ("bonus", "3000"), ("points", "6100"), ("store_name", "浦东店")]);
    let day_long = "select count(*) from send where not_after = created_at + interval '24 hours'";
    assert_eq!(bench.number(day_long).await, 3);
    let expected = counts(&[("points_earned/commanded", 1), ("tier_upgraded/commanded", 1), ("welcome/commanded", 1)]);
    assert_eq!(bench.counts().await, expected);
    // The subject names the store, headers and table hold no number, and the command rests sealed.
    let envelopes = bench.messages("NOTIFY", "notify.v1.sms.SH01").await;
    assert!(
        envelopes.len() == 3 && envelopes.iter().all(|envelope| envelope["type"] == "jifen.notify.v1" && envelope["storeid"] == "SH01")
    );
    let digits = phone(1).replace('+', "");
    assert_eq!(bench.number("select count(*) from outbox where sealed").await, 3);
    let resting: Vec<Vec<u8>> =
        sqlx::query_scalar("select payload from outbox").fetch_all(&bench.env.pool("notification")).await.expect("rows");
    assert!(resting.iter().all(|payload| !payload.windows(digits.len()).any(|part| part == digits.as_bytes())));
    let row: String =
        sqlx::query_scalar("select string_agg(send::text, ' ') from send").fetch_one(&bench.env.pool("notification")).await.expect("row");
    assert!(!row.contains(&digits) && !row.contains("M1"), "{row}");
    assert!(copy.stop().await);
}

#[tokio::test]
async fn whatever_comes_again_late_or_in_another_order_is_told_once() {
    let bench = Bench::start().await;
    bench.answer_contacts().await;
    let (mut registrations, mut accruals, mut upgrades) = (Vec::new(), Vec::new(), Vec::new());
    for number in 1..=30_u128 {
        bench.knows(number, CONSENT);
        registrations.push(registered(number));
        accruals.extend((0..3).map(|i| settled(number, &format!("R{number}-{i}"), &[(Accrual, 10)], 1)));
        upgrades.extend((1..=2).map(|ordinal| upgraded(number, ordinal)));
    }
    let copies = (bench.copy(7).await, bench.copy(64).await);
    // Upgrades before points before registrations, all three times, each time another way round.
    for turn in 0..3 {
        upgrades.rotate_left(turn * 7);
        accruals.reverse();
        registrations.rotate_left(turn * 11);
        bench.publish_all(&upgrades).await;
        bench.publish_all(&accruals).await;
        bench.publish_all(&registrations).await;
    }
    bench.settle().await;
    let expected = counts(&[("points_earned/commanded", 90), ("tier_upgraded/commanded", 60), ("welcome/commanded", 30)]);
    assert_eq!(bench.counts().await, expected);
    let commands = bench.commands().await;
    assert_eq!(commands.len(), 180);
    // A third copy that begins with everything again adds nothing.
    bench.publish_all(&accruals).await;
    assert!(copies.0.stop().await && copies.1.stop().await);
    let later = bench.copy(500).await;
    bench.settle().await;
    assert_eq!((bench.commands().await.len(), bench.counts().await), (180, expected));
    assert!(later.stop().await);
}

#[tokio::test]
async fn without_consent_contact_or_points_nothing_is_sent_also_later() {
    let bench = Bench::start().await;
    bench.knows(1, &["sms:promotion"]);
    bench.answer_contacts().await;
    let copy = bench.copy(500).await;
    bench
        .publish_all(&[settled(1, "R1", &[(Accrual, 10)], 1), settled(2, "R2", &[(Accrual, 10)], 1), settled(1, "R3", &[(Accrual, 0)], 1)])
        .await;
    bench.settle().await;
    let expected = counts(&[("points_earned/suppressed/no_consent", 1), ("points_earned/suppressed/no_contact", 1)]);
    assert_eq!(bench.counts().await, expected);
    bench.knows(1, CONSENT);
    bench.knows(2, CONSENT);
    bench.publish_all(&[settled(1, "R1", &[(Accrual, 10)], 1), settled(2, "R2", &[(Accrual, 10)], 1)]).await;
    bench.settle().await;
    assert_eq!((bench.counts().await, bench.commands().await.len()), (expected, 0));
    assert!(copy.stop().await);
}

#[tokio::test]
async fn while_member_can_not_be_asked_the_batch_waits() {
    let bench = Bench::start().await;
    bench.knows(1, CONSENT);
    let copy = bench.copy(500).await;
    bench.publish(&registered(1)).await;
    // An accrual without points needs no contact, so it does not wait.
    bench.publish(&settled(1, "R0", &[], 1)).await;
    let js = bench.env.js("provisioner").await;
    eventually(DEADLINE, || async {
        let info = js.get_stream("EVENTS").await.ok()?.consumer_info("notification_registered").await.ok()?;
        (info.num_redelivered > 0).then_some(())
    })
    .await;
    assert_eq!(bench.number("select count(*) from send").await, 0);
    bench.answer_contacts().await;
    bench.settle().await;
    assert_eq!(bench.commands().await.len(), 1);
    assert!(copy.stop().await);
}

#[tokio::test]
async fn an_event_of_an_unknown_version_waits_and_the_others_go_on() {
    let bench = Bench::start().await;
    bench.knows(1, CONSENT);
    bench.answer_contacts().await;
    let copy = bench.copy(500).await;
    bench.publish_all(&[settled(1, "R1", &[(Accrual, 10)], 2), settled(1, "R2", &[(Accrual, 10)], 1)]).await;
    eventually(DEADLINE, || async { (bench.commands().await.len() == 1).then_some(()) }).await;
    copy.cx().programs.learn([program(2)]);
    bench.settle().await;
    let texts = bench.texts().await;
    assert!(texts.len() == 2 && texts[0].ends_with("v1") && texts[1].ends_with("v2"), "{texts:?}");
    // A registration is told in the words in force when it happened.
    copy.cx().programs.learn([program(26), program(27)]);
    bench.publish(&registered(1)).await;
    bench.settle().await;
    assert!(bench.texts().await.iter().any(|text| text.contains("welcome") && text.ends_with("v26")));
    assert!(copy.stop().await);
}

#[tokio::test]
async fn one_event_that_makes_no_sense_is_set_aside_and_the_others_go_on() {
    let bench = Bench::start().await;
    bench.knows(1, CONSENT);
    bench.answer_contacts().await;
    let mut nowhere = upgraded(1, 1);
    nowhere.to = jifen_kernel::Token::try_new("platinum").expect("tier");
    bench.publish_all(&[nowhere, upgraded(1, 2)]).await;
    let copy = bench.copy(500).await;
    bench.settle().await;
    assert_eq!(bench.commands().await.len(), 1);
    assert_eq!(
        bench.number("select count(*) from dead_letter where code = 'event.invariant' and consumer = 'notification_upgraded'").await,
        1
    );
    assert!(copy.stop().await);
}

#[tokio::test]
async fn one_member_whose_contact_cannot_be_opened_silences_nobody_else() {
    let bench = Bench::start().await;
    bench.knows(1, CONSENT);
    bench.cannot_open(2);
    bench.answer_contacts().await;
    bench.publish_all(&[upgraded(1, 1), upgraded(2, 1), upgraded(1, 2)]).await;
    let copy = bench.copy(500).await;
    bench.settle().await;
    assert_eq!(bench.commands().await.len(), 2);
    assert_eq!(bench.number("select count(*) from dead_letter where code = 'member.unreadable' and reason like 'member %'").await, 1);
    // Mended, the operator retries, and the member hears of it.
    bench.knows(2, CONSENT);
    let operator = bench.env.nats("operator").await;
    let ask = async |verb: &str, id: Option<Uuid>| {
        let request = serde_json::to_vec(&DeadLetterRequest { id, limit: None }).expect("json");
        let answer = operator.request(format!("api.notification.dead_letter.{verb}"), request.into()).await.expect("an answer");
        serde_json::from_slice::<DeadLetterReply>(&answer.payload).expect("a reply")
    };
    let letter = ask("list", None).await.letters.remove(0);
    assert!(ask("retry", Some(letter.id)).await.letters[0].retried_at.is_some());
    bench.settle().await;
    assert_eq!(bench.commands().await.len(), 3);
    assert!(copy.stop().await);
}
