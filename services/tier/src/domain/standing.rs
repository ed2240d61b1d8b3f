//! Where a member stands, and how a ladder of points alone moves it: an accrual adds its qualifying points, and the ladder of
//! its program says how far they reach. What asks for more than that is told from the member's facts ([`super::history`]).
//!
//! A lower bound is inclusive: 5,000 points are silver, 4,999 are not. Upgrades take effect at once; an accrual that
//! passes several steps takes them in one. A version with higher thresholds keeps everybody where they stand, since what
//! members have reached is never taken away by a change of rules, let alone silently.

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::program::{AppliedProgram, Tier};
use jifen_kernel::{Points, StoreCode, Token};

use super::ladder::{rank_at, rank_of};

/// Where a member stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// The number on the card.
    pub member_no: String,
    /// The store of the registration, or of the first document.
    pub store: Option<StoreCode>,
    /// All qualifying points so far. Below zero for a moment only by a correction whose entries don't name their accrual, as those of
    /// earlier releases.
    pub qualifying: Points,
    /// The tier; none before the first accrual, registration or activation.
    pub reached: Option<Reached>,
    /// Changes of tier so far.
    pub changes: i64,
    /// The registration awaits activation: all counts, nothing is granted or announced.
    pub awaiting: bool,
    /// The local day of the registration that needed no activation, or of the activation.
    pub active_on: Option<NaiveDate>,
    /// The first day of the lower tier that the member was last warned of.
    pub warned_of: Option<NaiveDate>,
    /// The day up to which time was taken into account: it never goes back.
    pub decided_to: Option<NaiveDate>,
    /// The day on which the passing of time may change something.
    pub next_due: Option<NaiveDate>,
    /// Deductions that came before their accrual and wait for it.
    pub waiting: i32,
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

/// A step up or down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The tier before.
    pub from: Token,
    /// The tier now, with since when and by which program.
    pub to: Reached,
    /// Counts the member's changes of tier, from 1.
    pub ordinal: i64,
    /// Upwards.
    pub up: bool,
}

impl Standing {
    /// A registration became known: active from its day on, or awaiting activation.
    pub fn register(&mut self, active_on: Option<NaiveDate>) {
        match active_on {
            Some(day) => self.activate(day),
            None => self.awaiting = self.active_on.is_none(),
        }
    }

    /// Active from this day on, whatever is heard later of how the registration began.
    pub fn activate(&mut self, day: NaiveDate) {
        self.active_on = Some(self.active_on.map_or(day, |known| known.min(day)));
        self.awaiting = false;
    }

    /// Something pending was posted: points knew that the member awaits activation, perhaps sooner than it was heard here.
    pub fn heard_pending(&mut self) {
        self.awaiting = self.active_on.is_none();
    }
}

/// Counts `qualifying` points, of one accrual or of none, under a ladder of points alone.
pub fn decide_standing(standing: &mut Standing, rules: &AppliedProgram, qualifying: Points, at: DateTime<Utc>) -> Option<Change> {
    let ladder = &rules.program.tiers;
    let before = standing.qualifying;
    standing.qualifying += qualifying;
    if standing.awaiting {
        return None;
    }
    let reached = |tier: &Tier| Reached { tier: tier.code.clone(), since: at, program_version: rules.version };
    // Everybody begins on the lowest step: to stand there is no change of tier, to leave it is one. What was earned before the
    // activation lifts with it.
    let first = standing.reached.is_none();
    if first {
        standing.reached = ladder.first().map(reached);
    }
    let current = standing.reached.as_ref()?;
    let from = current.tier.clone();
    let now = if first { Some(0) } else { rank_of(ladder, &from, before) };
    let (now, step) = (now?, rank_at(ladder, standing.qualifying)?);
    if step <= now {
        return None;
    }
    Some(step_to(standing, from, reached(&ladder[step]), true))
}

/// Takes `qualifying` points back under a ladder of points alone, and with them the tier if it is no longer earned: by the rules
/// that gave it (`then`), so that a version with higher thresholds takes nothing, nor do those of `now` if they ask for less. The same
/// goes for the tier below that is left.
pub fn decide_deduction(
    standing: &mut Standing,
    then: Option<&AppliedProgram>,
    now: &AppliedProgram,
    qualifying: Points,
    at: DateTime<Utc>,
) -> Option<Change> {
    standing.qualifying = standing.qualifying - qualifying;
    if standing.awaiting {
        return None;
    }
    let from = standing.reached.as_ref()?.tier.clone();
    let total = standing.qualifying.max(Points::ZERO);
    let is_earned = |rules: &AppliedProgram| {
        let tiers = &rules.program.tiers;
        tiers.iter().position(|tier| tier.code == from).is_some_and(|rank| rank_at(tiers, total).is_some_and(|reaches| reaches >= rank))
    };
    if then.is_some_and(is_earned) || is_earned(now) {
        return None;
    }
    let tiers = &now.program.tiers;
    let place = |code: &Token| tiers.iter().position(|tier| tier.code == *code);
    let left = |rules: &AppliedProgram| {
        let rank = rank_at(&rules.program.tiers, total)?;
        place(&rules.program.tiers[rank].code)
    };
    let rank = left(now).max(then.and_then(left))?;
    let to = &tiers[rank];
    let below = place(&from).is_none_or(|before| rank < before);
    let reached = Reached { tier: to.code.clone(), since: at, program_version: now.version };
    (below && to.code != from).then(|| step_to(standing, from, reached, false))
}

/// Takes a step.
pub(super) fn step_to(standing: &mut Standing, from: Token, to: Reached, up: bool) -> Change {
    standing.reached = Some(to.clone());
    standing.changes += 1;
    Change { from, to, ordinal: standing.changes, up }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod deduction_tests;
