//! From the domain's words to the contract's: events, replies, receipts, refusals.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use jifen_contracts::{
    KeyedHash, Problem,
    code::{self, Code},
    document::Fault,
    endpoint::RegisterReply,
    event::{
        MemberActivated, MemberConsentChanged, MemberLapseWarned, MemberLapsed, MemberRegistered, MemberUpdated, MonthDay, VehicleKeys,
    },
    receipt::{RECEIPT_TYPE, Receipt, ReceiptStatus},
    subject,
};
use jifen_runtime::{Outbox, message::Cause};

use crate::{
    domain::{Candidate, Consent, Decision, Keys, MemberNo, NotActivated, Owner, Profile, Rejection, Standing, Vehicle, sign_up::Received},
    handlers::registration::Outcome,
};

fn month_day(day: NaiveDate) -> MonthDay {
    MonthDay { month: day.month(), day: day.day() }
}

type VehicleHashes = [(Option<KeyedHash>, Option<KeyedHash>)];

fn vehicle_keys<'a>(vehicles: impl Iterator<Item = &'a Vehicle>, keys: &VehicleHashes) -> Vec<VehicleKeys> {
    let of = |(vehicle, (vin, plate)): (&Vehicle, &(Option<KeyedHash>, Option<KeyedHash>))| VehicleKeys {
        vin: vin.clone(),
        plate: plate.clone(),
        owned_since: vehicle.owned_since,
        series: vehicle.series.clone(),
        new_on: vehicle.new_on,
    };
    vehicles.zip(keys).map(of).collect()
}

/// What the others may know of a new member: hashes, and a birthday without its year.
pub fn registered(candidate: &Candidate, member_no: &MemberNo, at: DateTime<Utc>) -> MemberRegistered {
    MemberRegistered {
        member_id: candidate.member_id,
        member_no: member_no.to_string(),
        store: candidate.applicant.store.clone(),
        registered_at: at,
        phone: candidate.keys.phone.clone(),
        vehicles: vehicle_keys(candidate.applicant.vehicles.iter(), &candidate.keys.vehicles),
        birthday: candidate.applicant.birthday.map(month_day),
        status: candidate.applicant.status(),
    }
}

/// What the others may know of a member, whole.
pub fn updated(profile: &Profile, keys: &Keys, at: DateTime<Utc>) -> MemberUpdated {
    MemberUpdated {
        member_id: profile.standing.member_id,
        member_no: profile.standing.member_no.to_string(),
        store: profile.standing.store.clone(),
        at,
        phone: keys.phone.clone(),
        vehicles: vehicle_keys(profile.vehicles.values(), &keys.vehicles),
        birthday: profile.birthday.map(month_day),
        birthday_from_year: profile.standing.birthday_from_year,
        status: profile.standing.status,
        announced: false,
    }
}

/// The same once more, for those who missed it: from the registration on.
pub fn announced(profile: &Profile, keys: &Keys, registered_at: DateTime<Utc>) -> MemberUpdated {
    MemberUpdated { announced: true, ..updated(profile, keys, registered_at) }
}

/// A member is active now.
pub fn activated(member: &Standing, at: DateTime<Utc>) -> MemberActivated {
    let Standing { member_id, member_no, store, .. } = member;
    MemberActivated { member_id: *member_id, member_no: member_no.to_string(), store: store.clone(), at }
}

/// A registration has lapsed.
pub fn lapsed(member: &Standing, at: DateTime<Utc>) -> MemberLapsed {
    let Standing { member_id, member_no, store, .. } = member;
    MemberLapsed { member_id: *member_id, member_no: member_no.to_string(), store: store.clone(), at }
}

/// A registration will lapse.
pub fn lapse_warned(member: &Standing, on: NaiveDate, at: DateTime<Utc>) -> MemberLapseWarned {
    let Standing { member_id, member_no, store, .. } = member;
    MemberLapseWarned { member_id: *member_id, member_no: member_no.to_string(), store: store.clone(), on, at }
}

/// A consent is another now.
pub fn consent_changed(member: &Standing, consent: Consent, granted: bool, at: DateTime<Utc>) -> MemberConsentChanged {
    MemberConsentChanged {
        member_id: member.member_id,
        member_no: member.member_no.to_string(),
        store: member.store.clone(),
        channel: consent.channel.as_str().to_owned(),
        purpose: consent.purpose.as_str().to_owned(),
        granted,
        at,
    }
}

/// The answer to a registration.
pub fn registration(outcome: Outcome) -> Result<RegisterReply, Problem> {
    let reply = |member_id, member_no: &MemberNo, status| RegisterReply {
        member_id,
        member_no: member_no.to_string(),
        status,
        existing: false,
        revived: false,
        code_not_after: outcome.code.and_then(Result::ok),
        code_wait_s: outcome.code.and_then(Result::err),
    };
    let of = |Owner { member_id, member_no, status, .. }: &Owner| reply(*member_id, member_no, *status);
    match &outcome.decision {
        Decision::Registered(member_no) => Ok(reply(outcome.member_id, member_no, outcome.status)),
        Decision::Revived(owner) => Ok(RegisterReply { revived: true, ..of(owner) }),
        Decision::Existing(owner) => Ok(RegisterReply { existing: true, ..of(owner) }),
        Decision::Rejected(rejection) => Err(problem(rejection, "/vehicles")),
    }
}

