//! Given what is known, when somebody applies, then.

use std::collections::HashMap;

use chrono::NaiveDate;
use jifen_contracts::{
    KeyedHash,
    endpoint::{MemberStatus, RegisterRequest, VehicleInput},
    program::{Membership, Program},
};
use jifen_kernel::MemberId;
use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use super::{
    Applicant, Candidate, Deadline, Decision, IdentityKind, Keys, Known, MemberNo, Owner, Rejection, decide_register, read_applicant,
};

fn program() -> Program {
    serde_json::from_value(json!({
        "name": "test", "time_zone": "Asia/Shanghai",
        "stores": [{"code": "SH01", "name": {"zh": "一店", "en": "Store 1"}}],
        "earn": {"rates": {"repair": "1"}, "first_spending": 100},
        "expiry": {"months": 24, "mode": "end_of_month", "min_days_after_posting": 30},
        "tiers": [{"code": "regular", "name": {"zh": "普通", "en": "Regular"}, "from": 0}],
        "campaigns": [],
        "messages": {"sign": "积分", "templates": []}
    }))
    .expect("program")
}

fn today() -> NaiveDate {
    "2026-10-01".parse().expect("date")
}

fn request() -> RegisterRequest {
    RegisterRequest {
        operation_id: "op".to_owned(),
        store: "SH01".to_owned(),
        name: " 王小明 ".to_owned(),
        phone: "+86 138-0013-8000".to_owned(),
        birthday: "1990-05-01".parse().ok(),
        consents: None,
        vehicles: vec![VehicleInput {
            vin: Some("lsvau2a37n2183294".to_owned()),
            plate: Some("沪A·12345".to_owned()),
            owned_since: None,
            series: None,
            new_on: None,
        }],
        store_confirmed: true,
        wechat_openid: None,
        language: None,
    }
}

fn consents(applicant: &Applicant) -> Vec<String> {
    applicant.consents.iter().map(ToString::to_string).collect()
}

#[test]
fn an_application_is_read_into_one_spelling() {
    let applicant = read_applicant(&request(), &program(), today()).expect("applicant");
    assert_eq!(applicant.name.expose(), "王小明");
    assert_eq!(applicant.phone.expose(), "13800138000");
    assert_eq!(applicant.vehicles[0].vin.as_ref().expect("vin").expose(), "LSVAU2A37N2183294");
    assert_eq!(applicant.vehicles[0].plate.as_ref().expect("plate").expose(), "沪A12345");
    assert_eq!(applicant.vehicles[0].owned_since, today());
    assert_eq!(consents(&applicant), ["sms:service"]);
    let several =
        RegisterRequest { consents: Some(["wechat:promotion", "sms:service", "wechat:promotion"].map(str::to_owned).into()), ..request() };
    assert_eq!(consents(&read_applicant(&several, &program(), today()).expect("applicant")), ["sms:service", "wechat:promotion"]);
    let none = RegisterRequest { consents: Some(vec![]), ..request() };
    assert!(read_applicant(&none, &program(), today()).expect("applicant").consents.is_empty(), "none means none");
}

