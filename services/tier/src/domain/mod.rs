//! The rules of tiers, pure.
//!
//! Reading order: [`contribution`] (what counts), [`standing`] (how a member climbs), [`next`] (what the next step lacks).

pub mod contribution;
#[cfg(test)]
pub(crate) mod given;
pub mod next;
pub mod standing;
