//! What members are found by, and whose each key is.

use std::collections::HashMap;

use chrono::NaiveDate;
use jifen_contracts::{KeyedHash, endpoint::MemberStatus};
use jifen_kernel::MemberId;

use super::MemberNo;

/// What a key is the hash of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityKind {
    /// A phone.
    Phone,
    /// A VIN.
    Vin,
    /// A plate.
    Plate,
}

impl IdentityKind {
    /// As in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::Vin => "vin",
            Self::Plate => "plate",
        }
    }
}

/// Keyed hashes of what an applicant is found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// Of the phone.
    pub phone: KeyedHash,
    /// Of VIN and plate, for each vehicle in its place.
    pub vehicles: Vec<(Option<KeyedHash>, Option<KeyedHash>)>,
}

impl Keys {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (IdentityKind, &KeyedHash)> {
        std::iter::once((IdentityKind::Phone, &self.phone)).chain(self.vehicles.iter().flat_map(vehicle_keys))
    }
}

/// The keys of one vehicle.
pub fn vehicle_keys((vin, plate): &(Option<KeyedHash>, Option<KeyedHash>)) -> impl Iterator<Item = (IdentityKind, &KeyedHash)> {
    vin.iter().map(|vin| (IdentityKind::Vin, vin)).chain(plate.iter().map(|plate| (IdentityKind::Plate, plate)))
}

/// The member who has a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The member.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: MemberNo,
    /// The member's state.
    pub status: MemberStatus,
    /// While the member waits for activation: the local day with whose beginning that lapses.
    pub lapses_on: Option<NaiveDate>,
}

impl Owner {
    /// The registration has lapsed, or has by now although no run has written it yet.
    pub fn has_lapsed(&self, today: NaiveDate) -> bool {
        self.status == MemberStatus::Lapsed || self.lapses_on.is_some_and(|day| day <= today)
    }
}

/// Whose the keys of a batch are; each decision sees what the earlier ones took.
#[derive(Debug, Clone, Default)]
pub struct Known(HashMap<KeyedHash, Owner>);

impl Known {
    /// Keys with their owners before the batch.
    pub fn new(owners: HashMap<KeyedHash, Owner>) -> Self {
        Self(owners)
    }

    /// Notes that they are this member's now.
    pub fn give<'a>(&mut self, keys: impl IntoIterator<Item = &'a KeyedHash>, owner: &Owner) {
        self.0.extend(keys.into_iter().map(|key| (key.clone(), owner.clone())));
    }

    /// Who has it.
    pub fn owner(&self, key: &KeyedHash) -> Option<&Owner> {
        self.0.get(key)
    }
}