#[test]
fn every_fault_of_an_application_is_named() {
    type Change = fn(&mut RegisterRequest);
    let cases: &[(Change, Rejection)] = &[
        (|r| r.store = "SH99".to_owned(), Rejection::UnknownStore),
        (|r| r.store = "*".to_owned(), Rejection::UnknownStore),
        (|r| r.name = "  ".to_owned(), Rejection::BadName),
        (|r| r.name = "a\0b".to_owned(), Rejection::BadName),
        (|r| r.phone = "12345".to_owned(), Rejection::BadPhone),
        (|r| r.birthday = "2026-10-02".parse().ok(), Rejection::BadBirthday),
        (|r| r.birthday = "1899-12-31".parse().ok(), Rejection::BadBirthday),
        (|r| r.consents = Some(vec!["sms:service".to_owned(), "fax:service".to_owned()]), Rejection::BadConsent(1)),
        (|r| r.consents = Some(vec!["sms:spam".to_owned()]), Rejection::BadConsent(0)),
        (|r| r.consents = Some(vec!["sms".to_owned()]), Rejection::BadConsent(0)),
        (|r| r.wechat_openid = Some("o Q".to_owned()), Rejection::BadOpenId),
        (|r| r.vehicles[0].vin = Some("OOO".to_owned()), Rejection::BadVehicle { index: 0, field: "vin" }),
        (|r| r.vehicles[0].plate = Some(String::new()), Rejection::BadVehicle { index: 0, field: "plate" }),
        (|r| r.vehicles[0].owned_since = "2026-10-02".parse().ok(), Rejection::BadVehicle { index: 0, field: "owned_since" }),
        (
            |r| r.vehicles.push(VehicleInput { vin: None, plate: None, owned_since: None, series: None, new_on: None }),
            Rejection::EmptyVehicle(1),
        ),
        (|r| r.vehicles.push(r.vehicles[0].clone()), Rejection::RepeatedVehicle(1)),
        (|r| r.vehicles = vec![r.vehicles[0].clone(); 21], Rejection::TooManyVehicles),
    ];
    for (change, expected) in cases {
        let mut request = request();
        change(&mut request);
        assert_eq!(read_applicant(&request, &program(), today()).as_ref(), Err(expected));
    }
    let on_the_day = RegisterRequest { birthday: Some(today()), ..request() };
    assert!(read_applicant(&on_the_day, &program(), today()).is_ok(), "born today is not the future");
}

fn key(kind: &str, number: u8) -> KeyedHash {
    KeyedHash(format!("1:{kind}{number}"))
}

fn candidate(place: u8, phone: u8, vehicles: &[(Option<u8>, Option<u8>)]) -> Candidate {
    Candidate {
        member_id: MemberId(Uuid::from_u128(u128::from(place) + 1)),
        applicant: read_applicant(&request(), &program(), today()).expect("applicant"),
        keys: Keys {
            phone: key("phone", phone),
            vehicles: vehicles
                .iter()
                .map(|(vin, plate)| (vin.map(|vin| key("vin", vin)), plate.map(|plate| key("plate", plate))))
                .collect(),
        },
    }
}

fn numbers() -> impl Iterator<Item = MemberNo> {
    (100_000_000..).filter_map(MemberNo::of_ordinal)
}

#[test]
fn a_known_phone_answers_its_member_whatever_else_is_said() {
    let owner = Owner {
        member_id: MemberId(Uuid::nil()),
        member_no: MemberNo::of_ordinal(123_456_789).expect("number"),
        status: MemberStatus::Active,
        lapses_on: None,
    };
    let mut known = Known::new(HashMap::from([(key("phone", 1), owner.clone()), (key("vin", 1), owner.clone())]));
    let mut unconfirmed = candidate(0, 1, &[(Some(1), None)]);
    unconfirmed.applicant.deadline = Some(deadline());
    assert_eq!(decide_register(&mut known, &unconfirmed, today(), &mut numbers()), Some(Decision::Existing(owner)));
}

fn deadline() -> Deadline {
    Deadline::after(today(), &program().membership)
}

#[test]
fn a_registration_waits_for_seven_days_after_its_own() {
    let day = |text: &str| text.parse::<NaiveDate>().expect("date");
    assert_eq!(deadline(), Deadline { lapses_on: day("2026-10-09"), warn_on: Some(day("2026-10-07")) });
    let rules = |activation_days, lapse_warning_days| Membership { activation_days, lapse_warning_days, ..Membership::default() };
    assert_eq!(Deadline::after(today(), &rules(1, 2)).warn_on, None, "there is no day left to warn on");
    assert_eq!(Deadline::after(today(), &rules(7, 0)).warn_on, None, "no warning is wanted");
}

