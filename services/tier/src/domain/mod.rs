//! The rules of tiers, pure.
//!
//! Reading order: [`contribution`] (what counts), [`deduction`] (what is taken back), [`ladder`] (what a ladder asks for and brings), [`standing`] (how points alone
//! move a member), [`metrics`] and [`history`] (how everything else does), [`decide`] (what is announced of it), [`entitlement`]
//! (what a tier brings to be used), [`next`] (what the next step lacks).

pub mod contribution;
pub mod decide;
pub mod deduction;
pub mod entitlement;
#[cfg(test)]
pub(crate) mod given;
pub mod history;
pub mod ladder;
pub mod metrics;
pub mod next;
pub mod standing;
