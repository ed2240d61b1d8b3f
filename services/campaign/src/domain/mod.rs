//! The rules of campaigns, pure: what comes in are facts and the program's version, what comes out are grants.
//!
//! Reading order: [`accrual`] (what is assessed), [`offer`] (which campaigns apply, best first), [`budget`] (what they may
//! still grant), [`assess`] (what they grant).

pub mod accrual;
pub mod assess;
pub mod budget;
#[cfg(test)]
pub(crate) mod given;
pub mod offer;
