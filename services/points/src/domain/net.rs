//! What corrections leave of an invoice: all of it is computed anew on net amounts, under its own rules. (DOMAIN exact default 4.)
//!
//! Whatever the order and the split of refunds, the result depends on their sums alone, and falls as they grow: so what was once
//! taken back never has to be given again. That is why a reduction's share is rounded to the fen in the member's favour here,
//! and why what a cap left of a category when it was posted stays the ceiling of what a bonus may multiply.

use std::collections::BTreeMap;

use jifen_contracts::{
    document::Payer,
    event::{AcceptedLine, AcceptedReduction, CategoryBase, CorrectionKind},
    program::Earn,
};
use jifen_kernel::{Money, Points, Token};
use serde::{Deserialize, Serialize};

use super::base::{is_visit, total};

/// What is left of an invoice.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the invoice")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Net {
    /// By category: what the customer paid in the end, and the base that a bonus may multiply.
    pub categories: Vec<CategoryBase>,
    /// Base points in all, after caps.
    pub base: Points,
    /// Something is still paid in a category that earns.
    pub is_spending: bool,
    /// Still a visit.
    pub visit: bool,
    /// Still a paid visit.
    pub paid_visit: bool,
    /// Its member wasn't activated in time, or its points were refused as a whole: nothing is due, whatever was paid.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lapsed: bool,
    /// Categories whose points were refused: nothing is due of them, whatever was paid.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Token>,
}

/// The correction that was applied last: what is taken back for it later names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correcting {
    /// Why.
    pub kind: CorrectionKind,
    /// Its number.
    pub number: String,
}

/// An invoice as it was posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// Paid amounts and base, after caps.
    pub categories: Vec<CategoryBase>,
    /// What a daily cap that cut it left.
    pub daily_left: Option<Points>,
    /// A visit.
    pub visit: bool,
    /// A paid visit.
    pub paid_visit: bool,
}

/// Sums of refunds by line.
pub type Refunded = BTreeMap<u32, Money>;

impl Net {
    /// Before any correction.
    pub fn of_posted(posted: &Posted, earn: &Earn) -> Self {
        Self {
            is_spending: is_spending(&posted.categories, earn),
            base: total(&posted.categories),
            categories: posted.categories.clone(),
            visit: posted.visit,
            paid_visit: posted.paid_visit,
            lapsed: false,
            refused: Vec::new(),
        }
    }

    /// The same without any points: its member wasn't activated in time. What was paid stays paid.
    pub fn lapsed(mut self) -> Self {
        self.categories.iter_mut().for_each(|category| category.base = Points::ZERO);
        Self { base: Points::ZERO, is_spending: false, lapsed: true, ..self }
    }

    /// The same without points of these categories: they were refused. What was paid stays paid.
    pub fn without(mut self, refused: &[Token]) -> Self {
        if refused.is_empty() {
            return self;
        }
        self.refused.extend(refused.iter().cloned());
        self.refused.sort_unstable();
        self.refused.dedup();
        let of_refused = self.categories.iter_mut().filter(|category| self.refused.contains(&category.category));
        of_refused.for_each(|category| category.base = Points::ZERO);
        Self { base: self.base.min(total(&self.categories)), ..self }
    }

    /// What a person or time has taken once stays taken: of what comes later nothing of it is due either.
    pub fn as_before(self, before: &Self) -> Self {
        let left = self.without(&before.refused);
        if before.lapsed { left.lapsed() } else { left }
    }

    /// After a void: nothing.
    pub fn nothing(posted: &Posted) -> Self {
        let none = |category: &CategoryBase| CategoryBase { paid: Money::ZERO, base: Points::ZERO, ..category.clone() };
        Self {
            categories: posted.categories.iter().map(none).collect(),
            base: Points::ZERO,
            is_spending: false,
            visit: false,
            paid_visit: false,
            lapsed: false,
            refused: Vec::new(),
        }
    }
}

fn is_spending(categories: &[CategoryBase], earn: &Earn) -> bool {
    categories.iter().any(|found| found.paid.is_positive() && earn.rates.get(&found.category).is_some_and(|rate| !rate.is_zero()))
}

