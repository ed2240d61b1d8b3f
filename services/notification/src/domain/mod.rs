//! The rules, pure: events to occasions ([`occasion`]), an occasion to a message or the reason why there is none
//! ([`send`], with [`params`] and [`text`]), a gateway's report to a message's state ([`delivery`]).

pub mod delivery;
pub mod occasion;
pub mod params;
pub mod send;
pub mod text;
