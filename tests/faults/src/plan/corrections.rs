//! What stores take back: refunds by line, in part and more than once, voids, and bills in other bills' place.

use chrono::NaiveDate;
use rand::{Rng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};

use super::bills::{Bill, Customer, yuan};

/// What is taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// So many fen of these lines, counted from 1.
    Refund(Vec<(usize, i64)>),
    /// All of it.
    Void,
}

/// A refund or a void.
#[derive(Debug, Clone)]
pub struct Correction {
    /// The store of bill and correction.
    pub store: String,
    /// Its number there.
    pub number: String,
    /// The bill, by its place; nothing where that never comes.
    pub bill: Option<usize>,
    /// What it takes back.
    pub change: Change,
    invoice_no: String,
    day: NaiveDate,
}

impl Correction {
    /// As in the subject.
    pub fn kind(&self) -> &'static str {
        if self.change == Change::Void { "void" } else { "refund" }
    }

    /// Where it is sent.
    pub fn subject(&self) -> String {
        format!("pos.v1.{}.{}", self.store, self.kind())
    }

    /// As the ledger calls it.
    pub fn rule(&self) -> String {
        format!("{}:{}", self.kind(), self.number)
    }

    /// The bill that never comes.
    pub fn never_comes(&self) -> Option<(String, String)> {
        self.bill.is_none().then(|| (self.store.clone(), self.invoice_no.clone()))
    }

    /// The document.
    pub fn document(&self) -> Value {
        let Self { store, number, invoice_no, day, .. } = self;
        let at = format!("{day}T20:30:00+08:00");
        match &self.change {
            Change::Refund(lines) => {
                let lines: Vec<Value> = lines.iter().map(|(line, fen)| json!({ "line": line, "amount": yuan(*fen) })).collect();
                json!({ "store": store, "refund_no": number, "invoice_no": invoice_no, "refunded_at": at, "lines": lines, "reason": "退款" })
            }
            Change::Void => json!({ "store": store, "void_no": number, "invoice_no": invoice_no, "voided_at": at }),
        }
    }

    /// A CloudEvent around it.
    pub fn structured(&self, copy: usize) -> Value {
        json!({
            "specversion": "1.0", "id": format!("{}-{copy}", self.number), "type": format!("pos.{}", self.kind()),
            "source": format!("/dms/{}", self.store), "data": self.document(),
        })
    }
}

/// Some bills take the place of earlier ones of the same customer, also of such as did so themselves.
pub(super) fn replace(rng: &mut StdRng, bills: &mut [Bill]) {
    for place in 1..bills.len() {
        let Customer::Known(person, _) = bills[place].customer else { continue };
        if !rng.random_bool(0.08) {
            continue;
        }
        let of_theirs = |bill: &Bill| matches!(bill.customer, Customer::Known(other, _) if other == person);
        let others: Vec<usize> = (0..place).filter(|other| of_theirs(&bills[*other])).collect();
        if let Some(other) = others.choose(rng).copied() {
            (bills[place].store, bills[place].replaces) = (bills[other].store.clone(), Some(bills[other].number.clone()));
        }
    }
}

/// Refunds and voids of these bills; and now and then of one that never comes.
pub(super) fn corrections(rng: &mut StdRng, seed: u64, bills: &[Bill], today: NaiveDate) -> Vec<Correction> {
    let mut all = Vec::new();
    let mut add = |bill: &Bill, place: Option<usize>, change: Change| {
        let letter = if change == Change::Void { "V" } else { "C" };
        let number = format!("{letter}{seed}-{:04}", all.len());
        let invoice_no = if place.is_some() { bill.number.clone() } else { format!("X{}", bill.number) };
        all.push(Correction { store: bill.store.clone(), number, bill: place, change, invoice_no, day: today });
    };
    let gone = emptied(rng, bills);
    for (place, bill) in bills.iter().enumerate() {
        if matches!(bill.customer, Customer::Known(person, _) if gone.contains(&person)) {
            // All that the customer paid, or the bill itself.
            let paid: Vec<(usize, i64)> =
                bill.lines.iter().enumerate().filter(|(_, line)| line.fen > 0).map(|(at, line)| (at + 1, line.fen)).collect();
            add(bill, Some(place), if paid.is_empty() || rng.random_bool(0.3) { Change::Void } else { Change::Refund(paid) });
            continue;
        }
        let place = if rng.random_bool(0.005) { None } else { Some(place) };
        if rng.random_bool(0.25) {
            for _ in 0..rng.random_range(1..=4) {
                let lines = refunded(rng, bill);
                if !lines.is_empty() {
                    add(bill, place, Change::Refund(lines));
                }
            }
        }
        if rng.random_bool(0.06) {
            for _ in 0..rng.random_range(1..=2) {
                add(bill, place, Change::Void);
            }
        }
    }
    all
}

/// Customers of whose bills nothing is left: also their first spending goes.
fn emptied(rng: &mut StdRng, bills: &[Bill]) -> Vec<usize> {
    let known: Vec<usize> =
        bills.iter().filter_map(|bill| if let Customer::Known(person, _) = bill.customer { Some(person) } else { None }).collect();
    (0..rng.random_range(2..=4)).filter_map(|_| known.choose(rng).copied()).collect()
}

/// Some of the lines, each in part, wholly, or beyond what it had cost.
fn refunded(rng: &mut StdRng, bill: &Bill) -> Vec<(usize, i64)> {
    let mut lines = Vec::new();
    for (place, line) in bill.lines.iter().enumerate().filter(|(_, line)| line.fen > 0) {
        if rng.random_bool(0.6) {
            let fen = match rng.random_range(0..10) {
                0..=2 => line.fen,
                3 => line.fen + rng.random_range(1..10_000),
                4..=5 => (line.fen / 3).max(1),
                _ => rng.random_range(1..=line.fen),
            };
            lines.push((place + 1, fen));
        }
    }
    lines
}
