//! What an invoice earns: category sums, rate, floor. (DOMAIN "Accrual", exact defaults 1, 2, 13 and 14.)

use std::collections::BTreeMap;

use jifen_contracts::{
    document::Payer,
    event::{AcceptedLine, AcceptedReduction, CategoryBase},
    program::Earn,
};
use jifen_kernel::{Money, Points, Rate, Token};

/// Categories whose lines bring a car into the workshop.
const VISIT_CATEGORIES: [&str; 2] = ["maintenance", "repair"];

/// An invoice's sums.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvoiceBase {
    /// Paid amount and base points of every category of the bill, by name.
    pub categories: Vec<CategoryBase>,
    /// Something was paid in a category that earns: it counts as spending.
    pub is_spending: bool,
    /// A maintenance or repair line of any payer but internal.
    pub visit: bool,
    /// A visit for which the customer paid.
    pub paid_visit: bool,
}

/// The rate of a category is missing in the program that the invoice is stamped with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the program has no rate for category {0}")]
pub struct NoRate(pub Token);

/// Sums what the customer paid per category, takes reductions off pro rata, multiplies exactly and floors once.
pub fn decide_base(lines: &[AcceptedLine], reductions: &[AcceptedReduction], earn: &Earn) -> Result<InvoiceBase, NoRate> {
    let paid = paid_by_line(lines, reductions);
    let mut by_category: BTreeMap<&Token, Money> = BTreeMap::new();
    for (line, paid) in lines.iter().zip(&paid) {
        *by_category.entry(&line.category).or_default() += *paid;
    }
    let mut is_spending = false;
    let mut categories = Vec::with_capacity(by_category.len());
    for (category, paid) in by_category {
        let rate: Rate = *earn.rates.get(category).ok_or_else(|| NoRate(category.clone()))?;
        is_spending |= paid.is_positive() && !rate.is_zero();
        categories.push(CategoryBase { category: category.clone(), paid, base: rate.points_for(paid) });
    }
    let visit = lines.iter().any(is_visit);
    let paid_total: Money = paid.into_iter().sum();
    Ok(InvoiceBase { categories, is_spending, visit, paid_visit: visit && paid_total.is_positive() })
}

/// A line that brings a car into the workshop, whoever pays it but the store itself.
pub fn is_visit(line: &AcceptedLine) -> bool {
    VISIT_CATEGORIES.contains(&line.category.as_str()) && line.payer != Payer::Internal
}

/// What the customer paid of each line: nothing of lines that others pay, the principal share of a stored-value line,
/// and of the customer's own lines what is left after the bill's reductions, spread pro rata to the fen. Reductions
/// beyond the customer's share reduce somebody else's.
fn paid_by_line(lines: &[AcceptedLine], reductions: &[AcceptedReduction]) -> Vec<Money> {
    let own: Vec<Money> = lines.iter().map(|line| if line.payer == Payer::Customer { line.amount } else { Money::ZERO }).collect();
    let off: Money = reductions.iter().map(|reduction| reduction.amount).sum();
    let shares = off.min(own.iter().copied().sum()).spread_over(&own);
    let stored = |line: &AcceptedLine| if line.payer == Payer::StoredValue { line.principal.unwrap_or_default() } else { Money::ZERO };
    lines.iter().zip(own).zip(shares).map(|((line, own), share)| own - share + stored(line)).collect()
}

/// All base points of an invoice.
pub fn total(categories: &[CategoryBase]) -> Points {
    categories.iter().map(|category| category.base).sum()
}

#[cfg(test)]
mod tests {
    use jifen_contracts::document::ReductionKind;

    use super::*;

    fn earn() -> Earn {
        let rates = [("maintenance", "1.5"), ("repair", "1.0"), ("parts", "1.2"), ("other", "1.0"), ("pass_through", "0")];
        let rates = rates.map(|(category, rate)| (Token::try_new(category).expect("token"), Rate::try_new(rate).expect("rate")));
        Earn { rates: rates.into(), first_spending: Points(100), ..Earn::default() }
    }

    fn line(category: &str, payer: Payer, amount: &str, principal: Option<&str>) -> AcceptedLine {
        let money = |text| Money::try_new(text).expect("money");
        let category = Token::try_new(category).expect("token");
        AcceptedLine { line: 1, category, payer, amount: money(amount), principal: principal.map(money) }
    }

    fn off(amount: &str) -> AcceptedReduction {
        AcceptedReduction { kind: ReductionKind::Points, amount: Money::try_new(amount).expect("money") }
    }

    fn points(lines: &[AcceptedLine], reductions: &[AcceptedReduction]) -> Vec<i64> {
        decide_base(lines, reductions, &earn()).expect("rates").categories.iter().map(|category| category.base.0).collect()
    }

    #[test]
    fn the_documents_numbers() {
        use Payer::{Customer, Insurance, StoredValue, Warranty};
        // Parts fitted in a maintenance job are maintenance.
        assert_eq!(points(&[line("maintenance", Customer, "400", None), line("maintenance", Customer, "600", None)], &[]), [1500]);
        assert_eq!(points(&[line("repair", Customer, "333.33", None), line("parts", Customer, "333.33", None)], &[]), [399, 333]);
        assert_eq!(points(&[line("maintenance", Customer, "500", None), line("maintenance", Warranty, "300", None)], &[]), [750]);
        // Floored once a category, not once a line.
        assert_eq!(points(&[line("repair", Customer, "0.50", None), line("repair", Customer, "0.50", None)], &[]), [1]);
        // An offset is spread pro rata.
        assert_eq!(points(&[line("maintenance", Customer, "600", None), line("parts", Customer, "400", None)], &[off("100")]), [810, 432]);
        assert_eq!(points(&[line("maintenance", StoredValue, "600", Some("500"))], &[]), [750]);
        assert_eq!(points(&[line("repair", Insurance, "20000", None), line("repair", Customer, "500", None)], &[]), [500]);
        // More off than the customer pays: nothing is left, nothing is negative.
        assert_eq!(points(&[line("repair", Insurance, "20000", None), line("repair", Customer, "500", None)], &[off("600")]), [0]);
    }

    #[test]
    fn visits() {
        use Payer::{Customer, Insurance, Internal, Package};
        let flags = |lines: &[AcceptedLine]| {
            let base = decide_base(lines, &[], &earn()).expect("rates");
            (base.visit, base.paid_visit, base.is_spending)
        };
        assert_eq!(flags(&[line("repair", Insurance, "8000", None), line("repair", Customer, "500", None)]), (true, true, true));
        assert_eq!(flags(&[line("maintenance", Package, "400", None)]), (true, false, false));
        assert_eq!(flags(&[line("repair", Internal, "400", None)]), (false, false, false));
        assert_eq!(flags(&[line("parts", Customer, "400", None)]), (false, false, true));
        assert_eq!(flags(&[line("pass_through", Customer, "400", None)]), (false, false, false));
    }

    #[test]
    fn a_category_without_rate_is_named() {
        let unknown = Token::try_new("boat").expect("token");
        assert_eq!(decide_base(&[line("boat", Payer::Customer, "1", None)], &[], &earn()), Err(NoRate(unknown)));
    }
}
