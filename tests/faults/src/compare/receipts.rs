//! What the stores were told.

use std::collections::{BTreeMap, BTreeSet};

use super::{Round, ledger::is_accepted};
use crate::{
    follow::Heard,
    plan::{What, corrections::Correction},
    stores::{bill_of, sha256},
};

/// The receipts for one content: each once, whatever a sender that died had to repeat.
type OfContent<'a> = BTreeMap<&'a str, Vec<&'a Heard>>;

pub(super) fn compare(round: &Round<'_>, wrong: &mut Vec<String>) {
    let mut by_id: BTreeMap<&str, &Heard> = BTreeMap::new();
    for receipt in &round.seen.receipts {
        let id = receipt.json["id"].as_str().unwrap_or_default();
        let first = by_id.entry(id).or_insert(receipt);
        if first.json != receipt.json {
            wrong.push(format!("receipt {id} has two contents: {} and {}", first.json, receipt.json));
        }
    }
    let mut by_content: OfContent<'_> = BTreeMap::new();
    for receipt in by_id.into_values() {
        by_content.entry(receipt.text("sha256")).or_default().push(receipt);
    }
    each_content(round, &by_content, wrong);
    each_bill(round, &by_content, wrong);
    each_other(round, &by_content, wrong);
    each_correction(round, &by_content, wrong);
}

fn statuses<'a>(receipts: &[&'a Heard], status: &str) -> Vec<&'a Heard> {
    receipts.iter().filter(|receipt| receipt.text("status") == status).copied().collect()
}

/// Whatever was sent was answered, and no more often than it was sent; what is wrong by itself was refused for that.
fn each_content(round: &Round<'_>, by_content: &OfContent<'_>, wrong: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for sending in &round.plan.sendings {
        let hash = sha256(&sending.bytes);
        if !seen.insert(hash.clone()) {
            continue;
        }
        let receipts = by_content.get(hash.as_str()).map(Vec::as_slice).unwrap_or_default();
        let times = round.seen.sent.times.get(&hash).copied().unwrap_or(0) as usize;
        // A bill that was parked is answered once more when it is released.
        let most = times + usize::from(!statuses(receipts, "parked").is_empty());
        if receipts.is_empty() || receipts.len() > most {
            wrong.push(format!("{} was sent {times} times and has {} receipts", sending.subject, receipts.len()));
        }
        if let What::Stray(place) = sending.what {
            let code = round.plan.strays[place].code;
            for receipt in receipts.iter().filter(|receipt| receipt.text("status") != "rejected" || receipt.text("code") != code) {
                wrong.push(format!("a document that is {code} was answered {}", receipt.data()));
            }
        }
    }
}

/// Whatever is no bill was accepted once, and parked before that at most once.
fn each_other(round: &Round<'_>, by_content: &OfContent<'_>, wrong: &mut Vec<String>) {
    for other in &round.plan.others {
        let hash = sha256(other.document(round.plan.place, &round.plan.people).to_string().as_bytes());
        let receipts = by_content.get(hash.as_str()).map(Vec::as_slice).unwrap_or_default();
        let count = |status| statuses(receipts, status).len();
        if count("accepted") != 1 || count("parked") > 1 || count("rejected") > 0 {
            wrong.push(format!("{} {}/{} was answered {receipts:?}", other.kind.document(), other.store, other.number));
        }
    }
}

/// Every refund and void was accepted once, behind its bill; or it waits for that.
fn each_correction(round: &Round<'_>, by_content: &OfContent<'_>, wrong: &mut Vec<String>) {
    let mut hashes: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for sending in &round.plan.sendings {
        if let What::Correction(place) = sending.what {
            hashes.entry(place).or_default().insert(sha256(&sending.bytes));
        }
    }
    for (place, hashes) in hashes {
        let correction = &round.plan.corrections[place];
        let receipts: Vec<&Heard> = hashes.iter().filter_map(|hash| by_content.get(hash.as_str())).flatten().copied().collect();
        let count = |status| statuses(&receipts, status).len();
        let (accepted, parked, rejected) = (count("accepted"), count("parked"), count("rejected"));
        let fits = if is_accepted(round, correction) { accepted == 1 && parked <= 1 } else { accepted == 0 && parked == 1 };
        if !fits || rejected > 0 {
            let Correction { store, number, .. } = correction;
            wrong.push(format!("{} {store}/{number}: {accepted} times accepted, {parked} parked, {rejected} refused", correction.kind()));
        }
    }
}

/// Every bill was accepted once, or is parked once; of two contents under one number one is a conflict.
fn each_bill(round: &Round<'_>, by_content: &OfContent<'_>, wrong: &mut Vec<String>) {
    let mut of_bill: BTreeMap<usize, [BTreeSet<String>; 2]> = BTreeMap::new();
    for sending in &round.plan.sendings {
        if let Some((place, further)) = bill_of(sending.what) {
            of_bill.entry(place).or_default()[usize::from(further)].insert(sha256(&sending.bytes));
        }
    }
    for (place, contents) in of_bill {
        let bill = &round.plan.bills[place];
        let key = (bill.store.clone(), bill.number.clone());
        let is_known = round.expected.bills.get(&key).is_some_and(|bill| bill.person.is_some());
        let receipts =
            contents.map(|hashes| hashes.iter().filter_map(|hash| by_content.get(hash.as_str())).flatten().copied().collect::<Vec<_>>());
        let taken = receipts.each_ref().map(|receipts| statuses(receipts, "accepted").len() + statuses(receipts, "parked").len() > 0);
        let count = |status| receipts.iter().map(|receipts| statuses(receipts, status).len()).sum::<usize>();
        let (accepted, parked) = (count("accepted"), count("parked"));
        let fits = if is_known { accepted == 1 && parked <= 1 } else { accepted == 0 && parked == 1 };
        if !fits || taken.iter().filter(|taken| **taken).count() != 1 {
            wrong.push(format!("bill {}/{}: {accepted} times accepted, {parked} times parked", bill.store, bill.number));
        }
        for (receipts, taken) in receipts.iter().zip(taken) {
            for refused in statuses(receipts, "rejected") {
                if taken || refused.text("code") != "document.conflict" {
                    wrong.push(format!("bill {}/{} was answered {}", bill.store, bill.number, refused.data()));
                }
            }
        }
    }
}
