//! Days that passed: each lot ended once and with what it had, to the store that had funded it; what waited for its day can be spent;
//! each member was reminded once of each end. What there was before the first of them is known; the rest is paper.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};
use uuid::Uuid;

use super::{replay, same};
use crate::{
    days::Passed,
    follow::Heard,
    found::{EntryRow, LotRow},
    plan::{Plan, days::REMINDERS},
};

/// Every difference; none if all is as it must be.
pub fn days(plan: &Plan, passed: &Passed) -> Vec<String> {
    let mut wrong = passed.wrong.clone();
    let paper = Paper::of(plan, passed);
    replay::compare(&passed.after, &mut wrong);
    paper.lots(passed, &mut wrong);
    paper.said(passed, &mut wrong);
    if let Some(letter) = passed.after.dead_letters.first() {
        wrong.push(format!("days passed, and {letter:?} was set aside"));
    }
    wrong
}

/// How often what there can be was there.
pub fn kinds(plan: &Plan, passed: &Passed) -> BTreeMap<&'static str, usize> {
    let paper = Paper::of(plan, passed);
    let new = |kind: &str| new_entries(passed).filter(|entry| entry.kind == kind).count();
    BTreeMap::from([
        ("days that passed", usize::try_from((paper.last - plan.today).num_days()).unwrap_or(0)),
        ("lots that ended", new("expiry")),
        ("points that could be spent from their day on", new("activation")),
        ("holds over the end of a lot", new("release")),
        ("reminders", paper.reminders().len()),
    ])
}

fn new_entries(passed: &Passed) -> impl Iterator<Item = &EntryRow> {
    let known: BTreeSet<Uuid> = passed.before.entries.iter().map(|entry| entry.entry_id).collect();
    passed.after.entries.iter().filter(move |entry| !known.contains(&entry.entry_id))
}

struct Paper {
    today: NaiveDate,
    /// The days of the jumps.
    arrivals: Vec<NaiveDate>,
    last: NaiveDate,
    /// Each lot, with what is held of it put back.
    lots: Vec<LotRow>,
    /// Who owes: what becomes spendable repays it first, in whatever order.
    owing: BTreeSet<Uuid>,
    /// Whose points are held: a reminder tells of what is there at that moment.
    holding: BTreeSet<Uuid>,
}

impl Paper {
    fn of(plan: &Plan, passed: &Passed) -> Self {
        let before = &passed.before;
        let mut arrivals = Vec::new();
        for jump in &plan.passing.jumps {
            arrivals.push(arrivals.last().copied().unwrap_or(plan.today) + Days::new(jump.days));
        }
        let mut lots: BTreeMap<(Uuid, bool), LotRow> = before.lots.iter().map(|lot| ((lot.lot_id, lot.pending), lot.clone())).collect();
        let open: BTreeSet<String> = before.holds.iter().filter(|hold| hold.state == "open").map(|hold| hold.hold_id.to_string()).collect();
        let held: Vec<&EntryRow> = before.entries.iter().filter(|entry| entry.kind == "hold" && open.contains(&entry.document)).collect();
        for entry in &held {
            // The lot's store is that of the entries which filled it.
            let store = before.entries.iter().find(|other| other.lot_id == entry.lot_id).map_or("", |first| first.store.as_str());
            let lot = lots.entry((entry.lot_id, false)).or_insert_with(|| LotRow {
                member_id: entry.member_id,
                lot_id: entry.lot_id,
                store: store.to_owned(),
                remaining: 0,
                expires_on: entry.expires_on,
                pending: false,
                until: None,
            });
            lot.remaining += entry.points;
        }
        Self {
            today: plan.today,
            last: plan.passing.last(plan.today),
            arrivals,
            lots: lots.into_values().collect(),
            owing: before.accounts.iter().filter(|account| account.debt > 0).map(|account| account.member_id).collect(),
            holding: held.iter().map(|entry| entry.member_id).collect(),
        }
    }

    fn plain(&self) -> impl Iterator<Item = &LotRow> {
        self.lots.iter().filter(|lot| !self.owing.contains(&lot.member_id))
    }

