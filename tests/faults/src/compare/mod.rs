//! What must have come out against what has: every difference, in words.

mod back;
pub mod days;
mod events;
mod kinds;
mod ledger;
mod receipts;
mod replay;
mod till;
mod told;

use std::collections::BTreeSet;

pub use kinds::kinds;

use crate::{
    follow::Heard,
    found::Found,
    gateway::Inboxes,
    model::Expected,
    plan::Plan,
    stores::{Desk, Sent},
    tills::Tills,
};

/// A round as it was seen.
#[derive(Debug)]
pub struct Seen {
    /// What stands in the tables.
    pub found: Found,
    /// What the counters were answered.
    pub desk: Desk,
    /// What the tills were answered.
    pub tills: Tills,
    /// What the stores sent.
    pub sent: Sent,
    /// What the stores were answered.
    pub receipts: Vec<Heard>,
    /// What the services announced.
    pub events: Vec<Heard>,
    /// Ids in the streams of events and receipts as they are at rest.
    pub present: BTreeSet<String>,
    /// What customers got.
    pub inboxes: Inboxes,
    /// The broker has forgotten something: what outsiders published and nobody had read yet may be gone.
    pub forgot: bool,
    /// No gateway reported anything: what was commanded stays so.
    pub unreported: bool,
}

/// What both sides of a comparison are about.
struct Round<'a> {
    plan: &'a Plan,
    expected: &'a Expected,
    seen: &'a Seen,
}

/// Every difference; none if all is as it must be.
pub fn differences(plan: &Plan, expected: &Expected, seen: &Seen) -> Vec<String> {
    let round = Round { plan, expected, seen };
    let mut wrong = seen.desk.wrong.clone();
    members(&round, &mut wrong);
    receipts::compare(&round, &mut wrong);
    ledger::compare(&round, &mut wrong);
    replay::compare(&seen.found, &mut wrong);
    back::compare(&round, &mut wrong);
    till::compare(&round, &mut wrong);
    events::compare(&round, &mut wrong);
    told::compare(&round, &mut wrong);
    dead_letters(&round, &mut wrong);
    in_the_streams(&round, &mut wrong);
    wrong
}

/// Everybody is registered, once, and nobody else is.
fn members(round: &Round<'_>, wrong: &mut Vec<String>) {
    let registered = &round.seen.desk.registered;
    if registered.len() != round.plan.people.len() {
        wrong.push(format!("{} of {} people are registered", registered.len(), round.plan.people.len()));
    }
    let answered: std::collections::BTreeMap<String, String> = registered.values().cloned().collect();
    let found = round.seen.found.members.iter().map(|(number, id)| (number.clone(), id.to_string())).collect();
    if answered != found {
        wrong.push(format!("members answered {answered:?}, stored {found:?}"));
    }
}

/// What was published is in its stream, or is there again.
fn in_the_streams(round: &Round<'_>, wrong: &mut Vec<String>) {
    let missing: Vec<&(String, String)> = round.seen.found.announced.iter().filter(|(_, id)| !round.seen.present.contains(id)).collect();
    if let Some((stream, id)) = missing.first() {
        wrong.push(format!("{} messages are not in their streams, first {id} in {stream}", missing.len()));
    }
}

/// Exactly what could not be read was set aside.
fn dead_letters(round: &Round<'_>, wrong: &mut Vec<String>) {
    let found = round.seen.found.dead_letters.iter().map(|(consumer, _, subject)| format!("{consumer} {subject}"));
    let planned = round.plan.poison.iter().map(|poison| format!("{} {}", poison.consumer, poison.subject));
    let (mut planned, found): (Vec<String>, Vec<String>) = (planned.collect(), found.collect());
    if round.seen.forgot {
        // Nobody publishes poison again; and what came back from a copy may have another place, and be set aside twice.
        planned.retain(|line| found.contains(line));
        let mut once = found;
        once.sort();
        once.dedup();
        planned.sort();
        planned.dedup();
        same("dead letters", planned, once, wrong);
    } else {
        same("dead letters", planned, found, wrong);
    }
}

/// Compares two lists whatever their order.
fn same(what: &str, mut expected: Vec<String>, mut found: Vec<String>, wrong: &mut Vec<String>) {
    expected.sort();
    found.sort();
    if expected == found {
        return;
    }
    let without = |all: &[String], others: &[String]| {
        let mut rest = others.to_vec();
        let is_extra = |line: &&String| rest.iter().position(|other| other == *line).map(|place| rest.swap_remove(place)).is_none();
        all.iter().filter(is_extra).cloned().collect::<Vec<String>>()
    };
    let (missing, extra) = (without(&expected, &found), without(&found, &expected));
    wrong.extend(missing.iter().take(5).map(|line| format!("{what}: missing {line}")));
    wrong.extend(extra.iter().take(5).map(|line| format!("{what}: too many {line}")));
    if missing.len() > 5 || extra.len() > 5 {
        wrong.push(format!("{what}: {} missing, {} too many in all", missing.len(), extra.len()));
    }
}
