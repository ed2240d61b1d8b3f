//! The rules of membership, pure: what an application must hold, who becomes a member, what a member number is.

mod member_no;
mod register;
#[cfg(test)]
mod register_tests;

pub use member_no::MemberNo;
#[cfg(test)]
pub use register::Vehicle;
pub use register::{Applicant, Candidate, Decision, IdentityKind, Keys, Known, Owner, Rejection, decide_register, read_applicant};
