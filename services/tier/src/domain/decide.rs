//! What a member's history changes in where they stood: the steps and warnings to be announced.

use chrono::NaiveDate;
use jifen_kernel::Token;

use super::{
    contribution::Fact,
    history::{InForce, tell},
    standing::{Change, Reached, Standing, step_to},
};

/// What is to be announced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decided {
    /// A step, and the place of the fact that took it.
    pub change: Option<(Change, Option<usize>)>,
    /// A step down to come: the tier below, and its first day.
    pub warning: Option<Warning>,
    /// A year that the member was warned of was saved in its grace: what the tier brings comes anew.
    pub saved: bool,
    /// The year is over and the tier not earned: what is countable waits until it is.
    pub in_grace: bool,
}

/// A step down to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The tier now.
    pub from: Token,
    /// The tier to come.
    pub to: Token,
    /// Its first day.
    pub on: NaiveDate,
    /// The program whose ladder decides.
    pub program_version: u32,
}

/// Brings a standing to what its facts come to by `today`; `facts` stand in their order.
pub fn decide_by_facts(standing: &mut Standing, facts: &[Fact], today: NaiveDate, rules: &InForce<'_>) -> Decided {
    // A day that is caught up lies behind what was decided already.
    let day = standing.decided_to.map_or(today, |decided| decided.max(today));
    standing.decided_to = Some(day);
    standing.qualifying = facts.iter().map(|fact| fact.qualifying).sum();
    let history = tell(standing, facts, day, rules);
    let Some(held) = &history.held else { return Decided::default() };
    let tiers = rules(day).map(|rules| rules.program.tiers.clone()).unwrap_or_default();
    let rank = |tier: &Token| tiers.iter().position(|step| step.code == *tier);
    let to = Reached { tier: held.tier.clone(), since: held.since, program_version: held.program_version };
    let from = standing.reached.as_ref().map(|reached| reached.tier.clone()).or_else(|| tiers.first().map(|tier| tier.code.clone()));
    let change = match from {
        Some(from) if from != to.tier => {
            // A tier that the ladder no longer knows was left upwards.
            let up = rank(&from).is_none_or(|before| rank(&to.tier).is_none_or(|now| now > before));
            Some((step_to(standing, from, to, up), held.by))
        }
        _ => {
            standing.reached = Some(to);
            None
        }
    };
    let runs_to = history.year.as_ref().map(|year| year.down_on);
    let saved = change.is_none() && standing.warned_of.is_some_and(|on| on > day && runs_to.is_some_and(|later| later > on));
    let due = history.year.as_ref().filter(|year| !year.earned && day >= year.warn_on && standing.warned_of != Some(year.down_on));
    let warning = due.map(|year| Warning {
        from: held.tier.clone(),
        to: year.below.clone(),
        on: year.down_on,
        program_version: rules(day).map_or(held.program_version, |rules| rules.version),
    });
    if let Some(warning) = &warning {
        standing.warned_of = Some(warning.on);
    }
    // What waits for a day that is not done yet goes on waiting for it.
    let kept = standing.next_due;
    standing.next_due = [history.next_due(day), kept].into_iter().flatten().min();
    Decided { change, warning, saved, in_grace: history.in_grace(day) }
}
