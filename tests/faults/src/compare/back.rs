//! What refunds, voids and bills in others' place took back: of each entry what the net amounts don't give any longer, and no more.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{
    Round,
    ledger::{accepted, campaign_of},
    replay::{gives, taken_back},
    same,
};
use crate::{found::EntryRow, model::DocumentKey, plan::corrections::Change};

pub(super) fn compare(round: &Round<'_>, wrong: &mut Vec<String>) {
    left_of_entries(round, wrong);
    named(round, wrong);
    nets(round, wrong);
    returned(round, wrong);
    deducted(round, wrong);
}

/// Of base what the net amounts give; of a bonus no more than its factor gives on that; a first spending stands or doesn't.
fn left_of_entries(round: &Round<'_>, wrong: &mut Vec<String>) {
    let taken = taken_back(&round.seen.found.entries);
    let (mut expected, mut found) = (Vec::new(), Vec::new());
    for entry in round.seen.found.entries.iter().filter(|entry| gives(entry) && entry.kind != "first_spending") {
        let rest = entry.points - taken.get(&entry.entry_id).copied().unwrap_or(0);
        let bill = round.expected.bills.get(&(entry.store.clone(), entry.document.clone()));
        let due = match (entry.kind.as_str(), bill) {
            ("accrual", Some(bill)) => bill.base_left(&entry.category),
            ("bonus", Some(bill)) => {
                let factor = campaign_of(entry).and_then(|campaign| round.expected.factors.get(campaign)).copied().unwrap_or(10_000);
                entry.points.min(bill.base_left(&entry.category) * (factor - 10_000) / 10_000)
            }
            _ => entry.points,
        };
        let line = |points| format!("{}/{} {} {} {points}", entry.store, entry.document, entry.rule, entry.category);
        expected.push(line(due));
        found.push(line(rest));
    }
    same("points left", expected, found, wrong);
}

/// What takes something back is a correction of the bill; of a first spending, of any bill of the member.
fn named(round: &Round<'_>, wrong: &mut Vec<String>) {
    let rules = rules(round);
    let by_id: BTreeMap<Uuid, &EntryRow> = round.seen.found.entries.iter().map(|entry| (entry.entry_id, entry)).collect();
    for entry in round.seen.found.entries.iter().filter(|entry| entry.kind == "reversal") {
        let of = entry.of_entry.and_then(|of| by_id.get(&of));
        let bill = rules.get(&entry.rule);
        let own = bill.is_some_and(|bill| *bill == (entry.store.as_str(), entry.document.as_str()));
        // The grant may stand under another bill, and that in another store.
        let own = own || (of.is_some_and(|of| of.kind == "first_spending") && bill.is_some());
        if !own {
            wrong.push(format!("{} took {} of {}/{} back", entry.rule, entry.points, entry.store, entry.document));
        }
    }
}

/// Every correction that counts, by the ledger's word for it, with store and number of its bill.
fn rules<'a>(round: &'a Round<'_>) -> BTreeMap<String, (&'a str, &'a str)> {
    let plan = round.plan;
    let of_corrections = plan.corrections.iter().filter_map(|correction| {
        let bill = &plan.bills[correction.bill?];
        Some((correction.rule(), (bill.store.as_str(), bill.number.as_str())))
    });
    let of_bills = plan.bills.iter().filter_map(|bill| {
        let replaced = bill.replaces.as_deref()?;
        Some((format!("replacement:{}", bill.number), (bill.store.as_str(), replaced)))
    });
    of_corrections.chain(of_bills).collect()
}

/// points knows what is left of each bill.
fn nets(round: &Round<'_>, wrong: &mut Vec<String>) {
    let expected = accepted(round).filter_map(|((store, document), bill, _)| {
        let net = bill.net.as_ref()?;
        let categories: BTreeMap<&str, String> =
            net.categories.iter().map(|(category, (paid, base))| (*category, format!("{}.{:02} {base}", paid / 100, paid % 100))).collect();
        let (visit, paid_visit) = net.visits;
        Some(format!("{store}/{document} {} {visit} {paid_visit} {categories:?}", net.spending))
    });
    let found = round.seen.found.accruals.iter().filter_map(|accrual| {
        let net = &accrual.net.as_ref()?["net"];
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let categories: BTreeMap<String, String> = net["categories"]
            .as_array()
            .unwrap_or(&Vec::new())
            .iter()
            .map(|category| (text(&category["category"]), format!("{} {}", text(&category["paid"]), category["base"])))
            .collect();
        let (store, document) = (&accrual.store, &accrual.document);
        Some(format!("{store}/{document} {} {} {} {categories:?}", net["is_spending"], net["visit"], net["paid_visit"]))
    });
    same("what is left of bills", expected.collect(), found.collect(), wrong);
}

