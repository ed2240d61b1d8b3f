//! What happened at the tills. Who is first depends on the machine; that every answer is the ledger's doesn't: each hold came to one
//! end, no more was spent of it than it had, and what was spent for a bill that ended came back, once.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{Round, replay::gives, same};
use crate::{
    found::{EntryRow, HoldRow},
    plan::visits::{End, Visit},
    tills::{Answer, Dealt},
};

pub(super) fn compare(round: &Round<'_>, wrong: &mut Vec<String>) {
    wrong.extend(round.seen.tills.wrong.iter().cloned());
    let ended = Ended::of(round);
    let mut expected = Vec::new();
    for (place, dealt) in &round.seen.tills.dealt {
        let visit = &round.plan.visits[*place];
        if let Some(code) = not_allowed(visit, dealt, &ended) {
            wrong.push(format!("the till of visit {place} ({visit:?}) was answered {code}: {dealt:?}"));
        }
        expected.extend(hold_of(visit, dealt, &ended));
    }
    if round.seen.tills.dealt.len() != round.plan.visits.len() {
        wrong.push(format!("{} of {} visits were served", round.seen.tills.dealt.len(), round.plan.visits.len()));
    }
    let line = |hold: &HoldRow| {
        let HoldRow { hold_id, store, points, captured, state, document, returned, .. } = hold;
        format!("{hold_id} {store} {captured} of {points} {state} {document:?} returned {returned}")
    };
    same("holds", expected, round.seen.found.holds.iter().map(line).collect(), wrong);
    entries(round, wrong);
    balances(round, wrong);
}

/// Bills that ended, as `ingest` announced it: with what took their place, or without anything.
struct Ended<'a>(BTreeMap<(&'a str, &'a str), Option<&'a str>>);

impl<'a> Ended<'a> {
    fn of(round: &'a Round<'_>) -> Self {
        let voided = round.seen.events.iter().filter(|event| event.subject.starts_with("evt.ingest.invoice_voided."));
        let pair = voided.map(|event| {
            let by = (event.data()["replaced"] == true).then(|| event.text("void_no"));
            ((event.text("store"), event.text("invoice_no")), by)
        });
        Self(pair.collect())
    }

    /// The bill has ended, and so has whatever took its place.
    fn has(&self, store: &str, bill: &str) -> bool {
        match self.0.get(&(store, bill)) {
            Some(Some(by)) => self.has(store, by),
            Some(None) => true,
            None => false,
        }
    }
}

fn code(answer: Option<&Answer>) -> &str {
    match answer {
        None => "-",
        Some(Ok(_)) => "ok",
        Some(Err(problem)) => problem["code"].as_str().unwrap_or("?"),
    }
}

/// The answers that can't be, whoever was first.
fn not_allowed(visit: &Visit, dealt: &Dealt, ended: &Ended<'_>) -> Option<String> {
    let [held, captured, released] = [&dealt.held, &dealt.captured, &dealt.released].map(|answer| code(answer.as_ref()));
    let void = visit.bill.as_ref().is_some_and(|bill| ended.has(&visit.store, bill));
    let fits = match (visit.end, held) {
        (_, "points.insufficient") => (captured, released) == ("-", "-"),
        (_, held) if held != "ok" => false,
        (End::Capture(_), _) => (captured, released) == ("ok", "-") || (void && (captured, released) == ("hold.document_voided", "ok")),
        (End::Release, _) => (captured, released) == ("-", "ok"),
        (End::Expire, _) => captured == "hold.expired",
        (End::Both(_), _) => {
            let pair = (captured, released);
            pair == ("ok", "hold.resolved") || pair == ("hold.resolved", "ok") || (void && pair == ("hold.document_voided", "ok"))
        }
    };
    (!fits).then(|| format!("{held}, {captured}, {released}"))
}

/// The hold as its till was answered.
fn hold_of(visit: &Visit, dealt: &Dealt, ended: &Ended<'_>) -> Option<String> {
    let hold_id = dealt.hold_id()?;
    let spent = dealt.captured.as_ref().is_some_and(Result::is_ok);
    let state = if spent {
        "captured"
    } else if dealt.released.as_ref().is_some_and(Result::is_ok) {
        "released"
    } else {
        "expired"
    };
    let captured = if spent { dealt.spends } else { 0 };
    let document = visit.bill.as_ref().filter(|_| spent);
    let returned = document.is_some_and(|bill| ended.has(&visit.store, bill));
    Some(format!("{hold_id} {} {captured} of {} {state} {document:?} returned {returned}", visit.store, dealt.wanted))
}

/// Of each hold the entries say what its row says.
fn entries(round: &Round<'_>, wrong: &mut Vec<String>) {
    let found = &round.seen.found;
    let mut sums: BTreeMap<(String, &str), i64> = BTreeMap::new();
    for entry in &found.entries {
        let EntryRow { kind, rule, document, .. } = entry;
        let hold = match kind.as_str() {
            "hold" | "release" => document.clone(),
            "capture" | "return" => rule.strip_prefix("hold:").and_then(|rule| rule.split('@').next()).unwrap_or_default().to_owned(),
            _ => continue,
        };
        *sums.entry((hold, kind)).or_default() += entry.points;
    }
    let mut expected: BTreeMap<(String, &str), i64> = BTreeMap::new();
    for hold in &found.holds {
        let back = if hold.returned { hold.captured } else { 0 };
        let each = [("hold", hold.points), ("capture", hold.captured), ("release", hold.points - hold.captured), ("return", back)];
        expected
            .extend(each.into_iter().filter(|(_, points)| *points > 0).map(|(kind, points)| ((hold.hold_id.to_string(), kind), points)));
    }
    let line = |((hold, kind), points): (&(String, &str), &i64)| format!("{hold} {kind} {points}");
    same("entries of holds", expected.iter().map(line).collect(), sums.iter().map(line).collect(), wrong);
}

/// On paper: what stays of what was earned, less what the tills were told to be spent, is what there is or what is owed.
fn balances(round: &Round<'_>, wrong: &mut Vec<String>) {
    let found = &round.seen.found;
    let mut paper: BTreeMap<Uuid, i64> = BTreeMap::new();
    for entry in &found.entries {
        let sign = if gives(entry) {
            1
        } else if entry.kind == "reversal" {
            -1
        } else {
            0
        };
        *paper.entry(entry.member_id).or_default() += sign * entry.points;
    }
    let returned: BTreeSet<String> = found.holds.iter().filter(|hold| hold.returned).map(|hold| hold.hold_id.to_string()).collect();
    for (place, dealt) in &round.seen.tills.dealt {
        let spent = dealt.captured.as_ref().is_some_and(Result::is_ok) && dealt.hold_id().is_some_and(|hold| !returned.contains(hold));
        let member = round.seen.desk.registered.get(&round.plan.visits[*place].person).and_then(|(_, id)| id.parse().ok());
        if let (true, Some(member)) = (spent, member) {
            *paper.entry(member).or_default() -= dealt.spends;
        }
    }
    for account in &found.accounts {
        let (paper, is) = (paper.get(&account.member_id).copied().unwrap_or(0), account.active + account.pending - account.debt);
        if paper != is || account.reserved != 0 {
            wrong.push(format!("{}: has {is} and {} reserved, on paper {paper}", account.member_no, account.reserved));
        }
    }
}
