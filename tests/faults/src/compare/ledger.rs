//! The ledger, what campaigns granted and where members stand.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{
    Round,
    replay::{gives, taken_back},
    same,
};
use crate::{
    found::EntryRow,
    model::{
        DocumentKey, ExpectedBill,
        earn::{FIRST_SPENDING, TIERS, tier},
    },
    plan::{
        corrections::Correction,
        others::{CHECK_IN, Kind, Other, fuel, wash},
    },
};

pub(super) fn compare(round: &Round<'_>, wrong: &mut Vec<String>) {
    documents(round, wrong);
    entries(round, wrong);
    others(round, wrong);
    accruals(round, wrong);
    campaigns(round, wrong);
    standings(round, wrong);
}

/// The bills that earn, with their member's number.
pub(super) fn accepted<'a>(round: &'a Round<'_>) -> impl Iterator<Item = (&'a DocumentKey, &'a ExpectedBill, &'a str)> {
    round.expected.bills.iter().filter_map(|(key, bill)| {
        let (number, _) = round.seen.desk.registered.get(&bill.person?)?;
        Some((key, bill, number.as_str()))
    })
}

/// Whether a refund or void has found its bill, and that its customer.
pub(super) fn is_accepted(round: &Round<'_>, correction: &Correction) -> bool {
    let bill = correction.bill.map(|bill| &round.plan.bills[bill]);
    bill.is_some_and(|bill| round.expected.bills.get(&(bill.store.clone(), bill.number.clone())).is_some_and(|bill| bill.person.is_some()))
}

fn documents(round: &Round<'_>, wrong: &mut Vec<String>) {
    let line = |((store, number), status): (&DocumentKey, &str)| format!("{store}/{number} {status}");
    let expected = round.expected.bills.iter().map(|(key, bill)| line((key, if bill.person.is_some() { "accepted" } else { "parked" })));
    let others = round.plan.others.iter().map(|other| format!("{}/{} accepted", other.store, other.number));
    let corrections = round.plan.corrections.iter().flat_map(|correction| {
        let never = correction.never_comes().map(|key| line((&key, "absent")));
        let status = if is_accepted(round, correction) { "accepted" } else { "parked" };
        never.into_iter().chain([format!("{}/{} {status}", correction.store, correction.number)])
    });
    let mut all: Vec<String> = expected.chain(others).chain(corrections).collect();
    // Several may be about one bill that never comes.
    all.sort();
    all.dedup();
    let found = round.seen.found.documents.iter().map(|(key, status)| line((key, status)));
    same("documents", all, found.collect(), wrong);
}

/// Every entry but those of a campaign with a budget and the first spendings, which depend on who was first.
fn entries(round: &Round<'_>, wrong: &mut Vec<String>) {
    let mut expected = Vec::new();
    for ((store, document), bill, member) in accepted(round) {
        let until = bill.expires_on;
        for (category, (_, base)) in bill.earned.categories.iter().filter(|(_, (_, base))| *base > 0) {
            expected.push(format!("{member} {store}/{document} accrual earn@2 {category} {base} until {until}"));
        }
        for ((campaign, category), points) in &bill.bonus {
            expected.push(format!("{member} {store}/{document} bonus campaign:{campaign}@2 {category} {points} until {until}"));
        }
    }
    let of_budget = |entry: &EntryRow| campaign_of(entry).is_some_and(|campaign| round.expected.budgets.contains_key(campaign));
    let numbers = numbers(round);
    let is_fixed = |entry: &&EntryRow| ["accrual", "bonus"].contains(&entry.kind.as_str()) && !of_budget(entry);
    let fixed = round.seen.found.entries.iter().filter(is_fixed);
    let line = |entry: &EntryRow| {
        let member = numbers.get(&entry.member_id).copied().unwrap_or("nobody");
        let EntryRow { store, document, kind, rule, category, points, expires_on, .. } = entry;
        format!("{member} {store}/{document} {kind} {rule} {category} {points} until {expires_on}")
    };
    same("entries", expected, fixed.map(line).collect(), wrong);
    first_spendings(round, &numbers, wrong);
    for entry in round.seen.found.entries.iter().filter(|entry| entry.kind == "bonus" && of_budget(entry)) {
        limited(round, entry, wrong);
    }
}

