//! What the services announced: each business event under one id and with one content, and none is missing.

use std::collections::{BTreeMap, BTreeSet};

use super::{Round, same};
use crate::{follow::Heard, plan::others::Kind};

pub(super) fn compare(round: &Round<'_>, wrong: &mut Vec<String>) {
    let mut by_id: BTreeMap<&str, &Heard> = BTreeMap::new();
    let mut ids: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for event in round.seen.events.iter().filter(|event| !event.json.is_null()) {
        let id = event.json["id"].as_str().unwrap_or_default();
        let first = by_id.entry(id).or_insert(event);
        if first.json != event.json {
            wrong.push(format!("event {id} has two contents: {} and {}", first.json, event.json));
        }
        if let Some(name) = name_of(event) {
            ids.entry(name).or_default().insert(id);
        }
    }
    for (name, ids) in ids.iter().filter(|(_, ids)| ids.len() > 1) {
        wrong.push(format!("{name} was announced under {} ids: {ids:?}", ids.len()));
    }
    let accepted = round.expected.bills.iter().filter(|(_, bill)| bill.person.is_some());
    let of_bills = accepted.flat_map(|((store, document), _)| {
        ["ingest.invoice_accepted", "points.earned", "campaign.accrual_assessed", "points.accrual_settled"]
            .map(|event| format!("{event} {store}/{document}"))
    });
    let of_others = round.plan.others.iter().flat_map(|other| {
        let settled = (other.kind != Kind::Car).then(|| format!("points.accrual_settled {}/{}", other.store, other.number));
        settled.into_iter().chain([format!("{} {}/{}", other.kind.event(), other.store, other.number)])
    });
    let of_people = round.seen.desk.registered.values().map(|(number, _)| format!("member.registered {number}"));
    let of_tiers = round
        .seen
        .found
        .standings
        .iter()
        .flat_map(|standing| (1..=standing.changes).map(|ordinal| format!("tier.upgraded {} {ordinal}", standing.member_no)));
    let expected = of_bills.chain(of_others).chain(of_people).chain(of_tiers).collect();
    same("events", expected, ids.into_keys().collect(), wrong);
}

/// What an event announces, by its own words; nothing for kinds that may come in any number.
fn name_of(event: &Heard) -> Option<String> {
    let mut tokens = event.subject.split('.').skip(1);
    let kind = format!("{}.{}", tokens.next()?, tokens.next()?);
    Some(match kind.as_str() {
        "ingest.invoice_accepted" => format!("{kind} {}/{}", event.text("store"), event.text("invoice_no")),
        "points.earned" | "campaign.accrual_assessed" | "points.accrual_settled" => {
            format!("{kind} {}/{}", event.text("store"), event.text("document"))
        }
        "ingest.interaction_recorded" => format!("{kind} {}/{}", event.text("store"), event.text("interaction_no")),
        "ingest.partner_purchase_recorded" => format!("{kind} {}/{}", event.text("store"), event.text("purchase_no")),
        "ingest.vehicle_sold" => format!("{kind} {}/{}", event.text("store"), event.text("sale_no")),
        "member.registered" => format!("{kind} {}", event.text("member_no")),
        "tier.upgraded" => format!("{kind} {} {}", event.text("member_no"), event.data()["ordinal"]),
        _ => return None,
    })
}
