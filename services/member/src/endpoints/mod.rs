//! What can be asked of members: six mutations, five reads.

mod activate;
mod announce;
mod change;
mod consent;
mod reads;
mod register;
mod send_code;
mod whom;

pub use activate::ActivateMember;
pub use announce::AnnounceMembers;
pub use change::UpdateMember;
pub use consent::ChangeConsent;
pub use reads::{BatchContacts, CountMembers, GetMember, ListMembers, SearchMembers};
pub use register::RegisterMembers;
pub use send_code::SendCode;

use jifen_contracts::{Problem, code};

/// Before any program is in force nothing can be decided; the same operation may be asked again.
fn no_program() -> Problem {
    Problem::new(code::SERVICE_UNAVAILABLE).detail("no program is in force yet")
}