    /// What ended, by lot, and what is left.
    fn lots(&self, passed: &Passed, wrong: &mut Vec<String>) {
        let is_plain = |member: &Uuid| !self.owing.contains(member);
        let (mut ends, mut left) = (Vec::new(), Vec::new());
        let line =
            |lot: &LotRow, pending: bool| format!("{} of {} {} {pending} until {}", lot.lot_id, lot.store, lot.remaining, lot.expires_on);
        for lot in self.plain() {
            let waits = lot.pending && lot.until.is_none_or(|until| until > self.last);
            if !waits && lot.expires_on < self.last {
                ends.push(format!("{} {} of {}", lot.lot_id, lot.remaining, lot.store));
            } else {
                left.push(line(lot, waits));
            }
        }
        let found = passed.after.lots.iter().filter(|lot| is_plain(&lot.member_id)).map(|lot| line(lot, lot.pending));
        same("lots left", left, found.collect(), wrong);
        let mut ended: BTreeMap<(Uuid, &str), i64> = BTreeMap::new();
        for entry in new_entries(passed).filter(|entry| is_plain(&entry.member_id)) {
            match entry.kind.as_str() {
                "expiry" => *ended.entry((entry.lot_id, &entry.store)).or_default() += entry.points,
                "activation" | "release" => {}
                kind => wrong.push(format!("days passed, and there is {kind} of {}/{}", entry.store, entry.document)),
            }
        }
        same("lots ended", ends, ended.iter().map(|((lot, store), points)| format!("{lot} {points} of {store}")).collect(), wrong);
    }

    /// Each member's ends, with what ends.
    fn ends(&self) -> BTreeMap<(Uuid, NaiveDate), BTreeMap<&str, i64>> {
        let mut ends: BTreeMap<(Uuid, NaiveDate), BTreeMap<&str, i64>> = BTreeMap::new();
        for lot in self.plain().filter(|lot| !lot.pending && !self.holding.contains(&lot.member_id)) {
            *ends.entry((lot.member_id, lot.expires_on)).or_default().entry(&lot.store).or_default() += lot.remaining;
        }
        ends
    }

    /// Member, end, days ahead and points of each reminder. Who catches up over several days says once what is left to say.
    fn reminders(&self) -> BTreeSet<(Uuid, NaiveDate, u32, i64)> {
        let mut all = BTreeSet::new();
        let mut day = self.today;
        for arrival in &self.arrivals {
            while day < *arrival {
                day = day + Days::new(1);
                for (place, days) in REMINDERS.iter().enumerate() {
                    let on = day + Days::new(u64::from(*days));
                    let next = REMINDERS.get(place + 1).copied().unwrap_or(0);
                    if on - Days::new(u64::from(next)) <= *arrival && day != *arrival {
                        continue;
                    }
                    let ends = self.ends();
                    let due = ends.iter().filter(|((_, end), _)| *end == on);
                    all.extend(due.map(|((member, _), by_store)| (*member, on, *days, by_store.values().sum())));
                }
            }
        }
        all
    }

    /// What was announced, and to whom it was said.
    fn said(&self, passed: &Passed, wrong: &mut Vec<String>) {
        let counts = |member: &str| member.parse().is_ok_and(|member| !self.owing.contains(&member) && !self.holding.contains(&member));
        let mut by_id: BTreeMap<&str, &Heard> = BTreeMap::new();
        for event in &passed.events {
            let first = by_id.entry(event.json["id"].as_str().unwrap_or_default()).or_insert(event);
            if first.json != event.json {
                wrong.push(format!("an event has two contents: {} and {}", first.json, event.json));
            }
        }
        let of = |kind: &str| {
            let subject = format!("evt.points.{kind}.");
            let events = by_id.values().filter(|event| event.subject.starts_with(&subject) && counts(event.text("member_id")));
            events.copied().collect::<Vec<&Heard>>()
        };
        let reminders = self.reminders();
        let expected = reminders.iter().map(|(member, on, days, points)| format!("{member} {on} {days} {points}"));
        let line = |event: &&Heard| {
            let data = event.data();
            format!("{} {} {} {}", event.text("member_id"), event.text("on"), data["days"], data["points"])
        };
        same("reminders", expected.collect(), of("expiring").iter().map(line).collect(), wrong);
        let ends: BTreeMap<_, _> = self.ends().into_iter().filter(|((_, on), _)| *on < self.last).collect();
        let expected = ends.iter().map(|((member, on), by_store)| format!("{member} {on} {by_store:?}"));
        let line = |event: &&Heard| {
            let funded = event.data()["funded_by"].as_array().into_iter().flatten();
            let by_store: BTreeMap<&str, i64> =
                funded.map(|funded| (funded["store"].as_str().unwrap_or("?"), funded["points"].as_i64().unwrap_or(0))).collect();
            format!("{} {} {by_store:?}", event.text("member_id"), event.text("on"))
        };
        same("ends announced", expected.collect(), of("expired").iter().map(line).collect(), wrong);
        let told = |kind: &str| {
            let sends = passed.after.sends.iter().filter(move |send| send.kind == kind && counts(&send.member_id.to_string()));
            sends.map(|send| format!("{} {}", send.member_id, send.business_key)).collect::<Vec<String>>()
        };
        let expected = reminders.iter().map(|(member, on, days, _)| format!("{member} {on}/{days}"));
        same("told of ends to come", expected.collect(), told("points_expiring"), wrong);
        let expected = ends.keys().map(|(member, on)| format!("{member} {on}"));
        same("told of ends", expected.collect(), told("points_expired"), wrong);
    }
}
