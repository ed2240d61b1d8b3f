//! What happens to one member now and then: codes, activation, warnings; and what staff are asked to do.

use jifen_contracts::{
    endpoint::MemberStatus,
    event::{
        AccrualSource, Balance, CodePurpose, CorrectionKind, EntitlementGranted, EntryKind, Expired, Expiring, MemberActivated,
        MemberCodeIssued, MemberLapseWarned, Reversed, ReversedEntry, TierDowngradeWarned, TierDowngraded,
    },
};
use jifen_kernel::{Money, Points, Token};

use crate::support::{Bench, instant, member, registered, settled, store};

fn code(bench_key: &jifen_runtime::crypto::SealKey, number: u128, at: &str) -> MemberCodeIssued {
    MemberCodeIssued {
        member_id: member(number),
        member_no: format!("M{number}"),
        store: store(),
        purpose: CodePurpose::Activation,
        code_sealed: bench_key.seal_text(&jifen_kernel::Ids::seeded(1), b"123456", &MemberCodeIssued::bound(member(number))),
        not_after: instant(at) + chrono::Duration::minutes(5),
        at: instant(at),
    }
}

#[tokio::test]
async fn a_registration_is_welcomed_when_it_is_activated() {
    let bench = Bench::start_at("2026-10-01T22:00:00+08:00").await;
    bench.knows(1, &["sms:service"]);
    bench.answer_contacts().await;
    let copy = bench.copy(500).await;
    let key = copy.cx().seal_to("notification");
    let mut waits = registered(1);
    waits.status = MemberStatus::Registered;
    bench.publish(&waits).await;
    // The first code opens, the second is another member's: set aside, told to nobody.
    let mut anothers = code(&key, 1, "2026-10-01T22:00:01+08:00");
    anothers.code_sealed = code(&key, 2, "2026-10-01T22:00:01+08:00").code_sealed;
    bench.publish_all(&[code(&key, 1, "2026-10-01T22:00:00+08:00"), anothers]).await;
    let on = "2026-10-08".parse().expect("day");
    bench
        .publish(&MemberLapseWarned {
            member_id: member(1),
            member_no: "M1".to_owned(),
            store: store(),
            on,
            at: instant("2026-10-01T22:00:00+08:00"),
        })
        .await;
    bench.settle().await;
    // Neither waits for the end of the quiet hours: nobody asked for advertising.
    assert_eq!(
        bench.texts().await,
        ["+8613800000001 activation_code 【会员中心】123456 5", "+8613800000001 lapse_warning 【会员中心】M1 2026-10-07 v1"]
    );
    let activated =
        MemberActivated { member_id: member(1), member_no: "M1".to_owned(), store: store(), at: instant("2026-10-01T22:01:00+08:00") };
    bench.publish_all(&[activated.clone(), activated]).await;
    bench.settle().await;
    let texts = bench.texts().await;
    assert_eq!((texts.len(), texts[2].as_str()), (3, "+8613800000001 welcome 【会员中心】M1@浦东店 v1"));
    assert_eq!(bench.number("select count(*) from dead_letter where code = 'event.invariant'").await, 1);
    // A code rests nowhere in the clear.
    let row: String =
        sqlx::query_scalar("select string_agg(send::text, ' ') from send").fetch_one(&bench.env.pool("notification")).await.expect("rows");
    assert!(!row.contains("123456"), "{row}");
    assert!(copy.stop().await);
}

#[tokio::test]
async fn a_lower_tier_is_announced_and_told() {
    let bench = Bench::start_at("2026-10-01T12:00:00+08:00").await;
    bench.knows(1, &["sms:service"]);
    bench.answer_contacts().await;
    let copy = bench.copy(500).await;
    let tier = |code: &str| Token::try_new(code).expect("tier");
    // Still the day before in Greenwich.
    let (from, to, at) = (tier("silver"), tier("regular"), instant("2026-10-01T01:00:00+08:00"));
    let warned = TierDowngradeWarned {
        member_id: member(1),
        member_no: "M1".to_owned(),
        from: from.clone(),
        to: to.clone(),
        on: "2026-12-01".parse().expect("day"),
        at,
        program_version: 1,
        store: store(),
    };
    let fallen =
        TierDowngraded { member_id: member(1), member_no: "M1".to_owned(), from, to, ordinal: 2, at, program_version: 1, store: store() };
    bench.publish(&warned).await;
    bench.publish(&fallen).await;
    bench.publish(&warned).await;
    let benefit = EntitlementGranted {
        entitlement_id: uuid::Uuid::from_u128(7),
        member_id: member(1),
        member_no: "M1".to_owned(),
        tier: tier("silver"),
        benefit: tier("wash"),
        name: jifen_contracts::code::Text::new("洗车", "Car wash"),
        count: 6,
        valid_until: "2027-09-30".parse().expect("day"),
        at,
        program_version: 1,
        store: store(),
    };
    bench.publish_all(&[benefit.clone(), benefit]).await;
    bench.settle().await;
    assert_eq!(
        bench.texts().await,
        [
            "+8613800000001 downgrade_warning 【会员中心】银卡会员>普通会员 2026-12-01 v1",
            "+8613800000001 entitlement_granted 【会员中心】洗车 6 2027-09-30 v1",
            "+8613800000001 tier_downgraded 【会员中心】普通会员 v1"
        ]
    );
    let tasks = bench.messages("EVENTS", "evt.notification.staff_task.v1.SH01").await;
    assert_eq!(tasks.len(), 1);
    let task = &tasks[0]["data"];
    assert_eq!(
        (task["kind"].as_str(), task["due"].as_str(), task["until"].as_str()),
        (Some("downgrade_call"), Some("2026-10-01"), Some("2026-10-15"))
    );
    assert!(copy.stop().await);
}