/// One check-in a person and day is rewarded; the partner without a budget pays its rate, the other one as much as it has.
fn others(round: &Round<'_>, wrong: &mut Vec<String>) {
    let member = |other: &Other| round.seen.desk.registered.get(&other.person).map_or("nobody", |(number, _)| number.as_str());
    let of = |kind: Kind| round.plan.others.iter().filter(move |other| other.kind == kind);
    let numbers = numbers(round);
    let found = || round.seen.found.entries.iter().map(|entry| (entry, numbers.get(&entry.member_id).copied().unwrap_or("nobody")));
    let by_document: BTreeMap<(&str, &str), &Other> =
        round.plan.others.iter().map(|other| ((other.store.as_str(), other.number.as_str()), other)).collect();
    let days: BTreeSet<String> = of(Kind::CheckIn).map(|other| format!("{} {} {CHECK_IN}", member(other), other.day)).collect();
    let rewarded = found().filter(|(entry, _)| entry.kind == "interaction").map(|(entry, member)| {
        let day = by_document.get(&(entry.store.as_str(), entry.document.as_str())).map(|other| other.day).unwrap_or_default();
        format!("{member} {day} {}", entry.points)
    });
    same("check-ins rewarded", days.into_iter().collect(), rewarded.collect(), wrong);
    let (free, limited) = (format!("partner:{}@2", wash(round.plan.place)), format!("partner:{}@2", fuel(round.plan.place)));
    let washed = of(Kind::Wash)
        .filter(|other| other.due() > 0)
        .map(|other| format!("{} {}/{} {}", member(other), other.store, other.number, other.due()));
    let line = |(entry, member): (&EntryRow, &str)| format!("{member} {}/{} {}", entry.store, entry.document, entry.points);
    same(
        "purchases",
        washed.collect(),
        found().filter(|(entry, _)| entry.kind == "partner" && entry.rule == free).map(line).collect(),
        wrong,
    );
    let mut granted = 0;
    for (entry, _) in found().filter(|(entry, _)| entry.kind == "partner" && entry.rule == limited) {
        granted += entry.points;
        let due = by_document.get(&(entry.store.as_str(), entry.document.as_str())).map_or(0, |other| other.due());
        if !(1..=due).contains(&entry.points) {
            wrong.push(format!("{}/{} was granted {} of {due}", entry.store, entry.document, entry.points));
        }
    }
    let due: i64 = of(Kind::Fuel).map(Other::due).sum();
    if granted != due.min(round.expected.fuel) {
        wrong.push(format!("a partner must grant {}, has granted {granted}", due.min(round.expected.fuel)));
    }
}

fn numbers<'a>(round: &'a Round<'_>) -> BTreeMap<Uuid, &'a str> {
    round.seen.found.members.iter().map(|(number, id)| (*id, number.as_str())).collect()
}

/// The campaign whose bonus an entry is.
pub(super) fn campaign_of(entry: &EntryRow) -> Option<&str> {
    entry.rule.strip_prefix("campaign:")?.split('@').next()
}

/// Whoever spent was granted it, whichever of the bills brought it; of the grants one stands as long as any bill counts as spending.
fn first_spendings(round: &Round<'_>, numbers: &BTreeMap<Uuid, &str>, wrong: &mut Vec<String>) {
    let of = |which: fn(&ExpectedBill) -> bool| -> BTreeSet<&str> {
        accepted(round).filter(|(_, bill, _)| which(bill)).map(|(_, _, member)| member).collect()
    };
    let (spent, still) = (of(|bill| bill.earned.spending), of(ExpectedBill::still_spending));
    let taken = taken_back(&round.seen.found.entries);
    let mut grants: BTreeMap<&str, Vec<&EntryRow>> = spent.iter().map(|member| (*member, Vec::new())).collect();
    for entry in round.seen.found.entries.iter().filter(|entry| entry.kind == "first_spending") {
        grants.entry(numbers.get(&entry.member_id).copied().unwrap_or("nobody")).or_default().push(entry);
        let bill = round.expected.bills.get(&(entry.store.clone(), entry.document.clone()));
        if !bill.is_some_and(|bill| bill.earned.spending && entry.expires_on == bill.expires_on) {
            wrong.push(format!("first spending by {}/{}, which is no spending", entry.store, entry.document));
        }
    }
    for (member, mut grants) in grants {
        grants.sort_by_key(|entry| entry.ordinal);
        let ordinals = grants.iter().map(|entry| entry.ordinal).eq(1..=i32::try_from(grants.len()).unwrap_or(0));
        let rest = |entry: &&EntryRow| entry.points - taken.get(&entry.entry_id).copied().unwrap_or(0);
        let rests: Vec<i64> = grants.iter().map(rest).filter(|rest| *rest != 0).collect();
        let stands: &[i64] = if still.contains(member) { &[FIRST_SPENDING] } else { &[] };
        if grants.is_empty() || !ordinals || rests != stands || grants.iter().any(|entry| entry.points != FIRST_SPENDING) {
            wrong.push(format!("{member}: first spendings {:?}, of which {rests:?} stand, must be {stands:?}", grants.len()));
        }
    }
}

