//! From personal values to the hashes they are looked up by: the only place here that sees a customer's keys in the clear.

use chrono::NaiveDate;
use jifen_contracts::{KeyedHash, document::Customer, event::MemberRegistered};
use jifen_runtime::{Ctx, crypto::LookupKind};

use crate::domain::customer::{Key, Keys};

fn phone(hash: &KeyedHash) -> Key {
    Key(format!("phone:{}", hash.0))
}

fn vin(hash: &KeyedHash) -> Key {
    Key(format!("vin:{}", hash.0))
}

fn plate(hash: &KeyedHash) -> Key {
    Key(format!("plate:{}", hash.0))
}

/// Hashed as well, with a key of this service's own: tills do put phone numbers where the member number belongs.
fn member_no(cx: &Ctx, number: &str) -> Key {
    Key(format!("no:{}", hex::encode(cx.seal.hash(number.as_bytes()))))
}

/// The keys that a document names its customer with.
pub fn of_customer(cx: &Ctx, customer: &Customer) -> Keys {
    let hash = |kind, value: &str| cx.lookup.hash(kind, value);
    let vin_hash = customer.vin.as_ref().map(|value| hash(LookupKind::Vin, value.expose()));
    let plate_hash = customer.plate.as_ref().map(|value| hash(LookupKind::Plate, value.expose()));
    Keys {
        member_no: customer.member_no.as_deref().map(|number| member_no(cx, number)),
        phone: customer.phone.as_ref().map(|value| phone(&hash(LookupKind::Phone, value.expose()))),
        vin: vin_hash.as_ref().map(vin),
        plate: plate_hash.as_ref().map(plate),
        vehicle: vin_hash.or(plate_hash),
    }
}

/// The keys of a new member, those of vehicles with the first day of ownership.
pub fn of_member(cx: &Ctx, member: &MemberRegistered) -> Vec<(Key, Option<NaiveDate>)> {
    let mut keys = vec![(member_no(cx, &member.member_no), None), (phone(&member.phone), None)];
    for vehicle in &member.vehicles {
        keys.extend(vehicle.vin.as_ref().map(|hash| (vin(hash), Some(vehicle.owned_since))));
        keys.extend(vehicle.plate.as_ref().map(|hash| (plate(hash), Some(vehicle.owned_since))));
    }
    keys
}
