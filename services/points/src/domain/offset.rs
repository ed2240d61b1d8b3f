//! Whether points paid of a bill what the bill says that they did. (DOMAIN exact default 14.)
//!
//! A till holds, writes the bill and captures, in whichever order, and nothing of it waits for the rest: so bill and capture are compared
//! when both had their time.

use jifen_contracts::{
    document::{Payer, ReductionKind},
    event::InvoiceAccepted,
};
use jifen_kernel::{Money, Points};

/// Days behind its own after which a bill is compared: a hold lives for a day at most, and stores send what they have by the night.
pub const COMPARED_AFTER_DAYS: u64 = 2;

/// What points pay of a bill by its own words: taken off the whole, or line by line.
pub fn offset_of(invoice: &InvoiceAccepted) -> Money {
    let reductions =
        invoice.reductions.iter().filter(|reduction| reduction.kind == ReductionKind::Points).map(|reduction| reduction.amount);
    let lines = invoice.lines.iter().filter(|line| line.payer == Payer::Points).map(|line| line.amount);
    reductions.chain(lines).sum()
}

/// What so many points pay.
pub fn worth(points: Points, points_per_yuan: u32) -> Money {
    let fen = i128::from(points.0) * 100 / i128::from(points_per_yuan.max(1));
    Money::from_fen(i64::try_from(fen).unwrap_or(i64::MAX))
}

/// What was captured for a bill: points with what a yuan costs under the rules of each hold.
pub fn captured(holds: &[(Points, u32)]) -> (Points, Money) {
    (holds.iter().map(|(points, _)| *points).sum(), holds.iter().map(|(points, per_yuan)| worth(*points, *per_yuan)).sum())
}

#[cfg(test)]
mod tests {
    use jifen_contracts::event::{AcceptedLine, AcceptedReduction};

    use super::*;
    use crate::domain::samples::invoice;

    #[test]
    fn a_bill_says_what_points_pay_of_it() {
        let mut bill = invoice("R1", "repair", "100.00");
        assert_eq!(offset_of(&bill), Money::ZERO);
        let reduction = |kind, fen| AcceptedReduction { kind, amount: Money::from_fen(fen) };
        bill.reductions = vec![reduction(ReductionKind::Points, 1_000), reduction(ReductionKind::Discount, 500)];
        bill.lines.push(AcceptedLine { line: 2, payer: Payer::Points, amount: Money::from_fen(700), ..bill.lines[0].clone() });
        assert_eq!(offset_of(&bill), Money::from_fen(1_700));
    }

    #[test]
    fn captured_points_are_worth_what_their_rules_say() {
        assert_eq!(captured(&[(Points(1_000), 100), (Points(50), 50)]), (Points(1_050), Money::from_fen(1_100)));
        assert_eq!(captured(&[]), (Points::ZERO, Money::ZERO));
    }
}
