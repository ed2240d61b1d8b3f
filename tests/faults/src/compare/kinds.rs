//! How often a round had each kind of what it can have: what a plan has lost silently shows here.

use std::collections::{BTreeMap, BTreeSet};

use super::Seen;
use crate::{
    model::Expected,
    plan::{Plan, corrections::Change},
};

/// Kinds that a campaign of some rounds must have had, each with how often.
pub fn kinds(plan: &Plan, expected: &Expected, seen: &Seen) -> BTreeMap<&'static str, usize> {
    let found = &seen.found;
    let bills = || expected.bills.values().filter(|bill| bill.person.is_some());
    let entries = |kind: &str| found.entries.iter().filter(|entry| entry.kind == kind).count();
    let ahead: BTreeSet<&str> = seen
        .receipts
        .iter()
        .filter(|receipt| receipt.text("code") == "document.awaits_invoice")
        .map(|receipt| receipt.text("sha256"))
        .collect();
    let reversed = seen.events.iter().filter(|event| event.subject.starts_with("evt.points.reversed."));
    let mut of_corrections: BTreeMap<String, usize> = BTreeMap::new();
    let ids: BTreeSet<(&str, String)> = reversed
        .map(|event| (event.json["id"].as_str().unwrap_or_default(), format!("{} {}", event.subject, event.data()["number"])))
        .collect();
    for (_, correction) in ids {
        *of_corrections.entry(correction).or_default() += 1;
    }
    let downgraded = seen.events.iter().filter(|event| event.subject.starts_with("evt.tier.downgraded."));
    let holds = |state: &str| found.holds.iter().filter(|hold| hold.state == state).count();
    let refused = seen.tills.dealt.values().filter(|dealt| dealt.held.as_ref().is_some_and(Result::is_err)).count();
    let on_ended = seen
        .tills
        .dealt
        .values()
        .filter(|dealt| matches!(&dealt.captured, Some(Err(problem)) if problem["code"] == "hold.document_voided"));
    BTreeMap::from([
        ("refunds", plan.corrections.iter().filter(|correction| correction.change != Change::Void).count()),
        ("bills refunded in several pieces", bills().filter(|bill| bill.back.refunds > 1 && !bill.back.is_void()).count()),
        ("bills refunded too much", bills().filter(|bill| bill.too_much).count()),
        ("bills voided", bills().filter(|bill| bill.back.voids > 0).count()),
        ("bills replaced", bills().filter(|bill| bill.back.replaced > 0).count()),
        ("corrections ahead of their bill", ahead.len()),
        ("bonuses taken back", found.returned.len()),
        ("bonuses that came behind their correction", of_corrections.values().filter(|times| **times > 1).count()),
        ("bonuses back in a running budget", found.returned.iter().filter(|(_, campaign, _)| expected.running.contains(campaign)).count()),
        ("first spendings granted again", found.entries.iter().filter(|entry| entry.kind == "first_spending" && entry.ordinal > 1).count()),
        (
            "first spendings gone",
            bills()
                .filter_map(|bill| bill.person.filter(|_| bill.earned.spending))
                .collect::<BTreeSet<_>>()
                .difference(&bills().filter(|bill| bill.still_spending()).filter_map(|bill| bill.person).collect())
                .count(),
        ),
        ("debts", found.entries.iter().filter(|entry| entry.debit == "debt").count()),
        ("debts repaid", entries("repayment")),
        ("tiers lost", downgraded.count()),
        ("holds captured", holds("captured")),
        ("holds captured in part", found.holds.iter().filter(|hold| hold.captured > 0 && hold.captured < hold.points).count()),
        ("holds released", holds("released")),
        ("holds expired", holds("expired")),
        ("holds refused for want of points", refused),
        ("captures refused for a bill that ended", on_ended.count()),
        ("captured points returned", found.holds.iter().filter(|hold| hold.returned).count()),
    ])
}
