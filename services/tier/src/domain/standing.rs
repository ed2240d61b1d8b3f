//! How a member climbs: an accrual adds its qualifying points, and the ladder of its program says how far they reach.
//!
//! A lower bound is inclusive: 5,000 points are silver, 4,999 are not. Upgrades take effect at once; an accrual that
//! passes several steps takes them in one. Nothing here goes down: a version with higher thresholds keeps everybody where
//! they stand, since what members have reached is never taken away by a change of rules, let alone silently.

use chrono::{DateTime, Utc};
use jifen_contracts::program::{AppliedProgram, Tier};
use jifen_kernel::{Points, Token};

/// Where a member stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// All qualifying points so far.
    pub qualifying: Points,
    /// The tier; none before the first accrual.
    pub reached: Option<Reached>,
    /// Changes of tier so far.
    pub changes: i64,
}

/// A tier that a member holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// The tier.
    pub tier: Token,
    /// Since when.
    pub since: DateTime<Utc>,
    /// The program whose ladder gave it.
    pub program_version: u32,
}

/// A step up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgrade {
    /// The tier before.
    pub from: Token,
    /// The tier now, with since when and by which program.
    pub to: Reached,
    /// Counts the member's changes of tier, from 1.
    pub ordinal: i64,
}

/// Counts one accrual of `qualifying` points under the ladder of `rules`.
pub fn decide_standing(standing: &mut Standing, rules: &AppliedProgram, qualifying: Points, at: DateTime<Utc>) -> Option<Upgrade> {
    let ladder = &rules.program.tiers;
    let before = standing.qualifying;
    standing.qualifying += qualifying;
    let reached = |tier: &Tier| Reached { tier: tier.code.clone(), since: at, program_version: rules.version };
    // Everybody begins on the lowest step: to stand there is no change of tier, to leave it with the first accrual is one.
    if standing.reached.is_none() {
        standing.reached = ladder.first().map(reached);
    }
    let current = standing.reached.as_ref()?;
    let from = current.tier.clone();
    let (now, step) = (rank_of(ladder, &from, before)?, rank_at(ladder, standing.qualifying)?);
    if step <= now {
        return None;
    }
    let to = reached(&ladder[step]);
    standing.reached = Some(to.clone());
    standing.changes += 1;
    Some(Upgrade { from, to, ordinal: standing.changes })
}

/// The highest step that `qualifying` points reach.
pub(super) fn rank_at(ladder: &[Tier], qualifying: Points) -> Option<usize> {
    ladder.iter().rposition(|tier| tier.from.is_some_and(|from| from <= qualifying))
}

/// A tier's step. One that this ladder doesn't know (another version renamed it) counts as what the points reach here.
pub(super) fn rank_of(ladder: &[Tier], tier: &Token, qualifying: Points) -> Option<usize> {
    ladder.iter().position(|step| step.code == *tier).or_else(|| rank_at(ladder, qualifying))
}

#[cfg(test)]
mod tests;
