//! What points pay of a bill: whole steps, rounded down, so nothing is rounded at the till. (DOMAIN exact default 14.)

use jifen_contracts::program::Redemption;
use jifen_kernel::{Money, Points};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// As much as can be.
    Most,
    /// So many points.
    Points(Points),
    /// So much of the bill.
    Offset(Money),
}

/// What points pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote {
    /// To be held; 0 where less than the minimum is left.
    pub points: Points,
    /// What they pay.
    pub offset: Money,
    /// What is left to pay.
    pub payable: Money,
    /// The most for this bill and balance.
    pub most: Points,
}

/// What the rules give for a bill; `balance` limits, if it is known.
pub fn decide_quote(rules: &Redemption, bill: Money, balance: Option<Points>, wanted: Wanted) -> Quote {
    let share = i128::from(bill.fen()) * i128::from(rules.max_share_percent) / 100;
    let of_bill = points_of(rules, share);
    let most = balance.map_or(of_bill, |balance| of_bill.min(i128::from(balance.0)));
    let asked = match wanted {
        Wanted::Most => most,
        Wanted::Points(points) => most.min(i128::from(points.0)),
        Wanted::Offset(offset) => most.min(points_of(rules, i128::from(offset.fen()))),
    };
    let [most, points] = [most, asked].map(|points| whole_steps(rules, points));
    let offset = i128::from(points) * 100 / i128::from(rules.points_per_yuan);
    let offset = Money::from_fen(i64::try_from(offset).unwrap_or_default());
    Quote { points: Points(points), offset, payable: Money::from_fen(bill.fen() - offset.fen()), most: Points(most) }
}

/// What so many fen are in points.
fn points_of(rules: &Redemption, fen: i128) -> i128 {
    fen * i128::from(rules.points_per_yuan) / 100
}

fn whole_steps(rules: &Redemption, points: i128) -> i64 {
    let step = i128::from(rules.step.max(1));
    let whole = points.max(0) / step * step;
    if whole < i128::from(rules.minimum) { 0 } else { i64::try_from(whole).unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quote(rules: &Redemption, bill: &str, balance: Option<i64>, wanted: Wanted) -> (i64, String, String, i64) {
        let quote = decide_quote(rules, Money::try_new(bill).expect("money"), balance.map(Points), wanted);
        (quote.points.0, quote.offset.to_string(), quote.payable.to_string(), quote.most.0)
    }

    fn said(points: i64, offset: &str, payable: &str, most: i64) -> (i64, String, String, i64) {
        (points, offset.to_owned(), payable.to_owned(), most)
    }

    #[test]
    fn default_14_an_offset_is_taken_in_steps_rounded_down() {
        let usual = Redemption::default();
        assert_eq!(quote(&usual, "12.50", None, Wanted::Most), said(1_200, "12.00", "0.50", 1_200));
        assert_eq!(quote(&usual, "1000", None, Wanted::Offset(Money::from_fen(10_000))), said(10_000, "100.00", "900.00", 100_000));
        assert_eq!(quote(&usual, "12.50", Some(999), Wanted::Most), said(900, "9.00", "3.50", 900));
        assert_eq!(quote(&usual, "12.50", Some(5_000), Wanted::Points(Points(1_150))), said(1_100, "11.00", "1.50", 1_200));
        assert_eq!(quote(&usual, "12.50", Some(5_000), Wanted::Offset(Money::from_fen(399))), said(300, "3.00", "9.50", 1_200));
        assert_eq!(quote(&usual, "0.99", Some(5_000), Wanted::Most), said(0, "0.00", "0.99", 0));
        assert_eq!(quote(&usual, "12.50", Some(0), Wanted::Points(Points(-5))), said(0, "0.00", "12.50", 0));
    }

    #[test]
    fn a_program_says_what_a_point_is_worth() {
        let rules = Redemption { points_per_yuan: 50, step: 25, minimum: 75, max_share_percent: 30, ..Redemption::default() };
        // 30 % of 12.50 are 3.75 yuan: 187 points, seven steps.
        assert_eq!(quote(&rules, "12.50", None, Wanted::Most), said(175, "3.50", "9.00", 175));
        assert_eq!(quote(&rules, "12.50", None, Wanted::Points(Points(74))), said(0, "0.00", "12.50", 175));
        assert_eq!(quote(&rules, "9999999999.99", Some(i64::MAX), Wanted::Most).3, 149_999_999_975);
        let nothing = Redemption { max_share_percent: 0, ..Redemption::default() };
        assert_eq!(quote(&nothing, "12.50", None, Wanted::Most), said(0, "0.00", "12.50", 0));
    }
}