/// What refunds of so much leave.
pub fn decide_net(posted: &Posted, lines: &[AcceptedLine], reductions: &[AcceptedReduction], refunded: &Refunded, earn: &Earn) -> Net {
    let left = |line: &AcceptedLine| {
        let back = refunded.get(&line.line).copied().unwrap_or_default();
        Money::from_fen((line.amount.fen() - back.fen()).max(0))
    };
    let own = |line: &AcceptedLine| if line.payer == Payer::Customer { left(line) } else { Money::ZERO };
    let all: Money = lines.iter().map(own).sum();
    let off: Money = reductions.iter().map(|reduction| reduction.amount).sum::<Money>().min(all);
    let mut categories = Vec::with_capacity(posted.categories.len());
    let mut uncut = Points::ZERO;
    for was in &posted.categories {
        let of_category = || lines.iter().filter(|line| line.category == was.category);
        let sum: Money = of_category().map(own).sum();
        let stored: Money = of_category().map(|line| principal_left(line, left(line))).sum();
        let paid = (share(sum, all - off, all) + stored).min(was.paid);
        let base = earn.rates.get(&was.category).map_or(was.base, |rate| rate.points_for(paid));
        uncut += base;
        categories.push(CategoryBase { category: was.category.clone(), paid, base: base.min(was.base) });
    }
    let caps = [earn.invoice_cap, posted.daily_left, Some(total(&posted.categories))];
    let base = caps.into_iter().flatten().fold(uncut, Points::min);
    // A line of nothing from the start brought the car all the same.
    let visit = posted.visit && lines.iter().any(|line| is_visit(line) && (!line.amount.is_positive() || left(line).is_positive()));
    let paid_visit = posted.paid_visit && visit && categories.iter().any(|category| category.paid.is_positive());
    Net { is_spending: is_spending(&categories, earn), categories, base, visit, paid_visit, lapsed: false, refused: Vec::new() }
}

/// `of x part / whole`, rounded up to the fen.
fn share(of: Money, part: Money, whole: Money) -> Money {
    if !whole.is_positive() {
        return Money::ZERO;
    }
    let (of, part, whole) = (i128::from(of.fen()), i128::from(part.fen()), i128::from(whole.fen()));
    Money::from_fen(i64::try_from((of * part + whole - 1) / whole).unwrap_or(i64::MAX))
}

/// Of a stored-value line, the principal's share of what is left.
fn principal_left(line: &AcceptedLine, left: Money) -> Money {
    match (line.payer, line.principal) {
        (Payer::StoredValue, Some(principal)) => share(principal, left, line.amount),
        _ => Money::ZERO,
    }
}

/// The lines on which more was refunded than they had cost.
pub fn exceeded(lines: &[AcceptedLine], refunded: &Refunded) -> Vec<u32> {
    let over = |line: &&AcceptedLine| refunded.get(&line.line).is_some_and(|back| *back > line.amount);
    lines.iter().filter(over).map(|line| line.line).collect()
}

/// How much less was paid, by category.
pub fn paid_less(before: &Net, after: &Net) -> Vec<(Token, Money)> {
    let pairs = before.categories.iter().zip(&after.categories);
    pairs.filter(|(was, is)| is.paid < was.paid).map(|(was, is)| (was.category.clone(), was.paid - is.paid)).collect()
}

#[cfg(test)]
mod tests {
    use jifen_contracts::document::ReductionKind;
    use jifen_kernel::Rate;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{base::decide_base, caps};

    fn earn(cap: Option<i64>) -> Earn {
        let rates = [("maintenance", "1.5"), ("repair", "1.0"), ("parts", "1.2"), ("pass_through", "0")];
        let rates = rates.map(|(category, rate)| (Token::try_new(category).expect("token"), Rate::try_new(rate).expect("rate")));
        Earn { rates: rates.into(), first_spending: Points(100), invoice_cap: cap.map(Points), ..Earn::default() }
    }

    fn line(number: u32, category: &str, payer: Payer, fen: i64) -> AcceptedLine {
        let principal = (payer == Payer::StoredValue).then(|| Money::from_fen(fen * 5 / 6));
        AcceptedLine { line: number, category: Token::try_new(category).expect("token"), payer, amount: Money::from_fen(fen), principal }
    }

    fn posted(lines: &[AcceptedLine], reductions: &[AcceptedReduction], earn: &Earn) -> Posted {
        let mut base = decide_base(lines, reductions, earn).expect("rates");
        if let Some(cut) = earn.invoice_cap.and_then(|cap| caps::cut(&base.categories, cap)) {
            base.categories = cut;
        }
        Posted { categories: base.categories, daily_left: None, visit: base.visit, paid_visit: base.paid_visit }
    }

