//! What happens to a document, as pure decisions.
//!
//! Reading order: [`received`] (what can be read), [`stamp`] (what the rules say), [`customer`] (whose it is),
//! [`standing`] (accepted, parked or lapsed; now and at its release), [`fate`] (claim, duplicate, conflict).

pub mod customer;
pub mod fate;
pub mod received;
#[cfg(test)]
pub mod samples;
pub mod stamp;
pub mod standing;
