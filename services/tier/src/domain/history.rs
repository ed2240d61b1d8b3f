//! A member's way through the tiers, told from all of their facts: the same whenever and in whatever order these came.
//!
//! Facts are gone through by their business dates. One that opens a higher tier takes it at once. A yearly ladder asks for
//! a tier again: the membership year is the twelve months from the day on which the tier was reached, what was counted up to
//! that step isn't counted again, and metrics of twelve months are those of the year. Who has not earned the tier as the year
//! ends is warned before, has days of grace that still count for it, and then goes down one step (DOMAIN, exact default 12):
//! gold on 10 May 2026 is warned on 9 April 2027 and silver from 9 June, unless enough settles by 8 June. What was not enough
//! then doesn't lift again a day later: behind a step down, twelve months begin with it.
//!
//! Each day's rules are those in force on it, so a change of rules takes nothing away that was reached before.

use std::sync::Arc;

use chrono::{DateTime, Days, Months, NaiveDate, Utc};
use jifen_contracts::program::{AppliedProgram, LadderKind, Tier};
use jifen_kernel::{Token, clock::start_of_day};

use super::{contribution::Fact, metrics::Seen, standing::Standing};

/// The rules in force on a day; none before the first version.
pub type InForce<'a> = dyn Fn(NaiveDate) -> Option<Arc<AppliedProgram>> + 'a;

/// A tier held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The tier.
    pub tier: Token,
    /// Since when.
    pub since: DateTime<Utc>,
    /// The program whose ladder decided.
    pub program_version: u32,
    /// The place of the fact that took the step; none for a step that time took, and for the beginning.
    pub by: Option<usize>,
}

/// The membership year of a tier that must be earned again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Year {
    /// Its first day.
    pub from: NaiveDate,
    /// The day behind its last.
    pub end: NaiveDate,
    /// The first day of the lower tier, unless this one is earned before.
    pub down_on: NaiveDate,
    /// The day on which the member is warned.
    pub warn_on: NaiveDate,
    /// The tier below.
    pub below: Token,
    /// The place of the first fact that counts for it.
    pub counted_from: usize,
    /// The tier is earned for another year.
    pub earned: bool,
}

/// What all facts come to by some day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// The tier; none for who has nothing yet, or awaits activation.
    pub held: Option<Held>,
    /// On a yearly ladder, above its lowest step.
    pub year: Option<Year>,
    /// The place of the first fact behind the last step down: metrics of twelve months see nothing before.
    pub floor: usize,
}

impl History {
    /// The first day behind `day` on which time may change something.
    pub fn next_due(&self, day: NaiveDate) -> Option<NaiveDate> {
        let year = self.year.as_ref()?;
        [year.warn_on, year.end, year.down_on].into_iter().filter(|due| *due > day).min()
    }

    /// The year is over and the tier not earned: what is countable waits until it is.
    pub fn in_grace(&self, day: NaiveDate) -> bool {
        self.year.as_ref().is_some_and(|year| day >= year.end)
    }
}

/// Goes through all facts, which stand in their order ([`Fact::place`]), and on to the end of `day`.
pub fn tell(standing: &Standing, facts: &[Fact], day: NaiveDate, rules: &InForce<'_>) -> History {
    if standing.awaiting {
        return History::default();
    }
    let mut way = Way { rules, facts, held: None, year_from: day, counted_from: 0, floor: 0 };
    if let Some(active_on) = standing.active_on {
        // What came before the activation is counted then.
        let before = facts.partition_point(|fact| fact.business_date < active_on);
        way.begin(active_on, None);
        way.climb(active_on, before, None);
        way.go_through(before);
    } else {
        way.go_through(0);
    }
    way.pass(facts.len(), day);
    History { year: way.year(facts.len()), floor: way.floor, held: way.held }
}

struct Way<'a> {
    rules: &'a InForce<'a>,
    facts: &'a [Fact],
    held: Option<Held>,
    year_from: NaiveDate,
    counted_from: usize,
    floor: usize,
}

