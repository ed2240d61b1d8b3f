//! What happens to a document, as pure decisions.
//!
//! Reading order: [`received`] (what can be read), [`content`] (the kinds as one), [`stamp`] (what the rules say), [`customer`]
//! (whose it is), [`standing`] (accepted, parked or lapsed; now and at its release), [`fate`] (claim, duplicate, conflict);
//! [`correction`] (refunds, voids, invoices that replace others) with [`bill`] (what is kept for them), [`day`]
//! (a store's day against what arrived); beside them [`member`]
//! (what a member's events come to).

pub mod bill;
pub mod content;
pub mod correction;
pub mod customer;
pub mod day;
pub mod fate;
pub mod member;
pub mod received;
#[cfg(test)]
pub mod samples;
pub mod stamp;
pub mod standing;
