//! The rules of membership, pure: what an application must hold, who becomes a member and when the membership is active, what
//! may be changed, whose a vehicle is, what a member number is.

mod activation;
mod consent;
mod identity;
mod member_no;
mod ownership;
mod profile;
mod register;
#[cfg(test)]
mod register_tests;
mod rejection;
pub mod sign_up;
mod vehicles;

pub use activation::{Deadline, NotActivated, SentCode, Span, code_of, count_code, decide_activate, may_activate, spans_of};
pub use consent::{Channel, Consent, Purpose, read_consents};
pub use identity::{IdentityKind, Keys, Known, Owner};
pub use member_no::MemberNo;
pub use ownership::{Sale, SoldCar, decide_owner};
pub use profile::{Change, Profile, Standing, Wanted, decide_change, read_change};
pub use register::{Applicant, Candidate, Decision, OpenId, decide_register, read_applicant, read_birthday};
pub use rejection::Rejection;
pub use vehicles::{MAX_VEHICLES, Vehicle, read_vehicles};

/// Nobody alive was born before, and no car is older.
const FIRST_YEAR: i32 = 1900;
