//! Registration: first the application is read against the program, then, in the order of the batch, each is decided
//! on what the earlier ones left.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
};

use chrono::{Datelike, NaiveDate};
use jifen_contracts::{
    KeyedHash,
    endpoint::{MemberStatus, RegisterRequest, VehicleInput},
    program::Program,
};
use jifen_kernel::{MemberId, PersonName, Phone, Plate, StoreCode, Vin};

use super::MemberNo;

/// A person has not more cars than this at registration; a fleet is another kind of customer.
const MAX_VEHICLES: usize = 20;
/// Nobody alive was born before.
const FIRST_BIRTH_YEAR: i32 = 1900;

/// Why somebody is not registered. Vehicles and consents are named by their place in the request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// No store code, or not in the program in force.
    #[error("unknown store")]
    UnknownStore,
    /// No name.
    #[error("bad name")]
    BadName,
    /// No mobile number.
    #[error("bad phone")]
    BadPhone,
    /// In the future, or too long ago.
    #[error("bad birthday")]
    BadBirthday,
    /// Unknown channel or purpose.
    #[error("bad consent {0}")]
    BadConsent(usize),
    /// More than [`MAX_VEHICLES`].
    #[error("too many vehicles")]
    TooManyVehicles,
    /// Neither VIN nor plate.
    #[error("vehicle {0} has neither VIN nor plate")]
    EmptyVehicle(usize),
    /// A field of a vehicle is wrong: `vin`, `plate` or `owned_since`.
    #[error("bad {field} of vehicle {index}")]
    BadVehicle {
        /// Its place.
        index: usize,
        /// The field.
        field: &'static str,
    },
    /// The same VIN or plate stands earlier in the same request.
    #[error("vehicle {0} stands twice")]
    RepeatedVehicle(usize),
    /// Another member has the VIN or plate.
    #[error("vehicle {0} is taken")]
    VehicleTaken(usize),
    /// Nobody confirmed the phone.
    #[error("not confirmed")]
    NotConfirmed,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $variant:ident = $word:literal),* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$word_doc])* $variant),* }

        impl $name {
            /// As on the wire and in the table.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

words!(
    /// How a member may be reached.
    Channel {
        /// Text message.
        Sms = "sms",
        /// WeChat.
        Wechat = "wechat",
        /// The group's app.
        App = "app",
        /// E-mail.
        Email = "email"
    }
);

words!(
    /// What for.
    Purpose {
        /// The member's own business.
        Service = "service",
        /// Advertising.
        Promotion = "promotion"
    }
);

/// The member agrees to messages of this purpose on this channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Consent {
    /// How.
    pub channel: Channel,
    /// What for.
    pub purpose: Purpose,
}

impl Consent {
    fn from_word(word: &str) -> Option<Self> {
        let (channel, purpose) = word.split_once(':')?;
        Some(Self { channel: Channel::from_word(channel)?, purpose: Purpose::from_word(purpose)? })
    }
}

impl fmt::Display for Consent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.channel.as_str(), self.purpose.as_str())
    }
}

/// A vehicle of an applicant: at least one of VIN and plate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vehicle {
    /// VIN.
    pub vin: Option<Vin>,
    /// Plate.
    pub plate: Option<Plate>,
    /// First day of ownership.
    pub owned_since: NaiveDate,
}

/// An application in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applicant {
    /// The store that signs up.
    pub store: StoreCode,
    /// The name.
    pub name: PersonName,
    /// The phone.
    pub phone: Phone,
    /// Day of birth.
    pub birthday: Option<NaiveDate>,
    /// Each once, sorted.
    pub consents: Vec<Consent>,
    /// The cars.
    pub vehicles: Vec<Vehicle>,
    /// The store saw customer and phone.
    pub confirmed: bool,
}

/// Reads an application under the program in force; `today` is the local day of registration.
pub fn read_applicant(request: &RegisterRequest, program: &Program, today: NaiveDate) -> Result<Applicant, Rejection> {
    let store = StoreCode::try_new(request.store.as_str()).map_err(|_| Rejection::UnknownStore)?;
    program.store(store.as_str()).ok_or(Rejection::UnknownStore)?;
    let name = PersonName::try_new(&request.name).map_err(|_| Rejection::BadName)?;
    let phone = Phone::try_new(&request.phone).map_err(|_| Rejection::BadPhone)?;
    if request.birthday.is_some_and(|day| day > today || day.year() < FIRST_BIRTH_YEAR) {
        return Err(Rejection::BadBirthday);
    }
    Ok(Applicant {
        store,
        name,
        phone,
        birthday: request.birthday,
        consents: read_consents(request.consents.as_deref())?,
        vehicles: read_vehicles(&request.vehicles, today)?,
        confirmed: request.store_confirmed,
    })
}

