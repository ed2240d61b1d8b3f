//! Registration: first the application is read against the program, then, in the order of the batch, each is decided
//! on what the earlier ones left.

use std::fmt;

use chrono::{Datelike, NaiveDate};
use jifen_contracts::{
    endpoint::{Language, MemberStatus, RegisterRequest},
    program::{Membership, Program},
};
use jifen_kernel::{MemberId, PersonName, Phone, StoreCode};

use super::{
    Consent, Deadline, FIRST_YEAR, Keys, Known, MemberNo, Owner, Rejection, Vehicle, identity::vehicle_keys, read_consents, read_vehicles,
};

/// A customer's identity at the group's WeChat account. Prints masked.
#[derive(Clone, PartialEq, Eq)]
pub struct OpenId(String);

impl OpenId {
    /// Reads one: 1 to 64 letters, digits, `-` and `_`.
    pub fn try_new(text: &str) -> Result<Self, Rejection> {
        let valid = (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if valid { Ok(Self(text.to_owned())) } else { Err(Rejection::BadOpenId) }
    }

    /// The value itself, for the vault and the gateway alone.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for OpenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpenId(masked)")
    }
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
    /// The identity at WeChat.
    pub wechat_openid: Option<OpenId>,
    /// The language to be told in.
    pub language: Language,
    /// Each once, sorted.
    pub consents: Vec<Consent>,
    /// The cars.
    pub vehicles: Vec<Vehicle>,
    /// Until when to be activated; none: the store saw customer and phone.
    pub deadline: Option<Deadline>,
}

impl Applicant {
    /// The state that a registration gives.
    pub fn status(&self) -> MemberStatus {
        if self.deadline.is_some() { MemberStatus::Registered } else { MemberStatus::Active }
    }
}

/// Reads an application under the program in force; `today` is the local day of registration.
pub fn read_applicant(request: &RegisterRequest, program: &Program, today: NaiveDate) -> Result<Applicant, Rejection> {
    let store = StoreCode::try_new(request.store.as_str()).map_err(|_| Rejection::UnknownStore)?;
    program.store(store.as_str()).ok_or(Rejection::UnknownStore)?;
    Ok(Applicant {
        store,
        name: PersonName::try_new(&request.name).map_err(|_| Rejection::BadName)?,
        phone: Phone::try_new(&request.phone).map_err(|_| Rejection::BadPhone)?,
        birthday: request.birthday.map(|day| read_birthday(day, today)).transpose()?,
        wechat_openid: request.wechat_openid.as_deref().map(OpenId::try_new).transpose()?,
        language: request.language.unwrap_or_default(),
        consents: read_consents(request.consents.as_deref())?,
        vehicles: read_vehicles(&request.vehicles, today)?,
        deadline: (!request.store_confirmed).then(|| Deadline::after(today, &program.membership)),
    })
}

/// A day of birth, up to today.
pub fn read_birthday(day: NaiveDate, today: NaiveDate) -> Result<NaiveDate, Rejection> {
    if day > today || day.year() < FIRST_YEAR { Err(Rejection::BadBirthday) } else { Ok(day) }
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

/// What becomes of a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// A new member, of this number.
    Registered(MemberNo),
    /// The phone has this member, whose registration had lapsed: it holds again, in the state that stands here.
    Revived(Owner),
    /// The phone has this member: nothing changes.
    Existing(Owner),
    /// Nothing is registered.
    Rejected(Rejection),
}

/// Decides one candidate on what is known and notes what it took; `today` is the local day of the batch. `number` is only
/// asked for where it is used.
pub fn decide_register(
    known: &mut Known,
    candidate: &Candidate,
    today: NaiveDate,
    number: &mut impl Iterator<Item = MemberNo>,
) -> Option<Decision> {
    let Candidate { member_id, applicant, keys } = candidate;
    let state = |member_id, member_no| Owner {
        member_id,
        member_no,
        status: applicant.status(),
        lapses_on: applicant.deadline.map(|deadline| deadline.lapses_on),
    };
    if let Some(owner) = known.owner(&keys.phone).cloned() {
        if !owner.has_lapsed(today) {
            return Some(Decision::Existing(owner));
        }
        let revived = state(owner.member_id, owner.member_no);
        known.give([&keys.phone], &revived);
        return Some(Decision::Revived(revived));
    }
    let is_taken = |vehicle| vehicle_keys(vehicle).any(|(_, key)| known.owner(key).is_some());
    if let Some(index) = keys.vehicles.iter().position(is_taken) {
        return Some(Decision::Rejected(Rejection::VehicleTaken(index)));
    }
    let owner = state(*member_id, number.next()?);
    known.give(keys.iter().map(|(_, key)| key), &owner);
    Some(Decision::Registered(owner.member_no))
}

impl Deadline {
    /// Of a registration on a local day: that day and as many more as the program gives.
    pub fn after(registered: NaiveDate, rules: &Membership) -> Self {
        let day = |days: u32| registered.checked_add_days(chrono::Days::new(days.into())).unwrap_or(NaiveDate::MAX);
        let lapses_on = day(rules.activation_days.saturating_add(1));
        let warn_on =
            lapses_on.checked_sub_days(chrono::Days::new(rules.lapse_warning_days.into())).filter(|warn_on| *warn_on > registered);
        Self { lapses_on, warn_on: (rules.lapse_warning_days > 0).then_some(warn_on).flatten() }
    }
}