/// Why a code activates nobody, or none is sent.
pub fn not_activated(why: NotActivated) -> Problem {
    match why {
        NotActivated::AlreadyActive => code::MEMBER_ALREADY_ACTIVE.into(),
        NotActivated::Lapsed => code::MEMBER_LAPSED.into(),
        NotActivated::NoCode => code::MEMBER_CODE_NONE.into(),
        NotActivated::Expired => code::MEMBER_CODE_EXPIRED.into(),
        NotActivated::Void => code::MEMBER_CODE_VOID.into(),
        NotActivated::Wrong(left) => {
            Problem::new(code::MEMBER_CODE_WRONG).detail(format!("the code is wrong; {left} attempts are left")).at("/code")
        }
    }
}

/// Tells a store what became of a sign-up.
pub fn send_receipt(
    out: &mut Outbox,
    cause: &Cause,
    received: &Received,
    sha256: &[u8; 32],
    status: ReceiptStatus,
    code: Code,
    pointer: Option<&str>,
) {
    let receipt = Receipt {
        status,
        kind: "sign_up".to_owned(),
        document: received.number.clone(),
        event_id: received.event_id.clone(),
        sha256: hex::encode(sha256),
        code: (status != ReceiptStatus::Accepted).then(|| code.code.to_owned()),
        pointer: pointer.map(str::to_owned),
        text: code.text(),
        at: out.now(),
    };
    let store = received.store.as_ref().map(ToString::to_string);
    let to = subject::receipt(store.as_deref().unwrap_or("_"));
    out.message(cause, to, RECEIPT_TYPE.to_owned(), store, None, false, &receipt);
}

/// Why a sign-up that can be read registers nobody, in the document's own fields.
pub fn fault(rejection: &Rejection) -> Fault {
    let (code, detail, pointer) = refusal(rejection, "");
    let pointer = match rejection {
        Rejection::BadVehicle { field, .. } => format!("/{field}"),
        Rejection::EmptyVehicle(_) | Rejection::RepeatedVehicle(_) | Rejection::VehicleTaken(_) => "/vin".to_owned(),
        _ => pointer,
    };
    let fault = Fault::at(code, pointer);
    if let Some(detail) = detail { fault.detail(detail) } else { fault }
}

/// Code, place and what exactly; never a value of the request. `list` is where the request's vehicles stand.
pub fn problem(rejection: &Rejection, list: &str) -> Problem {
    let (code, detail, pointer) = refusal(rejection, list);
    let problem = Problem::new(code).at(pointer);
    if let Some(detail) = detail { problem.detail(detail) } else { problem }
}

fn refusal(rejection: &Rejection, list: &str) -> (Code, Option<&'static str>, String) {
    let vehicle = |index: usize| format!("{list}/{index}");
    match rejection {
        Rejection::UnknownStore => (code::MEMBER_UNKNOWN_STORE, None, "/store".to_owned()),
        Rejection::BadName => (code::MEMBER_BAD_NAME, Some("a name has 1 to 64 characters and no control characters"), "/name".to_owned()),
        Rejection::BadPhone => {
            let detail = "a mainland mobile number: 11 digits beginning 13 to 19, optionally after +86, 0086 or 86";
            (code::MEMBER_BAD_PHONE, Some(detail), "/phone".to_owned())
        }
        Rejection::BadBirthday => (code::MEMBER_BAD_BIRTHDAY, Some("a day from 1900-01-01 to today"), "/birthday".to_owned()),
        Rejection::BadConsent(index) => {
            let detail = "<channel>:<purpose> with a channel of sms, wechat, app, email and a purpose of service, promotion";
            (code::MEMBER_BAD_CONSENT, Some(detail), format!("/consents/{index}"))
        }
        Rejection::BadOpenId => {
            (code::MEMBER_BAD_OPENID, Some("a WeChat identity has 1 to 64 letters, digits, - and _"), "/wechat_openid".to_owned())
        }
        Rejection::TooManyVehicles => (code::MEMBER_BAD_VEHICLE, Some("at most 20 vehicles"), list.to_owned()),
        Rejection::EmptyVehicle(index) => (code::MEMBER_BAD_VEHICLE, Some("a vehicle needs its VIN or its plate"), vehicle(*index)),
        Rejection::BadVehicle { index, field } => {
            let detail = match *field {
                "vin" => "a VIN has 17 letters and digits without I, O and Q",
                "plate" => "a plate begins with its province and letter and has 7 or 8 characters without I and O",
                "series" => "a model series has 1 to 64 characters without control characters and outer blanks",
                "new_on" => "new_on is a day from 1900-01-01 to today",
                _ => "owned_since is a day from 1900-01-01 to today",
            };
            (code::MEMBER_BAD_VEHICLE, Some(detail), format!("{}/{field}", vehicle(*index)))
        }
        Rejection::RepeatedVehicle(index) => {
            (code::MEMBER_BAD_VEHICLE, Some("this VIN or plate stands twice in the request"), vehicle(*index))
        }
        Rejection::NotTheirVehicle(index) => (code::MEMBER_BAD_VEHICLE, Some("the member has no such vehicle"), vehicle(*index)),
        Rejection::VehicleTaken(index) => (code::MEMBER_VEHICLE_TAKEN, None, vehicle(*index)),
        Rejection::PhoneTaken => (code::MEMBER_PHONE_TAKEN, None, "/phone".to_owned()),
    }
}