fn read_consents(words: Option<&[String]>) -> Result<Vec<Consent>, Rejection> {
    // Who registers agrees to hear about the membership itself; everything else must be said.
    let Some(words) = words else { return Ok(vec![Consent { channel: Channel::Sms, purpose: Purpose::Service }]) };
    let read = words.iter().enumerate().map(|(index, word)| Consent::from_word(word).ok_or(Rejection::BadConsent(index)));
    Ok(read.collect::<Result<BTreeSet<_>, _>>()?.into_iter().collect())
}

fn read_vehicles(inputs: &[VehicleInput], today: NaiveDate) -> Result<Vec<Vehicle>, Rejection> {
    if inputs.len() > MAX_VEHICLES {
        return Err(Rejection::TooManyVehicles);
    }
    let mut vehicles: Vec<Vehicle> = Vec::with_capacity(inputs.len());
    for (index, input) in inputs.iter().enumerate() {
        let bad = |field| Rejection::BadVehicle { index, field };
        let vin = input.vin.as_deref().map(Vin::try_new).transpose().map_err(|_| bad("vin"))?;
        let plate = input.plate.as_deref().map(Plate::try_new).transpose().map_err(|_| bad("plate"))?;
        if vin.is_none() && plate.is_none() {
            return Err(Rejection::EmptyVehicle(index));
        }
        let owned_since = input.owned_since.unwrap_or(today);
        if owned_since > today || owned_since.year() < FIRST_BIRTH_YEAR {
            return Err(bad("owned_since"));
        }
        let same = |other: &Vehicle| (vin.is_some() && other.vin == vin) || (plate.is_some() && other.plate == plate);
        if vehicles.iter().any(same) {
            return Err(Rejection::RepeatedVehicle(index));
        }
        vehicles.push(Vehicle { vin, plate, owned_since });
    }
    Ok(vehicles)
}

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
        let vehicles = self.vehicles.iter().flat_map(|(vin, plate)| {
            vin.iter().map(|vin| (IdentityKind::Vin, vin)).chain(plate.iter().map(|plate| (IdentityKind::Plate, plate)))
        });
        std::iter::once((IdentityKind::Phone, &self.phone)).chain(vehicles)
    }
}

/// An applicant with the id that registration would give.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The id.
    pub member_id: MemberId,
    /// The application.
    pub applicant: Applicant,
    /// What it is found by.
    pub keys: Keys,
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
}

/// Whose the keys of a batch are; each decision sees what the earlier ones took.
#[derive(Debug, Clone, Default)]
pub struct Known(HashMap<KeyedHash, Owner>);

impl Known {
    /// Keys with their owners before the batch.
    pub fn new(owners: HashMap<KeyedHash, Owner>) -> Self {
        Self(owners)
    }

    /// Who has it.
    pub fn owner(&self, key: &KeyedHash) -> Option<&Owner> {
        self.0.get(key)
    }
}

/// What becomes of a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// A new member, of this number.
    Registered(MemberNo),
    /// The phone has this member: nothing changes.
    Existing(Owner),
    /// Nothing is registered.
    Rejected(Rejection),
}

/// Decides one candidate on what is known and notes what it took. `number` is only asked for where it is used.
pub fn decide_register(known: &mut Known, candidate: &Candidate, number: &mut impl Iterator<Item = MemberNo>) -> Option<Decision> {
    let Candidate { member_id, applicant, keys } = candidate;
    if let Some(owner) = known.owner(&keys.phone) {
        return Some(Decision::Existing(owner.clone()));
    }
    if !applicant.confirmed {
        return Some(Decision::Rejected(Rejection::NotConfirmed));
    }
    let taken = |key: &Option<KeyedHash>| key.as_ref().is_some_and(|key| known.owner(key).is_some());
    if let Some(index) = keys.vehicles.iter().position(|(vin, plate)| taken(vin) || taken(plate)) {
        return Some(Decision::Rejected(Rejection::VehicleTaken(index)));
    }
    let member_no = number.next()?;
    let owner = Owner { member_id: *member_id, member_no: member_no.clone(), status: MemberStatus::Active };
    known.0.extend(keys.iter().map(|(_, key)| (key.clone(), owner.clone())));
    Some(Decision::Registered(member_no))
}
