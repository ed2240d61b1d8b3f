//! What members were told: one message a business event, and none twice.

use std::collections::{BTreeMap, BTreeSet};

use super::{Round, replay::gives, same};
use crate::{
    follow::Heard,
    found::SendRow,
    gateway::fate_of,
    plan::{others::Kind, people::Person},
};

pub(super) fn compare(round: &Round<'_>, wrong: &mut Vec<String>) {
    let found = &round.seen.found;
    let people: BTreeMap<String, &Person> =
        round.seen.desk.registered.iter().map(|(place, (_, id))| (id.clone(), &round.plan.people[*place])).collect();
    occasions(round, wrong);
    let mut commanded = BTreeSet::new();
    for send in &found.sends {
        let Some(person) = people.get(&send.member_id.to_string()) else { continue };
        let state = match (person.consents, round.seen.unreported) {
            (true, true) => "commanded",
            (true, false) => fate_of(&person.phone),
            (false, _) => "suppressed",
        };
        // A report that the broker forgot is the gateway's to repeat, and this one does not know.
        let unreported = round.seen.forgot && person.consents && ["commanded", "accepted"].contains(&send.state.as_str());
        if send.state != state && !unreported {
            wrong.push(format!("{} {} is {}, and must be {state}", send.kind, send.business_key, send.state));
        }
        if person.consents {
            commanded.insert(send.notification_id.to_string());
        }
    }
    same("messages that customers got", commanded.into_iter().collect(), round.seen.inboxes.keys().cloned().collect(), wrong);
    let by_document = points_by_document(round);
    let taken = taken_at_once(round);
    let sends: BTreeMap<String, &SendRow> = found.sends.iter().map(|send| (send.notification_id.to_string(), send)).collect();
    for (id, contents) in &round.seen.inboxes {
        let send = sends.get(id);
        if contents.len() != 1 {
            wrong.push(format!("message {id} has {} contents", contents.len()));
        }
        let (Some(send), Some(content)) = (send, contents.first()) else { continue };
        let data = &content["data"];
        let phone = people.get(&send.member_id.to_string()).map_or("", |person| person.phone.as_str());
        let points = by_document.get(&send.business_key).map(ToString::to_string);
        let told = data["params"]["points"].as_str().map(str::to_owned);
        if data["kind"] != send.kind.as_str() || data["to"]["phone"] != format!("+86{phone}") {
            wrong.push(format!("message {id} must be {} to {phone}: {data}", send.kind));
        }
        if send.kind == "points_earned" && told != points {
            wrong.push(format!("message {id} tells of {told:?} points, posted {points:?}"));
        }
        let fits = |points: &BTreeSet<i64>| told.as_ref().is_some_and(|told| points.iter().any(|points| points.to_string() == *told));
        if send.kind == "points_reversed" && !taken.get(&send.business_key).is_some_and(fits) {
            wrong.push(format!("message {id} tells of {told:?} points taken back, {:?} were", taken.get(&send.business_key)));
        }
    }
}

fn points_by_document(round: &Round<'_>) -> BTreeMap<String, i64> {
    let mut points: BTreeMap<String, i64> = BTreeMap::new();
    for entry in round.seen.found.entries.iter().filter(|entry| gives(entry)) {
        *points.entry(format!("{}/{}", entry.store, entry.document)).or_default() += entry.points;
    }
    points
}

fn reversal_key(event: &Heard) -> String {
    let entries = event.data()["entries"].as_array().into_iter().flatten();
    let first = entries.filter_map(|entry| entry["entry_id"].as_str()).min().unwrap_or_default();
    format!("{}/{}/{}/{first}", event.text("correction"), event.text("store"), event.text("number"))
}

/// Points by what a correction took at a time; one that came before campaign's answer takes the bonus in a second event.
fn taken_at_once(round: &Round<'_>) -> BTreeMap<String, BTreeSet<i64>> {
    let mut taken: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
    for event in round.seen.events.iter().filter(|event| event.subject.starts_with("evt.points.reversed.")) {
        let entries = event.data()["entries"].as_array().into_iter().flatten();
        let points: i64 = entries.filter_map(|entry| entry["points"].as_i64()).sum();
        if points > 0 {
            taken.entry(reversal_key(event)).or_default().insert(points);
        }
    }
    taken
}

/// Every registration, every accrual with points, every step up, every countable benefit has its row, and nothing else has.
fn occasions(round: &Round<'_>, wrong: &mut Vec<String>) {
    let found = &round.seen.found;
    let with_points = points_by_document(round);
    let owner: BTreeMap<String, String> =
        found.entries.iter().map(|entry| (format!("{}/{}", entry.store, entry.document), entry.member_id.to_string())).collect();
    let welcomes = found.members.values().map(|id| format!("{id} welcome welcome"));
    let others: BTreeMap<String, Kind> =
        round.plan.others.iter().map(|other| (format!("{}/{}", other.store, other.number), other.kind)).collect();
    let earned = with_points.keys().filter_map(|document| {
        let (kind, source) = match others.get(document) {
            None => ("points_earned", ""),
            Some(Kind::CheckIn) => ("interaction_earned", "interaction/"),
            Some(_) => ("partner_earned", "partner_purchase/"),
        };
        Some(format!("{} {kind} {source}{document}", owner.get(document)?))
    });
    let mut steps: Vec<String> = ["upgraded", "downgraded"]
        .into_iter()
        .flat_map(|way| {
            let step = move |event: &Heard| format!("{} tier_{way} {}", event.text("member_id"), event.data()["ordinal"]);
            let subject = format!("evt.tier.{way}.");
            round.seen.events.iter().filter(|event| event.subject.starts_with(&subject)).map(step).collect::<Vec<String>>()
        })
        .collect();
    // A broker that forgot hears some of them again.
    steps.sort();
    steps.dedup();
    let owner_of: BTreeMap<String, String> =
        round.seen.events.iter().map(|event| (reversal_key(event), event.text("member_id").to_owned())).collect();
    let taken = taken_at_once(round);
    let reversed = taken.keys().filter_map(|key| Some(format!("{} points_reversed {key}", owner_of.get(key)?)));
    let granted = found.entitlements.iter().map(|(member, entitlement)| format!("{member} entitlement_granted {entitlement}"));
    let expected = welcomes.chain(earned).chain(steps).chain(granted).chain(reversed).collect();
    let sends = found.sends.iter().map(|send| format!("{} {} {}", send.member_id, send.kind, send.business_key));
    same("occasions", expected, sends.collect(), wrong);
}
