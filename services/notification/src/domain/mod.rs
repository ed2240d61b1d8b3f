//! The rules, pure: events to [`occasion`]s ([`events`]), an occasion to a message or the reason why there is none ([`send`], with
//! [`params`], [`fields`] and [`text`]), what waited ([`due`], [`timing`]), a gateway's report to a message's state ([`delivery`]),
//! what staff shall do ([`task`]), what a member answered ([`reply`]).

pub mod delivery;
pub mod due;
pub mod events;
pub mod fields;
pub mod occasion;
pub mod params;
pub mod reply;
pub mod send;
pub mod task;
pub mod text;
pub mod timing;