/// A grant from a budget is what is due, or less where the budget ended.
fn limited(round: &Round<'_>, entry: &EntryRow, wrong: &mut Vec<String>) {
    let bill = round.expected.bills.get(&(entry.store.clone(), entry.document.clone()));
    let due = bill.and_then(|bill| {
        bill.limited.iter().find(|((campaign, category), _)| Some(campaign.as_str()) == campaign_of(entry) && *category == entry.category)
    });
    if !due.is_some_and(|(_, due)| (1..=*due).contains(&entry.points)) {
        wrong.push(format!("{}/{} was granted {} by {}, due {due:?}", entry.store, entry.document, entry.points, entry.rule));
    }
}

fn accruals(round: &Round<'_>, wrong: &mut Vec<String>) {
    let expected = accepted(round).map(|((store, document), bill, member)| {
        let categories: BTreeMap<&str, String> = bill
            .earned
            .categories
            .iter()
            .map(|(category, (paid, base))| (*category, format!("{}.{:02} {base}", paid / 100, paid % 100)))
            .collect();
        let (visit, paid_visit) = bill.earned.visits;
        format!("{store}/{document} {member} {} until {} {visit} {paid_visit} true {categories:?}", bill.day, bill.expires_on)
    });
    let found = round.seen.found.accruals.iter().map(|accrual| {
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let categories: BTreeMap<String, String> = accrual
            .categories
            .as_array()
            .unwrap_or(&Vec::new())
            .iter()
            .map(|category| (text(&category["category"]), format!("{} {}", text(&category["paid"]), category["base"])))
            .collect();
        let (store, document, member, day) = (&accrual.store, &accrual.document, &accrual.member_no, accrual.business_date);
        let (until, visit, paid_visit, settled) = (accrual.expires_on, accrual.visit, accrual.paid_visit, accrual.settled);
        format!("{store}/{document} {member} {day} until {until} {visit} {paid_visit} {settled} {categories:?}")
    });
    same("accruals", expected.collect(), found.collect(), wrong);
}

/// Everything was assessed once; what was granted is what was posted.
fn campaigns(round: &Round<'_>, wrong: &mut Vec<String>) {
    let found = &round.seen.found;
    let name = |(store, document): &DocumentKey| format!("{store}/{document}");
    same("assessments", accepted(round).map(|(key, _, _)| name(key)).collect(), found.assessed.iter().map(name).collect(), wrong);
    let posted = found.entries.iter().filter(|entry| entry.kind == "bonus").filter_map(|entry| {
        Some(format!("{} {}/{} {} {}", campaign_of(entry)?, entry.store, entry.document, entry.category, entry.points))
    });
    let granted = found
        .participations
        .iter()
        .map(|((campaign, store, document, category), points)| format!("{campaign} {store}/{document} {category} {points}"));
    same("bonuses granted and posted", granted.collect(), posted.collect(), wrong);
}

fn standings(round: &Round<'_>, wrong: &mut Vec<String>) {
    let found = &round.seen.found;
    let mut by_document: BTreeMap<DocumentKey, i64> = accepted(round).map(|(key, _, _)| (key.clone(), 0)).collect();
    by_document.extend(round.plan.others.iter().map(|other| ((other.store.clone(), other.number.clone()), 0)));
    for entry in found.entries.iter().filter(|entry| entry.qualifying && gives(entry)) {
        *by_document.entry((entry.store.clone(), entry.document.clone())).or_default() += entry.points;
    }
    let line = |((store, document), points): (&DocumentKey, &i64)| format!("{store}/{document} {points}");
    same("contributions", by_document.iter().map(line).collect(), found.contributions.iter().map(line).collect(), wrong);
    // Who is registered stands somewhere, with or without a bill.
    same(
        "standings",
        found.members.keys().cloned().collect(),
        found.standings.iter().map(|standing| standing.member_no.clone()).collect(),
        wrong,
    );
    for standing in &found.standings {
        let own = found.entries.iter().filter(|entry| entry.qualifying && found.members.get(&standing.member_no) == Some(&entry.member_id));
        let signed = |entry: &EntryRow| {
            if gives(entry) {
                entry.points
            } else if entry.kind == "reversal" {
                -entry.points
            } else {
                0
            }
        };
        let active: i64 = own.map(signed).sum();
        let step = tier(active);
        // What was taken back may have led up and down again.
        let changes = i64::from(step > 0)..;
        if standing.qualifying != active || standing.tier.as_deref() != Some(TIERS[step].0) || !changes.contains(&standing.changes) {
            let (tier, points) = (standing.tier.as_deref().unwrap_or("no tier"), standing.qualifying);
            wrong.push(format!(
                "{}: {active} points are {}, found {points} and {tier} after {} changes",
                standing.member_no, TIERS[step].0, standing.changes
            ));
        }
    }
}
