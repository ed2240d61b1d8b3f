//! From personal values to the hashes they are looked up by: the only place here that sees a customer's keys in the clear.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use jifen_contracts::{
    EventType, KeyedHash,
    document::{Buyer, Customer},
    endpoint::MemberStatus,
    event::{MemberActivated, MemberLapsed, MemberRegistered, MemberUpdated, VehicleKeys},
};
use jifen_kernel::Vin;
use jifen_runtime::{Ctx, crypto::LookupKind};

use crate::domain::{
    content::Content,
    customer::{Key, Keys},
    member::{KeyNews, News},
};

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

fn of_customer(cx: &Ctx, customer: &Customer) -> Keys {
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

/// A vehicle as events name it.
pub fn vehicle_of(cx: &Ctx, vin: &Vin) -> KeyedHash {
    cx.lookup.hash(LookupKind::Vin, vin.expose())
}

/// The keys that a document names its customer with. A car that was sold is new to its owner: it says nothing of who that is.
pub fn of_document(cx: &Ctx, content: &Content) -> Keys {
    match content {
        Content::Invoice(invoice) => of_customer(cx, &invoice.customer),
        Content::Interaction(interaction) => of_customer(cx, &interaction.customer),
        Content::PartnerPurchase(purchase) => of_customer(cx, &purchase.customer),
        // They are whose invoice they are about.
        Content::Refund(_) | Content::Void(_) | Content::DayClose(_) => Keys::default(),
        Content::VehicleSale(sale) => {
            let Buyer { member_no, phone } = sale.customer.clone();
            of_customer(cx, &Customer { member_no, phone, vin: None, plate: None })
        }
    }
}

/// What an event says of a member, in the words of the look-up.
pub trait SaysOfMember: EventType {
    /// `sequence`: the envelope's.
    fn news(&self, cx: &Ctx, sequence: i64) -> News;
}

/// All keys of a member, those of vehicles with the first day of ownership.
fn of_member(cx: &Ctx, number: &str, phone_hash: &KeyedHash, vehicles: &[VehicleKeys]) -> BTreeMap<Key, Option<NaiveDate>> {
    let mut keys: BTreeMap<Key, Option<NaiveDate>> = [(member_no(cx, number), None), (phone(phone_hash), None)].into();
    for vehicle in vehicles {
        keys.extend(vehicle.vin.as_ref().map(|hash| (vin(hash), Some(vehicle.owned_since))));
        keys.extend(vehicle.plate.as_ref().map(|hash| (plate(hash), Some(vehicle.owned_since))));
    }
    keys
}

impl SaysOfMember for MemberRegistered {
    fn news(&self, cx: &Ctx, sequence: i64) -> News {
        let keys = of_member(cx, &self.member_no, &self.phone, &self.vehicles);
        News {
            member_id: self.member_id,
            member_no: self.member_no.clone(),
            sequence,
            at: self.registered_at,
            awaiting_activation: self.status != MemberStatus::Active,
            keys: Some(KeyNews { keys, registration: true }),
        }
    }
}

impl SaysOfMember for MemberUpdated {
    fn news(&self, cx: &Ctx, sequence: i64) -> News {
        let keys = of_member(cx, &self.member_no, &self.phone, &self.vehicles);
        News {
            member_id: self.member_id,
            member_no: self.member_no.clone(),
            sequence,
            at: self.at,
            awaiting_activation: self.status != MemberStatus::Active,
            // One that is said once more stands for a registration that was missed.
            keys: Some(KeyNews { keys, registration: self.announced }),
        }
    }
}

impl SaysOfMember for MemberActivated {
    fn news(&self, _: &Ctx, sequence: i64) -> News {
        let (member_id, member_no) = (self.member_id, self.member_no.clone());
        News { member_id, member_no, sequence, at: self.at, awaiting_activation: false, keys: None }
    }
}

impl SaysOfMember for MemberLapsed {
    fn news(&self, _: &Ctx, sequence: i64) -> News {
        let (member_id, member_no) = (self.member_id, self.member_no.clone());
        News { member_id, member_no, sequence, at: self.at, awaiting_activation: true, keys: None }
    }
}