impl Way<'_> {
    fn go_through(&mut self, first: usize) {
        for (place, fact) in self.facts.iter().enumerate().skip(first) {
            let day = fact.business_date;
            self.begin(day, fact.at);
            self.pass(place, day);
            if !self.climb(day, place + 1, Some(place)) {
                self.save_in_grace(day, place + 1);
            }
        }
    }

    /// Everybody begins on the lowest step.
    fn begin(&mut self, day: NaiveDate, at: Option<DateTime<Utc>>) {
        if self.held.is_none()
            && let Some(rules) = (self.rules)(day)
            && let Some(lowest) = rules.program.tiers.first()
        {
            self.held = Some(held(lowest, &rules, at.unwrap_or_else(|| first_instant(&rules, day)), None));
            self.year_from = day;
        }
    }

    /// Takes the highest tier that `seen` facts open on `day`, if it is above the one held.
    fn climb(&mut self, day: NaiveDate, seen: usize, by: Option<usize>) -> bool {
        let Some(rules) = (self.rules)(day) else { return false };
        let (tiers, ladder) = (&rules.program.tiers, &rules.program.ladder);
        let facts = Seen::up_to(&self.facts[..seen], day).from(self.floor);
        let Some(now) = self.rank(tiers) else { return false };
        let Some(step) = (now + 1..tiers.len()).rev().find(|rank| facts.opens(&tiers[*rank], ladder)) else { return false };
        let at = by.and_then(|place| self.facts[place].at).unwrap_or_else(|| first_instant(&rules, day));
        self.held = Some(held(&tiers[step], &rules, at, by));
        (self.year_from, self.counted_from) = (day, seen);
        true
    }

    /// The step held; a tier that this ladder doesn't know stands where its lowest does.
    fn rank(&self, tiers: &[Tier]) -> Option<usize> {
        let held = self.held.as_ref()?;
        Some(tiers.iter().position(|tier| tier.code == held.tier).unwrap_or(0))
    }

    /// Ends the years that are over on `day`, when `seen` facts lie before it.
    fn pass(&mut self, seen: usize, day: NaiveDate) {
        while let Some(end) = self.year_from.checked_add_months(Months::new(12)).filter(|end| self.held.is_some() && *end <= day) {
            let next = self.year(seen).filter(|year| !year.earned);
            match next {
                // Earned again, or nothing to be earned: on the lowest step, or in a year that was not asked for.
                None => (self.year_from, self.counted_from) = (end, seen),
                Some(year) if day < year.down_on => return,
                Some(year) => {
                    let Some(rules) = (self.rules)(year.down_on) else { return };
                    let since = first_instant(&rules, year.down_on);
                    self.held = Some(Held { tier: year.below, since, program_version: rules.version, by: None });
                    (self.year_from, self.counted_from, self.floor) = (year.down_on, seen, seen);
                }
            }
        }
    }

    /// In the days of grace the fact that earns the tier saves it. What saved the old year doesn't count for the new one.
    fn save_in_grace(&mut self, day: NaiveDate, seen: usize) {
        // What the year asks for is looked up in its days of grace only: for each fact it would cost a look at all of them.
        if self.year_from.checked_add_months(Months::new(12)).is_none_or(|end| day < end) {
            return;
        }
        if let Some(year) = self.year(seen).filter(|year| day >= year.end && year.earned) {
            (self.year_from, self.counted_from) = (year.end, seen);
        }
    }

    /// The running year, by the rules of the day behind its end.
    fn year(&self, seen: usize) -> Option<Year> {
        let end = self.year_from.checked_add_months(Months::new(12))?;
        let rules = (self.rules)(end)?;
        let (tiers, ladder) = (&rules.program.tiers, &rules.program.ladder);
        let rank = self.rank(tiers).filter(|rank| *rank > 0 && ladder.kind == LadderKind::Yearly)?;
        let facts = Seen { all: &self.facts[..seen], recent: &self.facts[self.counted_from.min(seen)..seen] };
        Some(Year {
            from: self.year_from,
            end,
            down_on: end.checked_add_days(Days::new(ladder.grace_days.into()))?,
            warn_on: end.checked_sub_days(Days::new(u64::from(ladder.warning_days) + 1))?,
            below: tiers[rank - 1].code.clone(),
            counted_from: self.counted_from,
            earned: facts.opens(&tiers[rank], ladder),
        })
    }
}

fn held(tier: &Tier, rules: &AppliedProgram, since: DateTime<Utc>, by: Option<usize>) -> Held {
    Held { tier: tier.code.clone(), since, program_version: rules.version, by }
}

fn first_instant(rules: &AppliedProgram, day: NaiveDate) -> DateTime<Utc> {
    start_of_day(day, rules.program.time_zone())
}

#[cfg(test)]
mod tests;
