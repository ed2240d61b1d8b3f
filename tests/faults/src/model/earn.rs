//! What a bill earns, from the business's own words: category sums, rate, floor; reductions pro rata; campaigns on top.
//! Written against the rule book, not against the services: whole numbers only, and no code of theirs.

use std::collections::BTreeMap;

use chrono::{Datelike, Months, NaiveDate};

use crate::plan::{
    Offer,
    bills::{Bill, Line},
};

/// Tenths of a point a yuan.
pub fn rate_tenths(category: &str) -> i64 {
    match category {
        "maintenance" | "package" => 15,
        "parts" => 12,
        "repair" | "accessory" | "extended_warranty" | "other" => 10,
        _ => 0,
    }
}

/// Points of the first spending.
pub const FIRST_SPENDING: i64 = 100;
/// The ladder.
pub const TIERS: [(&str, i64); 4] = [("regular", 0), ("silver", 5_000), ("gold", 20_000), ("diamond", 50_000)];

/// What a bill comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earned {
    /// Fen paid by the customer and base points, by category; also where nothing was paid.
    pub categories: BTreeMap<&'static str, (i64, i64)>,
    /// Counts as spending.
    pub spending: bool,
    /// A car was in the workshop, and the customer paid.
    pub visits: (bool, bool),
}

impl Earned {
    /// Values a bill.
    pub fn of(bill: &Bill) -> Self {
        let paid = paid_by_line(&bill.lines, bill.reductions.iter().map(|(_, fen)| fen).sum());
        let mut categories: BTreeMap<&'static str, (i64, i64)> = BTreeMap::new();
        for (line, paid) in bill.lines.iter().zip(&paid) {
            categories.entry(line.category).or_default().0 += paid;
        }
        for (category, (paid, base)) in &mut categories {
            *base = *paid * rate_tenths(category) / 1_000;
        }
        let workshop = |line: &Line| ["maintenance", "repair"].contains(&line.category) && line.payer != "internal";
        let visit = bill.lines.iter().any(workshop);
        let spending = categories.iter().any(|(category, (paid, _))| *paid > 0 && rate_tenths(category) > 0);
        Self { categories, spending, visits: (visit, visit && paid.iter().sum::<i64>() > 0) }
    }

    /// All base points.
    pub fn base(&self) -> i64 {
        self.categories.values().map(|(_, base)| base).sum()
    }

    /// What an offer adds to each category.
    pub fn due(&self, offer: &Offer) -> BTreeMap<&'static str, i64> {
        let extra = |base: i64| base * (offer.factor_basis_points - 10_000) / 10_000;
        self.categories.iter().map(|(category, (_, base))| (*category, extra(*base))).filter(|(_, due)| *due > 0).collect()
    }
}

/// The customer's share of every line: own lines less the reductions, spread pro rata to the fen with the largest
/// remainders first; of a stored-value card what was once paid in.
fn paid_by_line(lines: &[Line], off: i64) -> Vec<i64> {
    let own: Vec<i128> = lines.iter().map(|line| if line.payer == "customer" { i128::from(line.fen) } else { 0 }).collect();
    let total: i128 = own.iter().sum();
    let off = i128::from(off).min(total);
    let mut shares: Vec<i128> = own.iter().map(|own| if total == 0 { 0 } else { own * off / total }).collect();
    let mut by_remainder: Vec<usize> = (0..own.len()).collect();
    by_remainder.sort_by_key(|place| if total == 0 { 0 } else { -(own[*place] * off % total) });
    let missing = off - shares.iter().sum::<i128>();
    for place in by_remainder.into_iter().take(usize::try_from(missing).unwrap_or(0)) {
        shares[place] += 1;
    }
    let stored = |line: &Line| if line.payer == "stored_value" { line.principal_fen.unwrap_or(0) } else { 0 };
    lines.iter().zip(own).zip(shares).map(|((line, own), share)| i64::try_from(own - share).unwrap_or(0) + stored(line)).collect()
}

/// The last day of what a bill of `day` earns: the end of the month 24 months later.
pub fn expires_on(day: NaiveDate) -> NaiveDate {
    let month = day.with_day(1).and_then(|first| first.checked_add_months(Months::new(25)));
    month.and_then(|next| next.pred_opt()).unwrap_or(NaiveDate::MAX)
}

/// The tier that so many points reach.
pub fn tier(qualifying: i64) -> usize {
    TIERS.iter().rposition(|(_, from)| *from <= qualifying).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(category: &'static str, payer: &'static str, fen: i64) -> Line {
        Line { category, payer, fen, principal_fen: None }
    }

    #[test]
    fn the_rule_books_own_numbers() {
        let base = |lines: &[Line], off: i64| {
            let paid = paid_by_line(lines, off);
            lines.iter().zip(paid).map(|(line, paid)| paid * rate_tenths(line.category) / 1_000).collect::<Vec<_>>()
        };
        assert_eq!(base(&[line("maintenance", "customer", 60_000), line("parts", "customer", 40_000)], 10_000), [810, 432]);
        assert_eq!(base(&[line("repair", "insurance", 2_000_000), line("repair", "customer", 50_000)], 0), [0, 500]);
        let stored = Line { principal_fen: Some(50_000), ..line("maintenance", "stored_value", 60_000) };
        assert_eq!(base(&[stored], 0), [750]);
        assert_eq!(
            paid_by_line(&[line("repair", "customer", 100), line("repair", "customer", 100), line("repair", "customer", 100)], 100),
            [66, 67, 67]
        );
        assert_eq!(expires_on("2026-10-01".parse().expect("day")).to_string(), "2028-10-31");
        assert_eq!((tier(4_999), tier(5_000), tier(50_000)), (0, 1, 3));
    }
}
