//! What is known of a member, whole, and how it is changed.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};
use jifen_contracts::{
    KeyedHash,
    endpoint::{Language, MemberStatus, MemberUpdateRequest, VehicleInput},
};
use jifen_kernel::{MemberId, PersonName, Phone, StoreCode};

use super::{
    Deadline, IdentityKind, Known, MAX_VEHICLES, MemberNo, OpenId, Owner, Rejection, Vehicle, identity::vehicle_keys, read_birthday,
    read_vehicles,
};

/// Vehicles are numbered from 1; a number that is free again is given again. More cars than this would not fit into one event.
const LAST_VEHICLE_NO: i16 = 2_000;

/// A member without personal values: what stands in the member's own row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The member.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: MemberNo,
    /// The store of the registration.
    pub store: StoreCode,
    /// The state.
    pub status: MemberStatus,
    /// While the member waits for activation: the local day with whose beginning that lapses.
    pub lapses_on: Option<NaiveDate>,
    /// The local day on which that is to be announced; none once it was.
    pub warn_on: Option<NaiveDate>,
    /// Of the last event that is ordered.
    pub sequence: i64,
    /// The language to be told in.
    pub language: Language,
    /// The first calendar year in which the birthday counts.
    pub birthday_from_year: Option<i32>,
}

impl Standing {
    /// As the owner of keys.
    pub fn owner(&self) -> Owner {
        let Self { member_id, status, lapses_on, .. } = *self;
        Owner { member_id, member_no: self.member_no.clone(), status, lapses_on }
    }

    /// Active from now on.
    pub fn activate(&mut self) {
        (self.status, self.lapses_on, self.warn_on) = (MemberStatus::Active, None, None);
    }

    /// Out of a lapse: waiting until a deadline, or active.
    pub fn revive(&mut self, deadline: Option<Deadline>) {
        self.status = if deadline.is_some() { MemberStatus::Registered } else { MemberStatus::Active };
        self.lapses_on = deadline.map(|deadline| deadline.lapses_on);
        self.warn_on = deadline.and_then(|deadline| deadline.warn_on);
    }

    /// Lapsed from now on.
    pub fn lapse(&mut self) {
        (self.status, self.lapses_on, self.warn_on) = (MemberStatus::Lapsed, None, None);
    }
}

/// Everything that others may hear of, and the values behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The member's own row.
    pub standing: Standing,
    /// The name.
    pub name: PersonName,
    /// The phone.
    pub phone: Phone,
    /// Day of birth.
    pub birthday: Option<NaiveDate>,
    /// The identity at WeChat.
    pub wechat_openid: Option<OpenId>,
    /// The cars by their number.
    pub vehicles: BTreeMap<i16, Vehicle>,
}

impl Profile {
    /// The number of the vehicle that has this VIN or plate.
    pub fn number_of(&self, vehicle: &Vehicle) -> Option<i16> {
        let same = |other: &Vehicle| {
            (vehicle.vin.is_some() && other.vin == vehicle.vin) || (vehicle.plate.is_some() && other.plate == vehicle.plate)
        };
        self.vehicles.iter().find(|(_, other)| same(other)).map(|(number, _)| *number)
    }

    /// Adds a vehicle under the first free number; false if there is none.
    pub fn add(&mut self, vehicle: Vehicle) -> bool {
        let free = (1..=LAST_VEHICLE_NO).find(|number| !self.vehicles.contains_key(number));
        free.is_some_and(|number| self.vehicles.insert(number, vehicle).is_none())
    }
}

/// A change in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    name: Option<PersonName>,
    /// The new phone.
    pub phone: Option<Phone>,
    birthday: Option<NaiveDate>,
    wechat_openid: Option<OpenId>,
    language: Option<Language>,
    /// Vehicles to add.
    pub add: Vec<Vehicle>,
    /// Which of them came with their first day of ownership.
    dated: Vec<bool>,
    remove: Vec<Vehicle>,
}

/// The lists of a request that hold vehicles.
const ADDED: &str = "/add_vehicles";
const REMOVED: &str = "/remove_vehicles";

