//! What can be asked of members.

use std::collections::BTreeMap;

use jifen_contracts::endpoint::{
    Contacts, ContactsRequest, Empty, MemberCounts, MemberGet, MemberList, MemberListRequest, MemberRequest, MemberStatus, RegisterRequest,
};
use jifen_kernel::MemberId;
use jifen_runtime::ask;
use uuid::Uuid;

use super::support::{Bench, application, vehicle};

#[tokio::test]
async fn a_member_is_shown_masked() {
    let bench = Bench::start().await;
    let running = bench.copy().await;
    let request =
        RegisterRequest { vehicles: vec![vehicle(None, Some("沪A12345")), vehicle(None, Some("沪AD12345"))], ..application("op-1", 1) };
    let registered = bench.must_register(&request).await;
    let asked = MemberRequest { member_no: registered.member_no.clone() };
    let member = ask::<MemberGet>(&bench.caller, &asked).await.expect("member");
    assert_eq!((member.member_id, member.member_no, member.status), (registered.member_id, registered.member_no, MemberStatus::Active));
    assert_eq!((member.name_masked.as_str(), member.phone_masked.as_str()), ("王**", "138****0001"));
    assert_eq!((member.store.as_str(), member.vehicles), ("SH01", 2));
    assert_eq!(member.registered_at, bench.announced().await[0].data.registered_at, "event and row name one instant");
    for unknown in ["M1000000016", "M1000000009", "", "M\0", "'; drop table member"] {
        let asked = MemberRequest { member_no: unknown.to_owned() };
        let problem = ask::<MemberGet>(&bench.caller, &asked).await.expect_err("unknown");
        assert_eq!((problem.code.as_str(), problem.pointer.as_deref()), ("member.unknown", Some("/member_no")), "{unknown:?}");
    }
    assert!(running.stop().await);
}

#[tokio::test]
async fn many_are_asked_for_at_once() {
    let bench = Bench::start().await;
    let running = bench.copy().await;
    let active = bench.must_register(&application("op-1", 1)).await;
    let waiting = bench.must_register(&RegisterRequest { store_confirmed: false, ..application("op-2", 2) }).await;
    let names = [&active.member_no, "M1000000016", &waiting.member_no, "", "M\0"].map(ToString::to_string);
    let answer = ask::<MemberList>(&bench.caller, &MemberListRequest { member_nos: names.to_vec() }).await.expect("members").members;
    let shown: Vec<_> = answer.iter().map(|found| (found.member_id, found.member_no.as_str(), found.status)).collect();
    let expected = [
        (active.member_id, active.member_no.as_str(), MemberStatus::Active),
        (waiting.member_id, waiting.member_no.as_str(), MemberStatus::Registered),
    ];
    assert!(shown.len() == 2 && expected.iter().all(|found| shown.contains(found)), "{shown:?}");
    let many = MemberListRequest { member_nos: vec![active.member_no.clone(); 1_001] };
    let problem = ask::<MemberList>(&bench.caller, &many).await.expect_err("too many");
    assert_eq!((problem.code.as_str(), problem.pointer.as_deref()), ("request.malformed", Some("/member_nos")));
    assert!(running.stop().await);
}

#[tokio::test]
async fn contacts_are_of_those_who_exist() {
    let bench = Bench::start().await;
    let running = bench.copy().await;
    let one = bench.must_register(&application("op-1", 1)).await.member_id;
    let consents = Some(["wechat:promotion", "sms:service"].map(str::to_owned).into());
    let two = bench.must_register(&RegisterRequest { consents, ..application("op-2", 2) }).await.member_id;
    let three = bench.must_register(&RegisterRequest { consents: Some(vec![]), ..application("op-3", 3) }).await.member_id;

    let notification = bench.env.nats("notification").await;
    let asked = ContactsRequest { member_ids: vec![one, MemberId(Uuid::nil()), two, three, one] };
    let reply = ask::<Contacts>(&notification, &asked).await.expect("contacts");
    let contacts: BTreeMap<MemberId, (String, Vec<String>)> =
        reply.contacts.into_iter().map(|contact| (contact.member_id, (contact.phone, contact.consents))).collect();
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<String>>();
    assert_eq!(
        contacts,
        BTreeMap::from([
            (one, ("+8613800000001".to_owned(), words(&["sms:service"]))),
            (two, ("+8613800000002".to_owned(), words(&["sms:service", "wechat:promotion"]))),
            (three, ("+8613800000003".to_owned(), words(&[]))),
        ])
    );
    assert!(ask::<Contacts>(&notification, &ContactsRequest { member_ids: vec![one; 1000] }).await.is_ok());
    let problem = ask::<Contacts>(&notification, &ContactsRequest { member_ids: vec![one; 1001] }).await.expect_err("too many");
    assert_eq!((problem.code.as_str(), problem.pointer.as_deref()), ("request.malformed", Some("/member_ids")));

    let counts = ask::<MemberCounts>(&bench.caller, &Empty {}).await.expect("counts").counts;
    assert_eq!(counts, BTreeMap::from([("members".to_owned(), 3), ("members/active".to_owned(), 3)]));
    assert!(running.stop().await);
}

#[tokio::test]
async fn one_damaged_row_is_named_and_hides_nobody_else() {
    let bench = Bench::start().await;
    let running = bench.copy().await;
    let mut members = Vec::new();
    for number in 1..=3_u32 {
        members.push(bench.must_register(&application(&format!("op-{number}"), number.into())).await.member_id);
    }
    let damage = sqlx::query("update member.personal set sealed = '\\x00' where member_id = $1 and field = 'phone'");
    assert_eq!(damage.bind(members[1].0).execute(bench.env.admin_pool()).await.expect("damaged").rows_affected(), 1);
    let notification = bench.env.nats("notification").await;
    let reply = ask::<Contacts>(&notification, &ContactsRequest { member_ids: members.clone() }).await.expect("contacts");
    assert_eq!(reply.unreadable, [members[1]]);
    let mut readable: Vec<MemberId> = reply.contacts.into_iter().map(|contact| contact.member_id).collect();
    readable.sort();
    assert_eq!(readable, [members[0], members[2]]);
    assert!(running.stop().await);
}

#[tokio::test]
async fn a_store_asks_under_its_own_subject_for_itself_alone() {
    let bench = Bench::start().await;
    let running = bench.copy().await;
    let store = bench.env.nats("SH01").await;
    let ask_as_store = async |subject: &str, request: serde_json::Value| {
        let answer = store.request(subject.to_owned(), request.to_string().into()).await?;
        Ok::<serde_json::Value, async_nats::RequestError>(serde_json::from_slice(&answer.payload).expect("json"))
    };
    let mut request = serde_json::to_value(application("op-1", 1)).expect("json");
    request["store"] = "SH02".into();
    let refused = ask_as_store("api.member.member.register.SH01", request.clone()).await.expect("answer");
    assert_eq!((&refused["code"], &refused["pointer"]), (&"request.store_mismatch".into(), &"/store".into()));
    request.as_object_mut().expect("object").remove("store");
    let registered = ask_as_store("api.member.member.register.SH01", request).await.expect("answer");
    assert_eq!(registered["status"], "active", "not named, the store is its own: {registered}");
    let nobody = ask_as_store("api.member.member.counts.SH01", serde_json::json!({})).await;
    assert!(nobody.is_err(), "the figures of the group are not for a store");
    assert!(running.stop().await);
}
