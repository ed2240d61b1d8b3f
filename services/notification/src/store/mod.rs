//! All SQL of this service: messages, written when an occasion is decided ([`send`]), when it is due ([`due`]) and when a gateway
//! reports ([`delivery`]); what is remembered of [`members`], and the [`tasks`] of staff.

pub mod counts;
pub mod delivery;
pub mod due;
pub mod history;
pub mod members;
pub mod send;
pub mod tasks;