#[tokio::test]
async fn staff_are_asked_once_to_call_after_a_repair() {
    let bench = Bench::start().await;
    bench.knows(1, &["sms:service"]);
    bench.answer_contacts().await;
    let copies = (bench.copy(500).await, bench.copy(1).await);
    let mut repair = settled(1, "R1", &[(EntryKind::Accrual, 10)], 1);
    repair.categories = vec![jifen_contracts::event::CategoryBase {
        category: Token::try_new("repair").expect("category"),
        paid: Money::try_new("10.00").expect("money"),
        base: Points(10),
    }];
    let service = settled(1, "R2", &[(EntryKind::Accrual, 10)], 1);
    bench.publish_all(&[repair.clone(), service, repair.clone(), repair]).await;
    bench.settle().await;
    let tasks = bench.messages("EVENTS", "evt.notification.staff_task.v1.SH01").await;
    assert_eq!(tasks.len(), 1);
    let task = &tasks[0]["data"];
    assert_eq!(
        (task["kind"].as_str(), task["due"].as_str(), task["until"].as_str(), task["about"].as_str()),
        (Some("repair_call"), Some("2026-10-04"), Some("2026-10-08"), Some("R1"))
    );
    assert!(copies.0.stop().await && copies.1.stop().await);
}

/// One message a last day and number of days ahead, and one when they are over; whatever comes twice.
#[tokio::test]
async fn ends_of_points_are_told_once() {
    let bench = Bench::start_at("2028-10-24T09:00:00+08:00").await;
    bench.knows(1, &["sms:service"]);
    bench.answer_contacts().await;
    let copy = bench.copy(500).await;
    let on = "2028-10-31".parse().expect("day");
    let balance = Balance { active: Points(1_500), ..Balance::default() };
    let expiring = |days: u32, points: i64| Expiring {
        store: store(),
        member_id: member(1),
        member_no: "M1".to_owned(),
        on,
        days,
        points: Points(points),
        program_version: 1,
        at: instant("2028-10-24T00:00:01+08:00"),
        balance,
    };
    // Said late, with another number: the first one stands.
    bench.publish_all(&[expiring(30, 1_200), expiring(7, 1_100), expiring(7, 1_000)]).await;
    bench.settle().await;
    let expired = Expired {
        store: store(),
        member_id: member(1),
        member_no: "M1".to_owned(),
        on,
        points: Points(900),
        funded_by: Vec::new(),
        program_version: 1,
        at: instant("2028-11-01T00:00:01+08:00"),
        balance,
    };
    bench.publish_all(&[expired.clone(), expired]).await;
    bench.settle().await;
    assert_eq!(
        bench.texts().await,
        [
            "+8613800000001 points_expired 【会员中心】900 2028-10-31 1500 v1",
            "+8613800000001 points_expiring 【会员中心】1100 2028-10-31 7 1500 v1",
            "+8613800000001 points_expiring 【会员中心】1200 2028-10-31 30 1500 v1"
        ]
    );
    assert!(copy.stop().await);
}

/// One message for what a correction takes at a time, however often it comes: a bonus that is posted later is taken by a second word, since
/// its posting was told. None where no point moves, and none of a lapse.
#[tokio::test]
async fn points_taken_back_are_told_once_each_time() {
    let bench = Bench::start_at("2026-10-03T09:00:00+08:00").await;
    bench.knows(1, &["sms:service"]);
    bench.answer_contacts().await;
    let copies = [bench.copy(500).await, bench.copy(500).await];
    let entry = |points: i64| ReversedEntry {
        entry_id: uuid::Uuid::from_u128(u128::from(points.unsigned_abs())),
        reverses: uuid::Uuid::from_u128(7),
        kind: EntryKind::Accrual,
        rule: "earn@1".to_owned(),
        category: None,
        points: Points(points),
        qualifying: true,
        pending: false,
        breakage_of: None,
        accrual: None,
    };
    let reversed = |correction, number: Option<&str>, points: &[i64]| Reversed {
        correction,
        number: number.map(str::to_owned),
        source: AccrualSource::Invoice,
        store: store(),
        document: "R1".to_owned(),
        member_id: member(1),
        member_no: "M1".to_owned(),
        at: instant("2026-10-03T08:59:00+08:00"),
        business_date: "2026-10-01".parse().expect("day"),
        entries: points.iter().map(|points| entry(*points)).collect(),
        paid: Vec::new(),
        left: Vec::new(),
        vehicle: None,
        visit_lost: false,
        paid_visit_lost: false,
        balance: Balance { active: Points(0), debt: Points(500), ..Balance::default() },
    };
    let refund = reversed(CorrectionKind::Refund, Some("C1"), &[300, 200]);
    let its_bonus = reversed(CorrectionKind::Refund, Some("C1"), &[50]);
    bench.publish_all(std::slice::from_ref(&refund)).await;
    bench.settle().await;
    bench.publish_all(&[refund, its_bonus.clone(), its_bonus, reversed(CorrectionKind::Void, Some("C1"), &[100])]).await;
    bench.publish_all(&[reversed(CorrectionKind::Refund, Some("C2"), &[]), reversed(CorrectionKind::Lapse, None, &[70])]).await;
    bench.publish_all(&[reversed(CorrectionKind::Rejection, Some("R1"), &[30])]).await;
    bench.settle().await;
    assert_eq!(
        bench.texts().await,
        ["100", "50", "500"].map(|points| format!("+8613800000001 points_reversed 【会员中心】{points} 0 500 v1"))
    );
    for copy in copies {
        assert!(copy.stop().await);
    }
}
