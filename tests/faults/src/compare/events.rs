//! What the services announced: each business event under one id and with one content, and none is missing.

use std::collections::{BTreeMap, BTreeSet};

use super::{Round, back::accepted_refunds, same};
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
        for name in names_of(event) {
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
        .flat_map(|standing| (1..=standing.changes).map(|ordinal| format!("tier {} {ordinal}", standing.member_no)));
    let of_refunds = accepted_refunds(round).map(|(store, number)| format!("ingest.invoice_refunded {store}/{number}"));
    let of_voids = round.expected.bills.iter().filter(|(_, bill)| bill.back.is_void());
    let of_voids = of_voids.map(|((store, number), _)| format!("ingest.invoice_voided {store}/{number}"));
    let of_reversals = round.seen.found.entries.iter().filter(|entry| entry.kind == "reversal");
    let of_reversals = of_reversals.map(|entry| format!("points.reversed {} {}", entry.entry_id, entry.points));
    let of_flags = round.expected.bills.iter().flat_map(|((store, number), bill)| {
        // A bill that was voided and replaced shows by its event which of both came first.
        let replaced = bill.back.replaced > 0
            && (bill.back.voids == 0 || ids.contains_key(&format!("points.flagged invoice_replaced {store}/{number}")));
        let reasons = [(bill.too_much, "refund_exceeds_line"), (replaced, "invoice_replaced")];
        reasons.into_iter().filter(|(is, _)| *is).map(move |(_, reason)| format!("points.flagged {reason} {store}/{number}"))
    });
    let of_holds = round.seen.found.holds.iter().flat_map(|hold| {
        let end = if hold.state == "captured" { "captured" } else { "released" };
        let returned = hold.returned.then_some("returned");
        ["held", end].into_iter().chain(returned).map(move |event| format!("points.{event} {}", hold.hold_id))
    });
    let of_back = of_refunds.chain(of_voids).chain(of_reversals).chain(of_flags);
    let of_back = of_back.chain(of_holds);
    let expected = of_bills.chain(of_others).chain(of_people).chain(of_tiers).chain(of_back).collect();
    same("events", expected, ids.keys().cloned().collect(), wrong);
}

/// What an event announces, by its own words; nothing for kinds that may come in any number.
fn names_of(event: &Heard) -> Vec<String> {
    let mut tokens = event.subject.split('.').skip(1);
    let kind = format!("{}.{}", tokens.next().unwrap_or_default(), tokens.next().unwrap_or_default());
    if kind == "points.reversed" {
        let entries = event.data()["entries"].as_array().into_iter().flatten();
        return entries.map(|entry| format!("{kind} {} {}", entry["entry_id"].as_str().unwrap_or_default(), entry["points"])).collect();
    }
    vec![match kind.as_str() {
        "ingest.invoice_accepted" | "ingest.invoice_voided" => format!("{kind} {}/{}", event.text("store"), event.text("invoice_no")),
        "points.earned" | "campaign.accrual_assessed" | "points.accrual_settled" => {
            format!("{kind} {}/{}", event.text("store"), event.text("document"))
        }
        "ingest.interaction_recorded" => format!("{kind} {}/{}", event.text("store"), event.text("interaction_no")),
        "ingest.partner_purchase_recorded" => format!("{kind} {}/{}", event.text("store"), event.text("purchase_no")),
        "ingest.vehicle_sold" => format!("{kind} {}/{}", event.text("store"), event.text("sale_no")),
        "member.registered" => format!("{kind} {}", event.text("member_no")),
        "ingest.invoice_refunded" => format!("{kind} {}/{}", event.text("store"), event.text("refund_no")),
        "points.held" | "points.captured" | "points.released" | "points.returned" => format!("{kind} {}", event.text("hold_id")),
        "points.flagged" => format!("{kind} {} {}/{}", event.text("reason"), event.text("store"), event.text("document")),
        // Up or down, each change of a member has one number.
        "tier.upgraded" | "tier.downgraded" => format!("tier {} {}", event.text("member_no"), event.data()["ordinal"]),
        _ => return Vec::new(),
    }]
}