    fn net(lines: &[AcceptedLine], off: i64, cap: Option<i64>, refunded: &[(u32, i64)]) -> Net {
        let reductions = [AcceptedReduction { kind: ReductionKind::Discount, amount: Money::from_fen(off) }];
        let refunded = refunded.iter().map(|(line, fen)| (*line, Money::from_fen(*fen))).collect();
        decide_net(&posted(lines, &reductions, &earn(cap)), lines, &reductions, &refunded, &earn(cap))
    }

    #[test]
    fn the_documents_numbers() {
        use Payer::{Customer, Insurance, StoredValue};
        assert_eq!(net(&[line(1, "repair", Customer, 150)], 0, None, &[(1, 60)]).base, Points(0));
        assert_eq!(net(&[line(1, "repair", Customer, 300_000)], 0, Some(2_000), &[(1, 50_000)]).base, Points(2_000));
        // Whatever is refunded of the second category, the first has room under the cap then.
        let two = [line(1, "repair", Customer, 90_000), line(2, "parts", Customer, 50_000)];
        let left = net(&two, 0, Some(1_000), &[(2, 50_000)]);
        assert_eq!((left.base, left.categories[1].base), (Points(900), Points(600)));
        let left = net(&[line(1, "maintenance", StoredValue, 60_000)], 0, None, &[(1, 30_000)]);
        assert_eq!((left.base, left.categories[0].paid), (Points(375), Money::from_fen(25_000)));
        // Beyond the line: nothing, and told.
        assert_eq!(net(&two, 0, None, &[(1, 900_000)]).base, Points(600));
        assert_eq!(exceeded(&two, &[(1, Money::from_fen(90_001)), (2, Money::from_fen(50_000))].into()), [1]);
        // The insurer's line still brought the car; the customer paid nothing in the end.
        let left = net(&[line(1, "repair", Insurance, 800_000), line(2, "repair", Customer, 50_000)], 0, None, &[(2, 50_000)]);
        assert_eq!((left.visit, left.paid_visit, left.is_spending), (true, false, false));
        let left = net(&[line(1, "repair", Customer, 50_000)], 0, None, &[(1, 50_000)]);
        assert_eq!((left.visit, left.paid_visit, left.is_spending), (false, false, false));
    }

    #[test]
    fn a_reduction_is_spread_over_what_is_left() {
        let two = [line(1, "maintenance", Payer::Customer, 60_000), line(2, "parts", Payer::Customer, 40_000)];
        let left = net(&two, 10_000, None, &[]);
        assert_eq!(left.categories.iter().map(|category| category.base.0).collect::<Vec<_>>(), [810, 432]);
        let left = net(&two, 10_000, None, &[(2, 40_000)]);
        assert_eq!((left.base, left.categories[0].paid), (Points(750), Money::from_fen(50_000)));
    }

    proptest! {
        #[test]
        fn more_refunded_never_leaves_more(
            drawn in prop::collection::vec((0_usize..4, 0_usize..3, 0_i64..100_000), 1..6),
            off in 0_i64..50_000,
            cap in prop::option::of(0_i64..2_000),
            refunds in prop::collection::vec((0_u32..6, 0_i64..60_000), 0..8),
        ) {
            let payers = [Payer::Customer, Payer::StoredValue, Payer::Insurance];
            let names = ["maintenance", "repair", "parts", "pass_through"];
            let lines: Vec<AcceptedLine> = (0..).zip(&drawn).map(|(number, &(category, payer, fen))| line(number, names[category], payers[payer], fen)).collect();
            let mut sums: BTreeMap<u32, i64> = BTreeMap::new();
            let mut before = net(&lines, off, cap, &[]);
            let reductions = [AcceptedReduction { kind: ReductionKind::Discount, amount: Money::from_fen(off) }];
            prop_assert_eq!(&before, &Net::of_posted(&posted(&lines, &reductions, &earn(cap)), &earn(cap)), "nothing refunded, nothing changed");
            for (number, fen) in refunds {
                *sums.entry(number).or_default() += fen;
                let after = net(&lines, off, cap, &sums.iter().map(|(line, fen)| (*line, *fen)).collect::<Vec<_>>());
                prop_assert!(after.base <= before.base);
                prop_assert!(after.categories.iter().zip(&before.categories).all(|(is, was)| is.paid <= was.paid && is.base <= was.base));
                prop_assert!(after.is_spending <= before.is_spending && after.visit <= before.visit && after.paid_visit <= before.paid_visit);
                before = after;
            }
            let all: Vec<(u32, i64)> = lines.iter().map(|line| (line.line, line.amount.fen())).collect();
            prop_assert_eq!(net(&lines, off, cap, &all).base, Points(0));
        }
    }
}
