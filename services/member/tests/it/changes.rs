//! What is known of a member changes: values, vehicles, consents.

use futures_util::future::join_all;
use jifen_contracts::{
    endpoint::{ConsentChange, Contacts, MemberAnnounce, MemberSearch, MemberStatus, MemberUpdate, RegisterRequest},
    envelope::sequence_of,
    event::{MemberConsentChanged, MemberUpdated, MonthDay},
};
use jifen_runtime::{
    ask,
    crypto::{LookupKey, LookupKind},
};
use serde_json::json;

use super::support::{Bench, application, unconfirmed, vehicle};

const VIN: &str = "LSVAU2A37N2183294";
const PLATE: &str = "沪AD19283";
const NOW: &str = "2026-10-01T02:00:00Z";

#[tokio::test]
async fn a_change_is_told_whole_and_without_a_value() {
    let bench = Bench::start_at(NOW, json!({})).await;
    let running = bench.copy().await;
    let request = RegisterRequest { vehicles: vec![vehicle(Some(VIN), None)], ..application("op-1", 1) };
    let member_no = bench.must_register(&request).await.member_no;
    let change = json!({
        "operation_id": "change-1", "member_no": member_no, "name": "欧阳修远", "phone": "13900000001", "birthday": "1992-02-29",
        "wechat_openid": "oQ7dT5k_of-somebody", "language": "en",
        "add_vehicles": [{ "vin": VIN, "plate": PLATE, "owned_since": "2025-03-01", "series": "朗逸", "new_on": "2022-05-20" }],
    });
    let reply = bench.ask::<MemberUpdate>(change.clone()).await.expect("changed");
    assert_eq!((reply.changed, reply.birthday_from_year, reply.vehicles), (true, Some(2027), 1));
    assert_eq!(bench.ask::<MemberUpdate>(change.clone()).await.expect("the same answer"), reply);
    let mut same = change.clone();
    same["operation_id"] = "change-2".into();
    assert!(!bench.ask::<MemberUpdate>(same).await.expect("nothing new").changed);

    let events = bench.events::<MemberUpdated>().await;
    assert_eq!((events.len(), events[0].sequence.as_deref().and_then(sequence_of)), (1, Some(2)));
    let lookup = LookupKey::new(*bench.env.keys().lookup.expose());
    let told = &events[0].data;
    assert_eq!(told.phone, lookup.hash(LookupKind::Phone, "13900000001"));
    assert_eq!((told.birthday, told.birthday_from_year), (Some(MonthDay { month: 2, day: 29 }), Some(2027)));
    assert_eq!(
        (&told.vehicles[0].vin, &told.vehicles[0].plate),
        (&Some(lookup.hash(LookupKind::Vin, VIN)), &Some(lookup.hash(LookupKind::Plate, PLATE)))
    );
    assert_eq!(told.vehicles[0].owned_since, "2025-03-01".parse().expect("date"));
    assert_eq!((told.vehicles[0].series.as_deref(), told.vehicles[0].new_on), (Some("朗逸"), "2022-05-20".parse().ok()));
    let text = serde_json::to_string(&bench.outbox().await).expect("json");
    for value in ["1390000", "欧阳", "1992", VIN, "AD19283", "oQ7dT5k"] {
        assert!(!text.contains(value), "{value} was published");
    }

    // Who asks finds the new keys and not the old phone, which is free again.
    let find = |request| bench.ask::<MemberSearch>(request);
    for request in
        [json!({ "phone": "139-0000-0001" }), json!({ "vin": VIN }), json!({ "plate": PLATE }), json!({ "member_no": member_no })]
    {
        let found = find(request.clone()).await.expect("found").members;
        assert_eq!((found.len(), found[0].name_masked.as_str(), found[0].phone_masked.as_str()), (1, "欧***", "139****0001"), "{request}");
    }
    assert!(find(json!({ "phone": "13800000001" })).await.expect("nobody").members.is_empty());
    assert_eq!(find(json!({})).await.expect_err("nothing").code, "request.malformed");
    assert!(!bench.must_register(&application("op-2", 1)).await.existing);
    let notification = bench.env.nats("notification").await;
    let asked = jifen_contracts::endpoint::ContactsRequest { member_ids: vec![reply.member_id] };
    let contact = ask::<Contacts>(&notification, &asked).await.expect("contacts").contacts.remove(0);
    assert_eq!((contact.phone.as_str(), contact.wechat_openid.as_deref()), ("+8613900000001", Some("oQ7dT5k_of-somebody")));

    let gone = json!({ "operation_id": "change-3", "member_no": member_no, "remove_vehicles": [{ "plate": PLATE }] });
    assert_eq!(bench.ask::<MemberUpdate>(gone).await.expect("removed").vehicles, 0);
    assert!(
        !bench.must_register(&RegisterRequest { vehicles: vec![vehicle(Some(VIN), Some(PLATE))], ..application("op-3", 3) }).await.existing
    );
    assert_eq!(bench.number("select count(*) from member.personal where field like 'vin/%'").await, 1, "the value went with the car");
    assert!(running.stop().await);
}

