//! All SQL of this service: one table, written when an occasion is decided ([`send`]) and when a gateway reports ([`delivery`]).

pub mod counts;
pub mod delivery;
pub mod send;
