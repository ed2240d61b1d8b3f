//! The rules of campaigns, pure: what comes in are facts and the program's version, what comes out are grants.
//!
//! Reading order: [`accrual`] (what is assessed), [`person`] and [`vehicle`] (what is known of the member and the car), [`rulebook`] (which campaigns are open
//! on a day), [`offer`] (which of them apply, best first), [`budget`] (what they may still grant), [`assess`] (what they
//! grant); beside it [`audience`] (whom a campaign is for) [`announce`] (when it is said, and when promises are due) and
//! [`returned`] (what corrections give back) with [`net`] (what they leave).
//!
//! A simulation uses the same: [`rulebook::Rulebook::new`] once a version, then [`assess::assess`] for one accrual after the other.

pub mod accrual;
pub mod announce;
pub mod assess;
pub mod audience;
pub mod budget;
#[cfg(test)]
pub(crate) mod given;
pub mod net;
pub mod offer;
pub mod person;
pub mod returned;
pub mod rulebook;
pub mod vehicle;