#[test]
fn who_is_not_confirmed_waits_and_who_lapsed_is_the_same_member_again() {
    let (mut known, mut numbers) = (Known::default(), numbers());
    let unconfirmed = RegisterRequest { store_confirmed: false, ..request() };
    let mut first = candidate(0, 1, &[(Some(1), None)]);
    first.applicant = read_applicant(&unconfirmed, &program(), today()).expect("applicant");
    assert_eq!(first.applicant.status(), MemberStatus::Registered);
    let Some(Decision::Registered(number)) = decide_register(&mut known, &first, today(), &mut numbers) else { panic!("registered") };
    // On its last day it still waits: registering again changes nothing, confirmed or not.
    let last = deadline().lapses_on.pred_opt().expect("date");
    let again = candidate(1, 1, &[(Some(2), None)]);
    let Some(Decision::Existing(owner)) = decide_register(&mut known, &again, last, &mut numbers) else { panic!("existing") };
    assert_eq!((owner.status, &owner.member_no), (MemberStatus::Registered, &number));
    // From the next day on it is a lapsed one, whether a run has said so or not; its car stays taken.
    let lapsed = deadline().lapses_on;
    let other = candidate(2, 2, &[(Some(1), None)]);
    assert_eq!(decide_register(&mut known, &other, lapsed, &mut numbers), Some(Decision::Rejected(Rejection::VehicleTaken(0))));
    let Some(Decision::Revived(owner)) = decide_register(&mut known, &again, lapsed, &mut numbers) else { panic!("revived") };
    assert_eq!((owner.member_id, owner.status, &owner.member_no), (first.member_id, MemberStatus::Active, &number));
    assert!(matches!(decide_register(&mut known, &again, lapsed, &mut numbers), Some(Decision::Existing(_))), "revived once");
}

#[test]
fn a_taken_application_registers_nothing_and_takes_nothing() {
    let mut known = Known::default();
    let mut numbers = numbers();
    let next = candidate(1, 2, &[(Some(1), Some(1))]);
    assert!(matches!(decide_register(&mut known, &next, today(), &mut numbers), Some(Decision::Registered(_))));
    // The plate is enough, also on a vehicle with another VIN; and its own first vehicle stays free.
    let taken = candidate(2, 3, &[(Some(5), None), (Some(6), Some(1))]);
    assert_eq!(decide_register(&mut known, &taken, today(), &mut numbers), Some(Decision::Rejected(Rejection::VehicleTaken(1))));
    let last = candidate(3, 3, &[(Some(5), None)]);
    let Some(Decision::Registered(number)) = decide_register(&mut known, &last, today(), &mut numbers) else { panic!("registered") };
    assert_eq!(number, MemberNo::of_ordinal(100_000_001).expect("number"), "refusals use no number up");
}

#[test]
fn without_a_number_there_is_no_decision() {
    assert_eq!(decide_register(&mut Known::default(), &candidate(0, 1, &[]), today(), &mut std::iter::empty()), None);
}

proptest! {
    /// Whatever comes in whatever order: a phone has one member, a vehicle one owner, and everybody with the phone is
    /// told the same member.
    #[test]
    fn a_phone_is_one_member(
        batch in prop::collection::vec((0_u8..6, prop::collection::vec((prop::option::of(0_u8..4), prop::option::of(0_u8..4)), 0..3)), 1..30)
    ) {
        let (mut known, mut numbers) = (Known::default(), numbers());
        let mut members: HashMap<KeyedHash, MemberId> = HashMap::new();
        let mut owners: HashMap<KeyedHash, MemberId> = HashMap::new();
        for (place, (phone, vehicles)) in batch.iter().enumerate() {
            let candidate = candidate(u8::try_from(place).expect("few"), *phone, vehicles);
            match decide_register(&mut known, &candidate, today(), &mut numbers).expect("numbers never end") {
                Decision::Registered(_) => {
                    prop_assert!(members.insert(candidate.keys.phone.clone(), candidate.member_id).is_none());
                    for (kind, key) in candidate.keys.iter() {
                        if kind != IdentityKind::Phone {
                            let other = owners.insert(key.clone(), candidate.member_id);
                            prop_assert!(other.is_none_or(|other| other == candidate.member_id));
                        }
                    }
                }
                Decision::Existing(owner) => prop_assert_eq!(members.get(&candidate.keys.phone), Some(&owner.member_id)),
                Decision::Rejected(Rejection::VehicleTaken(index)) => {
                    let (vin, plate) = &candidate.keys.vehicles[index];
                    prop_assert!([vin, plate].into_iter().flatten().any(|key| owners.contains_key(key)));
                    prop_assert!(!members.contains_key(&candidate.keys.phone));
                }
                Decision::Revived(_) => prop_assert!(false, "nobody has lapsed"),
                Decision::Rejected(other) => prop_assert!(false, "{}", other),
            }
        }
    }
}
