//! One registration after the other.

use futures_util::StreamExt;
use jifen_contracts::{
    Envelope, code,
    endpoint::{MemberStatus, RegisterRequest},
    envelope::sequence_of,
    event::{MemberRegistered, MonthDay},
};
use jifen_runtime::crypto::{LookupKey, LookupKind};
use jifen_testkit::{DEADLINE, service_config};

use super::support::{Bench, application, program, refusal, vehicle};

const VIN: &str = "LSVAU2A37N2183294";
const PLATE: &str = "沪A12345";

#[tokio::test]
async fn who_registers_is_a_member_and_everybody_may_know() {
    let bench = Bench::start().await;
    let mut events = bench.caller.subscribe("evt.member.registered.v1.*").await.expect("subscribed");
    bench.caller.flush().await.expect("flushed");
    let running = bench.copy().await;
    let request = RegisterRequest { vehicles: vec![vehicle(Some(VIN), Some(PLATE))], ..application("op-1", 1) };
    let reply = bench.must_register(&request).await;
    assert_eq!(reply.status, MemberStatus::Active);
    assert!(!reply.existing);
    assert_eq!(reply.member_no, "M1000000008", "the first number of an installation");

    let message = tokio::time::timeout(DEADLINE, events.next()).await.expect("in time").expect("event");
    assert_eq!(message.subject.as_str(), "evt.member.registered.v1.SH01");
    let event: Envelope<MemberRegistered> = serde_json::from_slice(&message.payload).expect("event");
    assert_eq!(event.sequence.as_deref().and_then(sequence_of), Some(1));
    assert_eq!((event.data.member_id, &event.data.member_no), (reply.member_id, &reply.member_no));
    assert_eq!(event.data.birthday, Some(MonthDay { month: 5, day: 1 }), "without its year");
    let lookup = LookupKey::new(*bench.env.keys().lookup.expose());
    assert_eq!(event.data.phone, lookup.hash(LookupKind::Phone, "13800000001"));
    assert_eq!(event.data.vehicles[0].vin, Some(lookup.hash(LookupKind::Vin, VIN)));
    assert_eq!(event.data.vehicles[0].plate, Some(lookup.hash(LookupKind::Plate, PLATE)));
    assert_eq!(bench.announced().await.len(), 1);
    assert!(running.stop().await, "stops in time");
}

#[tokio::test]
async fn an_operation_has_one_answer_for_ever() {
    let bench = Bench::start().await;
    let running = bench.copy().await;
    let request = application("op-1", 1);
    let first = bench.must_register(&request).await;
    assert_eq!(bench.must_register(&request).await, first, "the same again, not `existing`");
    let other = RegisterRequest { name: "李四".to_owned(), ..request.clone() };
    assert_eq!(refusal(bench.register(&other).await).0, "operation.conflict");

    // Refusals for business reasons are answers too, and stay when their reason is gone.
    let refused = RegisterRequest { phone: "12345".to_owned(), ..application("op-2", 2) };
    let problem = bench.register(&refused).await.expect_err("refused");
    assert_eq!(bench.register(&refused).await.expect_err("refused"), problem);
    assert_eq!(bench.members().await, 1);
    assert_eq!(bench.announced().await.len(), 1);

    // Another copy, another day: the same answer.
    assert!(running.stop().await);
    let again = bench.copy().await;
    assert_eq!(bench.must_register(&request).await, first);
    assert!(again.stop().await);
}

#[tokio::test]
async fn a_phone_in_any_spelling_is_one_member_who_is_not_changed() {
    let bench = Bench::start().await;
    let running = bench.copy().await;
    let first = bench.must_register(&application("op-0", 1)).await;
    for (index, phone) in ["+8613800000001", "008613800000001", "8613800000001", "138 0000-0001"].into_iter().enumerate() {
        let request = RegisterRequest {
            phone: phone.to_owned(),
            name: "别人".to_owned(),
            store: "SH02".to_owned(),
            consents: Some(vec!["email:promotion".to_owned()]),
            vehicles: vec![vehicle(Some(VIN), None)],
            store_confirmed: index % 2 == 0,
            ..application(&format!("op-{}", index + 1), 1)
        };
        let reply = bench.must_register(&request).await;
        assert_eq!((reply.member_id, &reply.member_no, reply.existing), (first.member_id, &first.member_no, true), "{phone}");
    }
    assert_eq!(bench.members().await, 1);
    assert_eq!(bench.number("select count(*) from member.vehicle").await, 0, "nothing was added");
    assert_eq!(bench.number("select count(*) from member.consent").await, 1);
    // The vehicle that came along with a known phone is still free.
    let owner = RegisterRequest { vehicles: vec![vehicle(Some(VIN), None)], ..application("op-9", 9) };
    assert!(!bench.must_register(&owner).await.existing);
    assert!(running.stop().await);
}