#[tokio::test]
async fn what_another_has_is_refused_and_a_code_to_the_old_phone_is_void() {
    let bench = Bench::start_at(NOW, json!({})).await;
    let running = bench.copy().await;
    let member_no = bench.must_register(&unconfirmed("op-1", 1)).await.member_no;
    bench.must_register(&RegisterRequest { vehicles: vec![vehicle(Some(VIN), None)], ..application("op-2", 2) }).await;
    for (place, (change, code, pointer)) in [
        (json!({ "phone": "13800000002" }), "member.phone_taken", "/phone"),
        (json!({ "phone": "1" }), "member.bad_phone", "/phone"),
        (json!({ "add_vehicles": [{ "plate": PLATE }, { "vin": VIN }] }), "member.vehicle_taken", "/add_vehicles/1"),
        (json!({ "add_vehicles": [{ "vin": "short" }] }), "member.bad_vehicle", "/add_vehicles/0/vin"),
        (json!({ "remove_vehicles": [{ "plate": PLATE }] }), "member.bad_vehicle", "/remove_vehicles/0"),
        (json!({ "birthday": "2999-01-01" }), "member.bad_birthday", "/birthday"),
        (json!({ "wechat_openid": "" }), "member.bad_openid", "/wechat_openid"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut request = change.clone();
        request["operation_id"] = format!("bad-{place}").into();
        request["member_no"] = member_no.as_str().into();
        let problem = bench.ask::<MemberUpdate>(request).await.expect_err("refused");
        assert_eq!((problem.code.as_str(), problem.pointer.as_deref()), (code, Some(pointer)), "{change}");
    }
    assert!(bench.events::<MemberUpdated>().await.is_empty());
    assert_eq!(bench.number("select count(*) from member.identity").await, 3, "no key of the refused ones is left");

    let code = bench.code(&running, &member_no).await;
    bench.ask::<MemberUpdate>(json!({ "operation_id": "move", "member_no": member_no, "phone": "13700000000" })).await.expect("moved");
    assert_eq!(bench.activate("old phone", &member_no, &code).await.expect_err("void").code, "member.code_void");
    assert!(running.stop().await);
}

/// Two members who want one phone, over two copies: one has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_that_many_want_goes_to_one() {
    let bench = Bench::start_at(NOW, json!({})).await;
    let (one, two) = (bench.copy().await, bench.copy().await);
    let requests: Vec<_> = (0..12).map(|number| application(&format!("op-{number}"), number)).collect();
    let members: Vec<_> = bench.register_all(&requests).await.into_iter().map(|answer| answer.expect("registered")).collect();
    let want = members.iter().map(
        |member| json!({ "operation_id": format!("want-{}", member.member_no), "member_no": member.member_no, "phone": "13700000000" }),
    );
    let answers = join_all(want.map(|request| bench.ask::<MemberUpdate>(request))).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert!(answers.iter().filter_map(|answer| answer.as_ref().err()).all(|problem| problem.code == "member.phone_taken"));
    assert_eq!(bench.number("select count(*) from member.identity where kind = 'phone'").await, 12, "one phone each");
    assert!(one.stop().await && two.stop().await);
}

