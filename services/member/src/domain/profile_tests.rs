//! Given a member, when something is to be changed, then.

use std::collections::HashMap;

use jifen_kernel::Vin;
use uuid::Uuid;

use super::*;

const VIN: &str = "LSVAU2A37N2183294";

fn today() -> NaiveDate {
    "2026-10-01".parse().expect("date")
}

fn member(number: u128) -> Profile {
    Profile {
        standing: Standing {
            member_id: MemberId(Uuid::from_u128(number)),
            member_no: MemberNo::of_ordinal(123_456_789).expect("number"),
            store: StoreCode::try_new("SH01").expect("store"),
            status: MemberStatus::Active,
            lapses_on: None,
            warn_on: None,
            sequence: 1,
            language: Language::Zh,
            birthday_from_year: None,
        },
        name: PersonName::try_new("王小明").expect("name"),
        phone: Phone::try_new("13800138000").expect("phone"),
        birthday: None,
        wechat_openid: None,
        vehicles: BTreeMap::new(),
    }
}

fn request() -> MemberUpdateRequest {
    serde_json::from_value(serde_json::json!({ "operation_id": "op", "member_no": "M" })).expect("request")
}

fn vehicle(vin: Option<&str>, plate: Option<&str>, owned_since: Option<&str>) -> VehicleInput {
    let owned_since = owned_since.map(|day| day.parse().expect("date"));
    VehicleInput { vin: vin.map(str::to_owned), plate: plate.map(str::to_owned), owned_since, series: None, new_on: None }
}

fn key(text: &str) -> KeyedHash {
    KeyedHash(format!("1:{text}"))
}

/// Changes a member on a day; keys are the values themselves here.
fn change(profile: &mut Profile, request: &MemberUpdateRequest, known: &mut Known, today: NaiveDate) -> Result<(), Refused> {
    let change = read_change(request, today)?;
    let of =
        |vehicle: &Vehicle| (vehicle.vin.as_ref().map(|vin| key(vin.expose())), vehicle.plate.as_ref().map(|plate| key(plate.expose())));
    let wanted = Wanted { phone: change.phone.as_ref().map(|phone| key(phone.expose())), vehicles: change.add.iter().map(of).collect() };
    decide_change(profile, &change, &wanted, known, today)
}

fn must(profile: &mut Profile, request: &MemberUpdateRequest) {
    change(profile, request, &mut Known::default(), today()).expect("changed");
}

#[test]
fn the_first_birthday_counts_at_once_and_a_change_from_the_next_year() {
    let mut profile = member(1);
    let birthday = |day: &str| MemberUpdateRequest { birthday: day.parse().ok(), ..request() };
    must(&mut profile, &birthday("1990-05-01"));
    assert_eq!((profile.birthday, profile.standing.birthday_from_year), ("1990-05-01".parse().ok(), None));
    must(&mut profile, &birthday("1990-05-01"));
    assert_eq!(profile.standing.birthday_from_year, None, "the same again is no change");
    must(&mut profile, &birthday("1990-11-01"));
    assert_eq!((profile.birthday, profile.standing.birthday_from_year), ("1990-11-01".parse().ok(), Some(2027)));
    let refused = change(&mut profile, &birthday("2026-10-02"), &mut Known::default(), today());
    assert_eq!(refused, Err((Rejection::BadBirthday, ADDED)));
}

#[test]
fn vehicles_come_are_completed_and_go() {
    let mut profile = member(1);
    must(&mut profile, &MemberUpdateRequest { add_vehicles: vec![vehicle(None, Some("沪A12345"), Some("2025-01-01"))], ..request() });
    must(&mut profile, &MemberUpdateRequest { add_vehicles: vec![vehicle(Some(VIN), Some("沪A12345"), None)], ..request() });
    assert_eq!(profile.vehicles.len(), 1, "the plate says that it is the same car");
    let car = profile.vehicles[&1].clone();
    assert_eq!((car.vin.as_ref().map(Vin::expose), car.owned_since), (Some(VIN), "2025-01-01".parse().expect("date")));
    let remove = MemberUpdateRequest { remove_vehicles: vec![vehicle(None, Some("沪A12345"), None)], ..request() };
    must(&mut profile, &remove);
    assert!(profile.vehicles.is_empty());
    let before = profile.clone();
    let both = MemberUpdateRequest { name: Some("李四".to_owned()), ..remove };
    assert_eq!(change(&mut profile, &both, &mut Known::default(), today()), Err((Rejection::NotTheirVehicle(0), REMOVED)));
    assert_eq!(profile, before, "wholly or not at all");
}

#[test]
fn nothing_of_another_member_is_taken() {
    let (mut profile, other) = (member(1), member(2).standing.owner());
    let mut known =
        Known::new(HashMap::from([(key("13900139000"), other.clone()), (key(VIN), other), (key("沪A12345"), profile.standing.owner())]));
    let phone = |phone: &str| MemberUpdateRequest { phone: Some(phone.to_owned()), ..request() };
    assert_eq!(change(&mut profile, &phone("139 0013 9000"), &mut known, today()), Err((Rejection::PhoneTaken, ADDED)));
    let cars = vec![vehicle(None, Some("沪A12345"), None), vehicle(Some(VIN), None, None)];
    let cars = MemberUpdateRequest { add_vehicles: cars, ..request() };
    assert_eq!(change(&mut profile, &cars, &mut known, today()), Err((Rejection::VehicleTaken(1), ADDED)));
    change(&mut profile, &phone("13700137000"), &mut known, today()).expect("a free one");
    assert_eq!(known.owner(&key("13700137000")), Some(&profile.standing.owner()), "and the next of the batch finds it taken");
}

#[test]
fn a_sold_car_leaves_whoever_had_it_with_its_plate() {
    use crate::domain::{SoldCar, decide_owner};
    let (mut buyer, mut before) = (member(1), member(2));
    must(&mut before, &MemberUpdateRequest { add_vehicles: vec![vehicle(Some(VIN), Some("沪A12345"), None)], ..request() });
    let vin = Vin::try_new(VIN).expect("vin");
    let sold = |owned_since, series: Option<&str>| SoldCar {
        owned_since,
        series: series.map(str::to_owned),
        new_on: "2026-09-25".parse().expect("date"),
    };
    assert_eq!(decide_owner(&mut buyer, Some(&mut before), &vin, &sold(today(), Some("朗逸"))), Some(true));
    assert!(before.vehicles.is_empty());
    assert_eq!(buyer.vehicles[&1].plate.as_ref().map(|plate| plate.expose().to_owned()).as_deref(), Some("沪A12345"));
    assert_eq!(decide_owner(&mut buyer, None, &vin, &sold(today(), None)), Some(false), "the same again: what is known of it stays");
    assert_eq!(buyer.vehicles[&1].series.as_deref(), Some("朗逸"));
    let day = "2026-09-20".parse().expect("date");
    assert_eq!(decide_owner(&mut buyer, None, &vin, &sold(day, None)), Some(true));
    assert_eq!(buyer.vehicles[&1].owned_since, day);
}