#[tokio::test]
async fn a_vehicle_of_another_member_registers_nothing() {
    let bench = Bench::start().await;
    let running = bench.copy().await;
    bench.must_register(&RegisterRequest { vehicles: vec![vehicle(Some(VIN), Some(PLATE))], ..application("op-1", 1) }).await;
    for (operation, taken) in [("op-2", vehicle(Some(&VIN.to_lowercase()), None)), ("op-3", vehicle(None, Some("沪A·12345")))] {
        let request = RegisterRequest { vehicles: vec![vehicle(Some("LSVAU2A37N2183295"), None), taken], ..application(operation, 2) };
        let expected = ("member.vehicle_taken".to_owned(), "/vehicles/1".to_owned());
        assert_eq!(refusal(bench.register(&request).await), expected);
    }
    assert_eq!(bench.members().await, 1);
    assert_eq!(bench.number("select count(*) from member.identity").await, 3, "no key of the refused ones is left");
    // Without the car, phone and other car are free.
    let alone = RegisterRequest { vehicles: vec![vehicle(Some("LSVAU2A37N2183295"), None)], ..application("op-4", 2) };
    assert!(!bench.must_register(&alone).await.existing);
    assert!(running.stop().await);
}

#[tokio::test]
async fn every_refusal_names_its_code_and_place() {
    type Change = fn(&mut RegisterRequest);
    let cases: &[(Change, &str, &str)] = &[
        (|r| r.store = "SH99".to_owned(), "member.unknown_store", "/store"),
        (|r| r.store = "not a code".to_owned(), "member.unknown_store", "/store"),
        (|r| r.name = String::new(), "member.bad_name", "/name"),
        (|r| r.phone = "021-12345678".to_owned(), "member.bad_phone", "/phone"),
        (|r| r.birthday = "2999-01-01".parse().ok(), "member.bad_birthday", "/birthday"),
        (|r| r.birthday = "1899-12-31".parse().ok(), "member.bad_birthday", "/birthday"),
        (|r| r.consents = Some(vec!["sms:service".into(), "sms:everything".into()]), "member.bad_consent", "/consents/1"),
        (|r| r.vehicles = vec![vehicle(None, None)], "member.bad_vehicle", "/vehicles/0"),
        (|r| r.vehicles = vec![vehicle(Some("short"), None)], "member.bad_vehicle", "/vehicles/0/vin"),
        (|r| r.vehicles = vec![vehicle(None, Some("12345"))], "member.bad_vehicle", "/vehicles/0/plate"),
        (|r| r.vehicles = vec![vehicle(Some(VIN), None), vehicle(Some(VIN), Some(PLATE))], "member.bad_vehicle", "/vehicles/1"),
        (|r| r.vehicles = vec![vehicle(None, None); 21], "member.bad_vehicle", "/vehicles"),
        (
            |r| {
                r.vehicles = vec![vehicle(Some(VIN), None)];
                r.vehicles[0].owned_since = "2999-01-01".parse().ok();
            },
            "member.bad_vehicle",
            "/vehicles/0/owned_since",
        ),
        (|r| r.wechat_openid = Some("open id".to_owned()), "member.bad_openid", "/wechat_openid"),
        (|r| r.operation_id = String::new(), "request.malformed", "/operation_id"),
    ];
    let bench = Bench::start().await;
    let running = bench.copy().await;
    for (index, (change, code, pointer)) in cases.iter().enumerate() {
        let mut request = application(&format!("op-{index}"), 1);
        change(&mut request);
        assert_eq!(refusal(bench.register(&request).await), ((*code).to_owned(), (*pointer).to_owned()));
    }
    assert_eq!(bench.members().await, 0);
    assert_eq!(bench.number("select count(*) from member.identity").await, 0);
    // The bad ones did not spoil the good one among them.
    let mut mixed: Vec<RegisterRequest> =
        (0..10).map(|i| RegisterRequest { name: String::new(), ..application(&format!("mix-{i}"), i) }).collect();
    mixed[4].name = "好人".to_owned();
    let answers = bench.register_all(&mixed).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert!(running.stop().await);
}

#[tokio::test]
async fn before_there_is_a_program_the_answer_is_to_come_again() {
    let bench = Bench::start().await;
    let running = bench.bare_copy().await;
    let request = application("op-1", 1);
    let problem = bench.register(&request).await.expect_err("no program");
    assert_eq!(problem.code, code::SERVICE_UNAVAILABLE.code);
    running.cx().programs.learn([program()]);
    assert!(!bench.must_register(&request).await.existing, "the same operation, not its refusal");
    assert!(running.stop().await);
}

#[tokio::test]
async fn without_the_vault_key_the_service_does_not_start() {
    let bench = Bench::start().await;
    let config = jifen_runtime::ServiceConfig { vault: None, ..service_config(&bench.env, "member") };
    let error = jifen_member::service().start(config).await.err().expect("refused").to_string();
    assert!(error.contains("vault key"), "{error}");
}
