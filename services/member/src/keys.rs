//! From personal values to the hashes they are looked up by.

use jifen_contracts::KeyedHash;
use jifen_kernel::{Phone, Vin};
use jifen_runtime::crypto::{LookupKey, LookupKind};

use crate::domain::{Applicant, Change, Keys, Profile, Vehicle, Wanted};

/// Of a phone.
pub fn of_phone(lookup: &LookupKey, phone: &Phone) -> KeyedHash {
    lookup.hash(LookupKind::Phone, phone.expose())
}

/// Of a VIN.
pub fn of_vin(lookup: &LookupKey, vin: &Vin) -> KeyedHash {
    lookup.hash(LookupKind::Vin, vin.expose())
}

fn of_vehicle(lookup: &LookupKey, vehicle: &Vehicle) -> (Option<KeyedHash>, Option<KeyedHash>) {
    let plate = vehicle.plate.as_ref().map(|plate| lookup.hash(LookupKind::Plate, plate.expose()));
    (vehicle.vin.as_ref().map(|vin| of_vin(lookup, vin)), plate)
}

/// Of an applicant.
pub fn of_applicant(lookup: &LookupKey, applicant: &Applicant) -> Keys {
    let vehicles = applicant.vehicles.iter().map(|vehicle| of_vehicle(lookup, vehicle)).collect();
    Keys { phone: of_phone(lookup, &applicant.phone), vehicles }
}

/// Of a member; the vehicles in the order of their numbers.
pub fn of_profile(lookup: &LookupKey, profile: &Profile) -> Keys {
    let vehicles = profile.vehicles.values().map(|vehicle| of_vehicle(lookup, vehicle)).collect();
    Keys { phone: of_phone(lookup, &profile.phone), vehicles }
}

/// Of what a change asks for.
pub fn of_change(lookup: &LookupKey, change: &Change) -> Wanted {
    let vehicles = change.add.iter().map(|vehicle| of_vehicle(lookup, vehicle)).collect();
    Wanted { phone: change.phone.as_ref().map(|phone| of_phone(lookup, phone)), vehicles }
}
