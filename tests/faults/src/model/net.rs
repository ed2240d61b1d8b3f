//! What refunds, voids and bills in a bill's place leave of it: all of it anew on what is left of its lines, never more than at
//! first. (The rule book's refund arithmetic, with shares of reductions and of principals rounded to the fen in the member's favour.)

use std::collections::BTreeMap;

use super::earn::{Earned, rate_tenths};
use crate::plan::bills::{Bill, Line};

/// What was taken back of a bill, by all that takes something back.
#[derive(Debug, Clone, Default)]
pub struct TakenBack {
    /// Fen by line, counted from 1.
    pub refunded: BTreeMap<usize, i64>,
    /// Refunds of it.
    pub refunds: usize,
    /// Voids of it.
    pub voids: usize,
    /// Bills in its place.
    pub replaced: usize,
}

impl TakenBack {
    /// It counts no longer.
    pub fn is_void(&self) -> bool {
        self.voids + self.replaced > 0
    }

    /// More was paid back of a line than it had cost.
    pub fn is_too_much(&self, bill: &Bill) -> bool {
        self.refunded.iter().any(|(line, fen)| bill.lines[line - 1].fen < *fen)
    }
}

/// What is left of a bill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Net {
    /// Fen paid by the customer and base points, by category.
    pub categories: BTreeMap<&'static str, (i64, i64)>,
    /// Counts as spending.
    pub spending: bool,
    /// A car was in the workshop, and the customer paid.
    pub visits: (bool, bool),
}

impl Net {
    /// Of a bill that earned so much.
    pub fn of(bill: &Bill, earned: &Earned, back: &TakenBack) -> Self {
        if back.is_void() {
            let categories = earned.categories.keys().map(|category| (*category, (0, 0))).collect();
            return Self { categories, spending: false, visits: (false, false) };
        }
        let lines: Vec<(&Line, i64)> = bill.lines.iter().enumerate().map(|(place, line)| (line, left(line, place + 1, back))).collect();
        let own = |(line, left): &(&Line, i64)| if line.payer == "customer" { *left } else { 0 };
        let all: i64 = lines.iter().map(own).sum();
        let off = bill.reductions.iter().map(|(_, fen)| fen).sum::<i64>().min(all);
        let stored = |(line, left): &(&Line, i64)| match line.principal_fen {
            Some(principal) if line.payer == "stored_value" => rounded_up(principal, *left, line.fen),
            _ => 0,
        };
        let mut categories = BTreeMap::new();
        for (category, (was, _)) in &earned.categories {
            let of_it = || lines.iter().filter(|(line, _)| line.category == *category);
            let paid = rounded_up(of_it().map(own).sum(), all - off, all) + of_it().map(stored).sum::<i64>();
            let paid = paid.min(*was);
            categories.insert(*category, (paid, paid * rate_tenths(category) / 1_000));
        }
        let workshop = |line: &Line| ["maintenance", "repair"].contains(&line.category) && line.payer != "internal";
        // A line of nothing from the start brought the car all the same.
        let visit = earned.visits.0 && lines.iter().any(|(line, left)| workshop(line) && (line.fen == 0 || *left > 0));
        let spending = categories.iter().any(|(category, (paid, _))| *paid > 0 && rate_tenths(category) > 0);
        let paid_visit = earned.visits.1 && visit && categories.values().any(|(paid, _)| *paid > 0);
        Self { categories, spending, visits: (visit, paid_visit) }
    }
}

fn left(line: &Line, number: usize, back: &TakenBack) -> i64 {
    (line.fen - back.refunded.get(&number).copied().unwrap_or(0)).max(0)
}

/// `of x part / whole`, rounded up.
fn rounded_up(of: i64, part: i64, whole: i64) -> i64 {
    if whole <= 0 {
        return 0;
    }
    let (of, part, whole) = (i128::from(of), i128::from(part), i128::from(whole));
    i64::try_from((of * part + whole - 1) / whole).unwrap_or(i64::MAX)
}
