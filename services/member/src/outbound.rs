//! From the domain's words to the contract's: events, replies, refusals.

use chrono::{DateTime, Datelike, Utc};
use jifen_contracts::{
    Problem, code,
    endpoint::{MemberStatus, RegisterReply},
    event::{MemberRegistered, MonthDay, VehicleKeys},
};

use crate::domain::{Candidate, MemberNo, Owner, Rejection};

/// What the others may know of a new member: hashes, and a birthday without its year.
pub fn registered(candidate: &Candidate, member_no: &MemberNo, at: DateTime<Utc>) -> MemberRegistered {
    let vehicles = candidate.applicant.vehicles.iter().zip(&candidate.keys.vehicles);
    MemberRegistered {
        member_id: candidate.member_id,
        member_no: member_no.to_string(),
        store: candidate.applicant.store.clone(),
        registered_at: at,
        phone: candidate.keys.phone.clone(),
        vehicles: vehicles
            .map(|(vehicle, (vin, plate))| VehicleKeys { vin: vin.clone(), plate: plate.clone(), owned_since: vehicle.owned_since })
            .collect(),
        birthday: candidate.applicant.birthday.map(|day| MonthDay { month: day.month(), day: day.day() }),
        status: MemberStatus::Active,
    }
}

/// The answer to who became a member.
pub fn new_member(candidate: &Candidate, member_no: &MemberNo) -> RegisterReply {
    RegisterReply { member_id: candidate.member_id, member_no: member_no.to_string(), status: MemberStatus::Active, existing: false }
}

/// The answer to who has been one.
pub fn existing_member(owner: &Owner) -> RegisterReply {
    RegisterReply { member_id: owner.member_id, member_no: owner.member_no.to_string(), status: owner.status, existing: true }
}

/// Code, place and what exactly; never a value of the request.
pub fn problem(rejection: &Rejection) -> Problem {
    match rejection {
        Rejection::UnknownStore => Problem::new(code::MEMBER_UNKNOWN_STORE).at("/store"),
        Rejection::BadName => {
            Problem::new(code::MEMBER_BAD_NAME).detail("a name has 1 to 64 characters and no control characters").at("/name")
        }
        Rejection::BadPhone => Problem::new(code::MEMBER_BAD_PHONE)
            .detail("a mainland mobile number: 11 digits beginning 13 to 19, optionally after +86, 0086 or 86")
            .at("/phone"),
        Rejection::BadBirthday => Problem::new(code::MEMBER_BAD_BIRTHDAY).detail("a day from 1900-01-01 to today").at("/birthday"),
        Rejection::BadConsent(index) => Problem::new(code::MEMBER_BAD_CONSENT)
            .detail("<channel>:<purpose> with a channel of sms, wechat, app, email and a purpose of service, promotion")
            .at(format!("/consents/{index}")),
        Rejection::TooManyVehicles => Problem::new(code::MEMBER_BAD_VEHICLE).detail("at most 20 vehicles").at("/vehicles"),
        Rejection::EmptyVehicle(index) => {
            Problem::new(code::MEMBER_BAD_VEHICLE).detail("a vehicle needs its VIN or its plate").at(format!("/vehicles/{index}"))
        }
        Rejection::BadVehicle { index, field } => {
            let detail = match *field {
                "vin" => "a VIN has 17 letters and digits without I, O and Q",
                "plate" => "a plate begins with its province and letter and has 7 or 8 characters without I and O",
                _ => "owned_since is a day from 1900-01-01 to today",
            };
            Problem::new(code::MEMBER_BAD_VEHICLE).detail(detail).at(format!("/vehicles/{index}/{field}"))
        }
        Rejection::RepeatedVehicle(index) => {
            Problem::new(code::MEMBER_BAD_VEHICLE).detail("this VIN or plate stands twice in the request").at(format!("/vehicles/{index}"))
        }
        Rejection::VehicleTaken(index) => Problem::new(code::MEMBER_VEHICLE_TAKEN).at(format!("/vehicles/{index}")),
        Rejection::NotConfirmed => Problem::new(code::MEMBER_CONFIRMATION_REQUIRED).at("/store_confirmed"),
    }
}
