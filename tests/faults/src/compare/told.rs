//! What members were told: one message a business event, and none twice.

use std::collections::{BTreeMap, BTreeSet};

use super::{Round, same};
use crate::{
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
    }
}

fn points_by_document(round: &Round<'_>) -> BTreeMap<String, i64> {
    let mut points: BTreeMap<String, i64> = BTreeMap::new();
    for entry in &round.seen.found.entries {
        *points.entry(format!("{}/{}", entry.store, entry.document)).or_default() += entry.points;
    }
    points
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
    let steps = found.standings.iter().flat_map(|standing| {
        let id = found.members.get(&standing.member_no).map(ToString::to_string).unwrap_or_default();
        (1..=standing.changes).map(move |ordinal| format!("{id} tier_upgraded {ordinal}"))
    });
    let granted = found.entitlements.iter().map(|(member, entitlement)| format!("{member} entitlement_granted {entitlement}"));
    let expected = welcomes.chain(earned).chain(steps).chain(granted).collect();
    let sends = found.sends.iter().map(|send| format!("{} {} {}", send.member_id, send.kind, send.business_key));
    same("occasions", expected, sends.collect(), wrong);
}