#[tokio::test]
async fn consents_are_granted_and_taken_back() {
    let bench = Bench::start_at(NOW, json!({})).await;
    let running = bench.copy().await;
    let member = bench.must_register(&application("op-1", 1)).await;
    let say = |operation: &str, channel: &str, purpose: &str, granted: bool| {
        let request =
            json!({ "operation_id": operation, "member_no": member.member_no, "channel": channel, "purpose": purpose, "granted": granted });
        bench.ask::<ConsentChange>(request)
    };
    let consents = |reply: jifen_contracts::endpoint::ConsentChangeReply| reply.consents;
    assert_eq!(consents(say("c-1", "wechat", "promotion", true).await.expect("granted")), ["sms:service", "wechat:promotion"]);
    assert_eq!(consents(say("c-2", "wechat", "promotion", true).await.expect("again")), ["sms:service", "wechat:promotion"]);
    assert_eq!(consents(say("c-3", "sms", "service", false).await.expect("taken back")), ["wechat:promotion"]);
    let by_id =
        json!({ "operation_id": "c-4", "member_id": member.member_id, "channel": "wechat", "purpose": "promotion", "granted": false });
    assert!(bench.ask::<ConsentChange>(by_id).await.expect("taken back").consents.is_empty());
    let by_phone = json!({ "operation_id": "c-7", "phone": "+8613800000001", "channel": "sms", "purpose": "promotion", "granted": false });
    assert_eq!(bench.ask::<ConsentChange>(by_phone).await.expect("never granted").member_no, member.member_no);
    let told: Vec<_> = bench.events::<MemberConsentChanged>().await;
    let told: Vec<_> = told
        .iter()
        .map(|event| (event.data.channel.as_str(), event.data.granted, event.sequence.as_deref().and_then(sequence_of)))
        .collect();
    assert_eq!(told, [("wechat", true, Some(2)), ("sms", false, Some(3)), ("wechat", false, Some(4))], "what is said again is not told");
    for (operation, channel, purpose, pointer) in [("c-5", "fax", "service", "/channel"), ("c-6", "sms", "everything", "/purpose")] {
        let problem = say(operation, channel, purpose, true).await.expect_err("unknown");
        assert_eq!((problem.code.as_str(), problem.pointer.as_deref()), ("member.bad_consent", Some(pointer)));
    }
    let notification = bench.env.nats("notification").await;
    let asked = jifen_contracts::endpoint::ContactsRequest { member_ids: vec![member.member_id] };
    assert!(ask::<Contacts>(&notification, &asked).await.expect("contacts").contacts[0].consents.is_empty());
    assert!(running.stop().await);
}

#[tokio::test]
async fn what_others_know_of_members_can_be_said_once_more() {
    let bench = Bench::start_at(NOW, json!({})).await;
    let running = bench.copy().await;
    let request = RegisterRequest { vehicles: vec![vehicle(Some(VIN), Some(PLATE))], ..application("op-1", 1) };
    let first = bench.must_register(&request).await;
    let waits = bench.must_register(&unconfirmed("op-2", 2)).await;
    let broken = bench.must_register(&application("op-3", 3)).await;
    let change = json!({ "operation_id": "change-1", "member_no": first.member_no, "birthday": "1992-02-29" });
    bench.ask::<MemberUpdate>(change).await.expect("changed");
    let spoilt = "update member.data_key set sealed = decode(repeat('00', 60), 'hex') where member_id = $1";
    sqlx::query(spoilt).bind(broken.member_id.0).execute(bench.env.admin_pool()).await.expect("spoilt");
    let announce = json!({ "operation_id": "announce-1" });
    let reply = bench.ask::<MemberAnnounce>(announce.clone()).await.expect("announced");
    assert_eq!((reply.announced, reply.unreadable.as_slice(), reply.after), (2, [broken.member_id].as_slice(), None));
    assert_eq!(bench.ask::<MemberAnnounce>(announce).await.expect("the same answer"), reply);
    let events = bench.events::<MemberUpdated>().await;
    let said: std::collections::BTreeMap<_, _> =
        events.iter().filter(|event| event.data.announced).map(|event| (event.data.member_id, event)).collect();
    assert_eq!(said.len(), 2);
    let whole = said[&first.member_id];
    let changed = events.iter().find(|event| !event.data.announced).expect("the change");
    // With the same sequence: whoever has heard of the change has nothing to do.
    assert_eq!((&whole.sequence, whole.data.birthday, whole.data.status), (&changed.sequence, changed.data.birthday, MemberStatus::Active));
    assert_eq!((whole.data.at, whole.data.vehicles.len()), (NOW.parse().expect("instant"), 1));
    let waits = said[&waits.member_id];
    assert_eq!((waits.sequence.as_deref().and_then(sequence_of), waits.data.status), (Some(1), MemberStatus::Registered));
    let last = [first.member_id, waits.data.member_id, broken.member_id].into_iter().max().expect("three");
    let rest = bench.ask::<MemberAnnounce>(json!({ "operation_id": "announce-2", "after": last })).await.expect("the rest");
    assert_eq!((rest.announced, rest.after), (0, None));
    assert!(running.stop().await);
}
