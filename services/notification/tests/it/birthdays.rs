//! A week before a birthday.

use jifen_contracts::{
    endpoint::MemberStatus,
    event::{MemberUpdated, MonthDay},
};
use jifen_runtime::daily::run_due;

use crate::support::{Bench, instant, member, registered, store, upgraded};

const CONSENT: &[&str] = &["sms:service", "sms:promotion"];

#[tokio::test]
async fn who_was_born_on_the_leap_day_is_greeted_on_21_february_with_the_offer() {
    let bench = Bench::start_at("2027-02-20T12:00:00+08:00").await;
    bench.answer_contacts().await;
    let copies = (bench.copy(500).await, bench.copy(500).await);
    for (number, birthday) in [(1, Some((2, 29))), (2, Some((2, 28))), (3, Some((3, 1))), (4, None)] {
        bench.knows(number, CONSENT);
        let mut member = registered(number);
        member.birthday = birthday.map(|(month, day)| MonthDay { month, day });
        bench.publish(&member).await;
    }
    // A change counts from the next year: in this one the birthday before is kept.
    bench.knows(5, CONSENT);
    let mut moved = registered(5);
    moved.birthday = Some(MonthDay { month: 2, day: 28 });
    bench.publish(&moved).await;
    bench.settle().await;
    let update = MemberUpdated {
        member_id: member(5),
        member_no: "M5".to_owned(),
        store: store(),
        at: instant("2027-02-20T12:00:00+08:00"),
        phone: moved.phone.clone(),
        vehicles: Vec::new(),
        birthday: Some(MonthDay { month: 6, day: 1 }),
        birthday_from_year: Some(2028),
        status: MemberStatus::Active,
        announced: false,
    };
    bench.publish_in_order(&update, 2).await;
    bench.publish(&upgraded(2, 1)).await;
    bench.settle().await;
    run_due(copies.0.cx(), &jifen_notification::jobs::Birthdays).await.expect("the 20th");
    bench.send_due(&copies.0).await;
    assert!(bench.texts().await.iter().all(|text| !text.contains(" birthday ")));
    bench.set_clock("2027-02-21T00:00:00+08:00");
    let due = || async {
        let job = &jifen_notification::jobs::Birthdays;
        let (one, two) = tokio::join!(run_due(copies.0.cx(), job), run_due(copies.1.cx(), job));
        (one.is_ok() && two.is_ok() && bench.counts().await.get("birthday/waiting") == Some(&3)).then_some(())
    };
    Box::pin(jifen_testkit::eventually(jifen_testkit::DEADLINE, due)).await;
    bench.set_clock("2027-02-21T08:00:00+08:00");
    jifen_testkit::eventually(jifen_testkit::DEADLINE, || async {
        bench.send_due(&copies.0).await;
        (bench.counts().await.get("birthday/commanded") == Some(&3)).then_some(())
    })
    .await;
    let greeted: Vec<String> = bench.texts().await.into_iter().filter(|text| text.contains(" birthday ")).collect();
    assert_eq!(
        greeted,
        [
            "+8613800000001 birthday 【会员中心】2027-02-28 生日双倍积分",
            "+8613800000002 birthday 【会员中心】2027-02-28 生日双倍积分",
            "+8613800000005 birthday 【会员中心】2027-02-28 生日双倍积分"
        ]
    );
    // Staff call who is silver, from three days before on.
    let tasks = bench.messages("EVENTS", "evt.notification.staff_task.v1.SH01").await;
    assert_eq!(tasks.len(), 1);
    let task = &tasks[0]["data"];
    assert_eq!(
        (task["due"].as_str(), task["until"].as_str(), task["about"].as_str()),
        (Some("2027-02-25"), Some("2027-02-28"), Some("2027"))
    );
    assert!(copies.0.stop().await && copies.1.stop().await);
}
