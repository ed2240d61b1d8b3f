//! Whose document it is (DOMAIN, exact default 7).

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use jifen_contracts::KeyedHash;
use jifen_kernel::{MemberId, clock::local_date};

/// A customer's key as it is looked up: `phone:<keyed hash>` and the like, never a plain value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub String);

/// The keys that a document names its customer with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys {
    /// The number on the card.
    pub member_no: Option<Key>,
    /// Mobile number.
    pub phone: Option<Key>,
    /// Vehicle identification number.
    pub vin: Option<Key>,
    /// Number plate.
    pub plate: Option<Key>,
    /// The vehicle as events name it: VIN, else plate.
    pub vehicle: Option<KeyedHash>,
}

impl Keys {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Key> {
        [&self.member_no, &self.phone, &self.vin, &self.plate].into_iter().flatten()
    }
}

/// The vehicles' keys of a set of documents.
pub fn vehicle_keys<'a>(documents: impl IntoIterator<Item = &'a Keys>) -> BTreeSet<Key> {
    documents.into_iter().flat_map(|keys| [&keys.vin, &keys.plate]).flatten().cloned().collect()
}

/// Every key of a set of documents, in the order in which keys are locked.
pub fn all_keys<'a>(documents: impl IntoIterator<Item = &'a Keys>) -> BTreeSet<Key> {
    documents.into_iter().flat_map(Keys::iter).cloned().collect()
}

/// The member who has a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Who.
    pub member_id: MemberId,
    /// The number on the member's card.
    pub member_no: String,
    /// A vehicle's key: the first local day on which the member owned it.
    pub owned_since: Option<NaiveDate>,
    /// When the member registered with it, or was first known to have it.
    pub known_at: DateTime<Utc>,
    /// The member is not activated.
    pub awaiting_activation: bool,
}

/// The look-up: members by key. Keys that nobody has are missing.
pub type Owners = BTreeMap<Key, Owner>;

/// A member who had a vehicle's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Former {
    /// Who, since when.
    pub owner: Owner,
    /// When somebody first said that the member has it no more.
    pub left_at: DateTime<Utc>,
}

/// The members whom vehicles' keys left.
pub type Formers = BTreeMap<Key, Vec<Former>>;

/// Whose the document's vehicle was on its day, where nobody is found whose it is: the last local day is that on which it was said to be
/// no longer theirs. Of several the one who had it last. The plate speaks only where the VIN says nothing.
pub fn former_owner<'a>(keys: &Keys, formers: &'a Formers, business_date: NaiveDate, zone: Tz) -> Option<&'a Owner> {
    let had = |former: &&Former| {
        former.owner.owned_since.is_some_and(|since| since <= business_date) && business_date <= local_date(former.left_at, zone)
    };
    let of = |key: &Option<Key>| {
        let all = formers.get(key.as_ref()?)?;
        all.iter().filter(had).max_by_key(|former| (former.owner.owned_since, former.left_at, former.owner.member_id.0))
    };
    of(&keys.vin).or_else(|| of(&keys.plate)).map(|former| &former.owner)
}

/// Who earns a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Earner<'a> {
    /// This member.
    Member(&'a Owner),
    /// Nobody who is known (yet).
    Unknown,
    /// The phone's member and the vehicle's owner are different members.
    Disagree,
}