/// Why a change is refused, and in which list of vehicles if it is about one.
pub type Refused = (Rejection, &'static str);

/// Reads a change; `today` is the local day of the request.
pub fn read_change(request: &MemberUpdateRequest, today: NaiveDate) -> Result<Change, Refused> {
    let vehicles = |inputs: &[VehicleInput], list| read_vehicles(inputs, today).map_err(|why| (why, list));
    let read = || -> Result<Change, Rejection> {
        Ok(Change {
            name: request.name.as_deref().map(PersonName::try_new).transpose().map_err(|_| Rejection::BadName)?,
            phone: request.phone.as_deref().map(Phone::try_new).transpose().map_err(|_| Rejection::BadPhone)?,
            birthday: request.birthday.map(|day| read_birthday(day, today)).transpose()?,
            wechat_openid: request.wechat_openid.as_deref().map(OpenId::try_new).transpose()?,
            language: request.language,
            ..Change::default()
        })
    };
    Ok(Change {
        add: vehicles(&request.add_vehicles, ADDED)?,
        dated: request.add_vehicles.iter().map(|vehicle| vehicle.owned_since.is_some()).collect(),
        remove: vehicles(&request.remove_vehicles, REMOVED)?,
        ..read().map_err(|why| (why, ADDED))?
    })
}

/// The keys that a change asks for, hashed: those of its phone and of the vehicles it adds.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Of the new phone.
    pub phone: Option<KeyedHash>,
    /// Of VIN and plate, for each vehicle in its place.
    pub vehicles: Vec<(Option<KeyedHash>, Option<KeyedHash>)>,
}

impl Wanted {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (IdentityKind, &KeyedHash)> {
        let vehicles = self.vehicles.iter().flat_map(vehicle_keys);
        self.phone.iter().map(|phone| (IdentityKind::Phone, phone)).chain(vehicles)
    }
}

/// Changes a member, wholly or not at all, and notes the keys that are the member's now.
pub fn decide_change(profile: &mut Profile, change: &Change, wanted: &Wanted, known: &mut Known, today: NaiveDate) -> Result<(), Refused> {
    let taken = |key: &KeyedHash| known.owner(key).is_some_and(|owner| owner.member_id != profile.standing.member_id);
    if wanted.phone.as_ref().is_some_and(taken) {
        return Err((Rejection::PhoneTaken, ADDED));
    }
    if let Some(index) = wanted.vehicles.iter().position(|keys| vehicle_keys(keys).any(|(_, key)| taken(key))) {
        return Err((Rejection::VehicleTaken(index), ADDED));
    }
    let mut next = profile.clone();
    for (index, vehicle) in change.remove.iter().enumerate() {
        let number = next.number_of(vehicle).ok_or((Rejection::NotTheirVehicle(index), REMOVED))?;
        next.vehicles.remove(&number);
    }
    for (vehicle, dated) in change.add.iter().zip(&change.dated) {
        add_vehicle(&mut next, vehicle, *dated)?;
    }
    next.name = change.name.clone().unwrap_or(next.name);
    next.phone = change.phone.clone().unwrap_or(next.phone);
    next.wechat_openid = change.wechat_openid.clone().or(next.wechat_openid);
    next.standing.language = change.language.unwrap_or(next.standing.language);
    if let Some(birthday) = change.birthday {
        // The first one counts at once; a change must not bring a second birthday within a year.
        if next.birthday.is_some_and(|before| before != birthday) {
            next.standing.birthday_from_year = Some(today.year() + 1);
        }
        next.birthday = Some(birthday);
    }
    *profile = next;
    known.give(wanted.iter().map(|(_, key)| key), &profile.standing.owner());
    Ok(())
}

/// A vehicle that the member has gets what is new of it.
fn add_vehicle(profile: &mut Profile, vehicle: &Vehicle, dated: bool) -> Result<(), Refused> {
    let Some(had) = profile.number_of(vehicle).and_then(|number| profile.vehicles.get_mut(&number)) else {
        let fits = profile.vehicles.len() < MAX_VEHICLES && profile.add(vehicle.clone());
        return if fits { Ok(()) } else { Err((Rejection::TooManyVehicles, ADDED)) };
    };
    had.vin = vehicle.vin.clone().or(had.vin.take());
    had.plate = vehicle.plate.clone().or(had.plate.take());
    had.series = vehicle.series.clone().or(had.series.take());
    had.new_on = vehicle.new_on.or(had.new_on);
    if dated {
        had.owned_since = vehicle.owned_since;
    }
    Ok(())
}

#[cfg(test)]
#[path = "profile_tests.rs"]
mod tests;