/// Every bonus that was taken back came back to its campaign, once; and to its budget, if it runs.
fn returned(round: &Round<'_>, wrong: &mut Vec<String>) {
    let found = &round.seen.found;
    let bonuses: BTreeMap<Uuid, &EntryRow> =
        found.entries.iter().filter(|entry| entry.kind == "bonus").map(|entry| (entry.entry_id, entry)).collect();
    let taken = found.entries.iter().filter(|entry| entry.kind == "reversal").filter_map(|entry| {
        let of = bonuses.get(&entry.of_entry?)?;
        Some((entry.entry_id, campaign_of(of)?.to_owned(), entry.points))
    });
    let taken: BTreeSet<(Uuid, String, i64)> = taken.collect();
    let line = |(id, campaign, points): &(Uuid, String, i64)| format!("{id} {campaign} {points}");
    same("bonuses that came back", taken.iter().map(line).collect(), found.returned.iter().map(line).collect(), wrong);
    for (campaign, budget) in &round.expected.budgets {
        let granted: i64 = found.participations.iter().filter(|((code, ..), _)| code == campaign).map(|(_, points)| points).sum();
        let back: i64 = taken.iter().filter(|(_, code, _)| code == campaign).map(|(_, _, points)| points).sum();
        let (due, counted) = (round.expected.due(campaign), found.budgets.get(campaign).copied().unwrap_or(0));
        let runs = round.expected.running.contains(campaign);
        // Granted is what is due, or the budget was met; what comes back to a running one is granted again.
        let fits = if runs { granted == due || (*budget..=budget + back).contains(&granted) } else { granted == due.min(*budget) };
        if !fits || counted != granted - if runs { back } else { 0 } || counted > *budget {
            wrong
                .push(format!("{campaign} with {budget} (runs: {runs}) has granted {granted} of {due}, got {back} back, counts {counted}"));
        }
    }
}

/// tier deducted what was taken back, once: points by member, amounts and visits by bill.
fn deducted(round: &Round<'_>, wrong: &mut Vec<String>) {
    let found = &round.seen.found;
    let (mut expected, mut of_members): (Vec<String>, BTreeMap<Uuid, i64>) = (Vec::new(), BTreeMap::new());
    for ((store, document), bill, _) in accepted(round) {
        let Some(net) = &bill.net else { continue };
        let less = bill.earned.categories.iter().filter_map(|(category, (paid, _))| {
            let less = paid - net.categories.get(category).map_or(0, |(paid, _)| *paid);
            (less > 0).then(|| ((*category).to_owned(), less))
        });
        let less: BTreeMap<String, i64> = less.collect();
        let lost = [bill.earned.visits.0 && !net.visits.0, bill.earned.visits.1 && !net.visits.1].map(u32::from);
        if !less.is_empty() || lost != [0, 0] {
            expected.push(format!("{store}/{document} {less:?} {lost:?}"));
        }
    }
    let mut by_document: BTreeMap<DocumentKey, (BTreeMap<String, i64>, [u32; 2])> = BTreeMap::new();
    for row in &found.deductions {
        *of_members.entry(row.member_id).or_default() += row.qualifying;
        let (less, lost) = by_document.entry((row.store.clone(), row.document.clone())).or_default();
        for (category, fen) in row.paid_fen.as_object().into_iter().flatten() {
            *less.entry(category.clone()).or_default() += fen.as_i64().unwrap_or(0);
        }
        lost[0] += u32::from(row.visit_lost);
        lost[1] += u32::from(row.paid_visit_lost);
    }
    by_document.retain(|_, (less, lost)| !less.is_empty() || *lost != [0, 0]);
    let line = |((store, document), (less, lost)): (&DocumentKey, &(BTreeMap<String, i64>, [u32; 2]))| {
        format!("{store}/{document} {less:?} {lost:?}")
    };
    same("amounts and visits deducted", expected, by_document.iter().map(line).collect(), wrong);
    let mut taken: BTreeMap<Uuid, i64> = BTreeMap::new();
    for entry in found.entries.iter().filter(|entry| entry.kind == "reversal" && entry.qualifying) {
        *taken.entry(entry.member_id).or_default() += entry.points;
    }
    of_members.retain(|_, points| *points > 0);
    let line = |(member, points): (&Uuid, &i64)| format!("{member} {points}");
    same("points deducted", taken.iter().map(line).collect(), of_members.iter().map(line).collect(), wrong);
}

/// Refunds and voids that are accepted, as the ledger's claims and `ingest`'s events have them.
pub(super) fn accepted_refunds<'a>(round: &'a Round<'_>) -> impl Iterator<Item = (&'a str, &'a str)> {
    round.plan.corrections.iter().filter_map(|correction| {
        let bill = &round.plan.bills[correction.bill?];
        let known = round.expected.bills.get(&(bill.store.clone(), bill.number.clone()))?.person.is_some();
        (known && correction.change != Change::Void).then_some((correction.store.as_str(), correction.number.as_str()))
    })
}