/// Who earns: `member_no` wins; else the phone's member and the vehicle's owner must agree; if only one of them is known,
/// that one decides. The plate speaks for the vehicle only where the VIN says nothing, since plates move from car to car.
/// A vehicle says nothing about days before its owner had it.
pub fn decide_earner<'a>(keys: &Keys, owners: &'a Owners, business_date: NaiveDate) -> Earner<'a> {
    let owner = |key: &Option<Key>| key.as_ref().and_then(|key| owners.get(key));
    let then = |owner: &&Owner| owner.owned_since.is_none_or(|since| since <= business_date);
    if let Some(member) = owner(&keys.member_no) {
        return Earner::Member(member);
    }
    let vehicle = owner(&keys.vin).filter(then).or_else(|| owner(&keys.plate).filter(then));
    match (owner(&keys.phone), vehicle) {
        (Some(phone), Some(vehicle)) if phone.member_id != vehicle.member_id => Earner::Disagree,
        (Some(phone), _) => Earner::Member(phone),
        (None, Some(vehicle)) => Earner::Member(vehicle),
        (None, None) => Earner::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::samples::{key, owner};

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("date")
    }

    fn keys(member_no: &str, phone: &str, vin: &str, plate: &str) -> Keys {
        let some = |text: &str| (!text.is_empty()).then(|| key(text));
        Keys { member_no: some(member_no), phone: some(phone), vin: some(vin), plate: some(plate), vehicle: None }
    }

    /// Member 1 has a card, a phone, a VIN since 1 September and a plate since then; member 2 has others.
    fn owners() -> Owners {
        [
            ("n1", owner(1, None)),
            ("p1", owner(1, None)),
            ("v1", owner(1, Some("2026-09-01"))),
            ("k1", owner(1, Some("2026-09-01"))),
            ("n2", owner(2, None)),
            ("p2", owner(2, None)),
            ("v2", owner(2, Some("2026-09-01"))),
            ("k2", owner(2, Some("2026-08-01"))),
        ]
        .map(|(text, owner)| (key(text), owner))
        .into()
    }

    #[test]
    fn every_combination_of_keys_has_its_earner() {
        // member_no, phone, VIN, plate on 1 October -> 0 unknown, 9 disagree, else the member
        let cases = [
            (("n1", "", "", ""), 1),
            (("n1", "p2", "v2", "k2"), 1),
            (("nx", "p1", "", ""), 1),
            (("nx", "", "", ""), 0),
            (("nx", "p1", "v2", ""), 9),
            (("", "p1", "", ""), 1),
            (("", "px", "", ""), 0),
            (("", "p1", "v1", ""), 1),
            (("", "p1", "v2", ""), 9),
            (("", "p1", "", "k2"), 9),
            (("", "p1", "vx", ""), 1),
            (("", "p1", "vx", "kx"), 1),
            (("", "px", "v2", ""), 2),
            (("", "px", "", "k2"), 2),
            (("", "", "v1", ""), 1),
            (("", "", "vx", "k1"), 1),
            (("", "", "v1", "k2"), 1),
            (("", "p1", "v1", "k2"), 1),
            (("", "p2", "v1", "k2"), 9),
            (("", "px", "vx", "kx"), 0),
        ];
        let owners = owners();
        for ((member_no, phone, vin, plate), expected) in cases {
            let earner = decide_earner(&keys(member_no, phone, vin, plate), &owners, day("2026-10-01"));
            let found = match earner {
                Earner::Member(owner) => owner.member_id.0.as_u128(),
                Earner::Unknown => 0,
                Earner::Disagree => 9,
            };
            assert_eq!(found, expected, "{member_no} {phone} {vin} {plate}");
        }
    }

    #[test]
    fn a_vehicle_says_nothing_about_days_before_its_owner_had_it() {
        let owners = owners();
        let by_vin = keys("", "", "v1", "");
        assert!(matches!(decide_earner(&by_vin, &owners, day("2026-09-01")), Earner::Member(_)));
        assert_eq!(decide_earner(&by_vin, &owners, day("2026-08-31")), Earner::Unknown);
        // Then it can't disagree with the phone either, and the plate may speak.
        assert!(
            matches!(decide_earner(&keys("", "p2", "v1", ""), &owners, day("2026-08-31")), Earner::Member(owner) if owner.member_no == "M2")
        );
        assert!(
            matches!(decide_earner(&keys("", "", "v1", "k2"), &owners, day("2026-08-31")), Earner::Member(owner) if owner.member_no == "M2")
        );
    }

    #[test]
    fn who_had_the_vehicle_is_found_for_the_days_on_which_they_had_it() {
        let former = |member: u128, since: &str, left_at: &str| Former {
            owner: owner(member, Some(since)),
            left_at: left_at.parse().expect("instant"),
        };
        // Member 1 until 10 October 23:59 in Shanghai, member 2 for a week behind it; member 3 had the plate all the time.
        let formers: Formers = [
            (key("v1"), vec![former(2, "2026-10-11", "2026-10-18T02:00:00Z"), former(1, "2026-01-01", "2026-10-10T15:59:59Z")]),
            (key("k1"), vec![former(3, "2026-01-01", "2026-12-31T00:00:00Z")]),
        ]
        .into();
        let shanghai = chrono_tz::Asia::Shanghai;
        let found = |vin: &str, plate: &str, on: &str| {
            former_owner(&keys("", "", vin, plate), &formers, day(on), shanghai).map(|owner| owner.member_id.0.as_u128())
        };
        let cases =
            [("2025-12-31", None), ("2026-01-01", Some(1)), ("2026-10-10", Some(1)), ("2026-10-11", Some(2)), ("2026-10-18", Some(2))];
        for (on, expected) in cases {
            assert_eq!(found("v1", "", on), expected, "{on}");
        }
        assert_eq!((found("v1", "", "2026-10-19"), found("v1", "k1", "2026-10-19")), (None, Some(3)));
        assert_eq!((found("v1", "k1", "2026-10-10"), found("", "", "2026-10-10")), (Some(1), None));
    }
}
