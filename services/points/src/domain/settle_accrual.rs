//! campaign's answer closes an accrual: bonus posted, or none.

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::{
    event::{AccrualSource, Bonus, BonusRule, CategoryBase, EntryKind},
    program::AppliedProgram,
};
use jifen_kernel::{Rate, StoreCode, Token};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::{
    account::{Account, Movement, issued_by},
    pending::{Holds, LotKeys},
    post_invoice::Posting,
};

/// The accrual that an answer is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenAccrual {
    /// Its store.
    pub store: StoreCode,
    /// Its document.
    pub document: String,
    /// Base by category.
    pub categories: Vec<CategoryBase>,
    /// The last day of everything that it earns.
    pub expires_on: NaiveDate,
    /// Its local day.
    pub business_date: NaiveDate,
    /// The member was not activated, as far as ingest knew.
    pub awaiting: bool,
}

/// An answer that can't be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WrongBonus {
    /// A bonus on a category that the accrual has no base in.
    #[error("campaign {0} multiplies a category without base")]
    NoBase(String),
    /// More than its own factor gives.
    #[error("campaign {0} grants more than its factor gives")]
    TooMuch(String),
    /// A fixed bonus for less than was asked.
    #[error("campaign {0} gives its fixed bonus for less than it asks")]
    TooLittle(String),
    /// Nothing or less.
    #[error("campaign {0} grants no point")]
    Nothing(String),
}

/// Checks an answer against the accrual: points trusts no number that it can compute.
pub fn check_bonuses(accrual: &OpenAccrual, bonuses: &[Bonus]) -> Result<(), WrongBonus> {
    for bonus in bonuses {
        let name = || bonus.campaign.to_string();
        if !bonus.points.is_positive() {
            return Err(WrongBonus::Nothing(name()));
        }
        match &bonus.rule {
            BonusRule::Multiplier { category, factor_basis_points } => {
                let base = find(&accrual.categories, category).ok_or_else(|| WrongBonus::NoBase(name()))?.base;
                let factor = Rate::try_new(&factor_text(*factor_basis_points)).map_err(|_| WrongBonus::TooMuch(name()))?;
                if bonus.points > factor.extra_on(base) {
                    return Err(WrongBonus::TooMuch(name()));
                }
            }
            BonusRule::Fixed { keep_from, categories } => {
                let counts = |found: &&CategoryBase| categories.is_empty() || categories.contains(&found.category);
                let paid: i64 = accrual.categories.iter().filter(counts).map(|found| found.paid.fen()).sum();
                if paid < keep_from.fen() {
                    return Err(WrongBonus::TooLittle(name()));
                }
            }
        }
    }
    Ok(())
}

fn find<'a>(categories: &'a [CategoryBase], category: &Token) -> Option<&'a CategoryBase> {
    categories.iter().find(|found| found.category == *category)
}

/// A factor as a rate.
pub fn factor_text(basis_points: u32) -> String {
    Decimal::new(i64::from(basis_points), 4).normalize().to_string()
}

/// Posts the bonuses of a checked answer, with the accrual's own expiry; `pending` if the member is not activated. What multiplies a
/// category waits as that one's base does.
pub fn decide_settlement(
    account: &mut Account,
    accrual: &OpenAccrual,
    bonuses: &[Bonus],
    applied: &AppliedProgram,
    pending: bool,
    posted_at: DateTime<Utc>,
    next_id: &mut dyn FnMut() -> Uuid,
) -> Posting {
    let earn = &applied.program.earn;
    let holds = Holds::new(applied, (accrual.business_date, posted_at), pending, &accrual.categories);
    let (mut posting, mut lots) = (Posting::default(), LotKeys::default());
    for bonus in bonuses {
        let (category, rate) = match &bonus.rule {
            BonusRule::Multiplier { category, factor_basis_points } => (Some(category), Some(factor_text(*factor_basis_points))),
            BonusRule::Fixed { .. } => (None, None),
        };
        let waits = holds.of(category);
        let lot_id = lots.of(waits, next_id);
        let movement = Movement {
            entry_id: next_id(),
            source: AccrualSource::Invoice,
            kind: EntryKind::Bonus,
            store: accrual.store.clone(),
            document: accrual.document.clone(),
            category: category.cloned(),
            rule: format!("campaign:{}@{}", bonus.campaign, bonus.version),
            ordinal: 0,
            points: bonus.points,
            lot_id,
            expires_on: accrual.expires_on,
            paid: None,
            rate,
            base: category.and_then(|category| find(&accrual.categories, category)).map(|found| found.base),
            posted_at,
            qualifying: !category.is_some_and(|category| earn.not_qualifying.contains(category)),
            of_entry: None,
        };
        posting.entries.push(account.credit(issued_by(&accrual.store), movement, waits.is_some()));
    }
    posting.with_lots(account, lots, next_id)
}

#[cfg(test)]
mod tests {
    use jifen_kernel::{Money, Points};

    use super::*;
    use crate::domain::samples::{applied, bonus, member};

    fn accrual() -> OpenAccrual {
        let category = |name, base| CategoryBase { category: Token::try_new(name).expect("token"), paid: Money::ZERO, base: Points(base) };
        OpenAccrual {
            store: StoreCode::try_new("SH01").expect("store"),
            document: "R1".to_owned(),
            categories: vec![category("maintenance", 1500), category("parts", 733)],
            expires_on: NaiveDate::MAX,
            business_date: NaiveDate::MIN,
            awaiting: false,
        }
    }

    #[test]
    fn a_bonus_is_posted_with_the_accruals_expiry() {
        let mut account = Account::new(member(1), "M1".to_owned());
        let mut program = applied();
        program.program.earn.not_qualifying = vec![Token::try_new("parts").expect("token")];
        let bonuses = [bonus("double", "maintenance", 20_000, 1500), bonus("half", "parts", 15_000, 366)];
        assert_eq!(check_bonuses(&accrual(), &bonuses), Ok(()));
        let posting = decide_settlement(&mut account, &accrual(), &bonuses, &program, false, DateTime::UNIX_EPOCH, &mut || Uuid::nil());
        assert_eq!(account.balance.active, Points(1866));
        assert_eq!(posting.entries[0].movement.rule, "campaign:double@1");
        assert_eq!(posting.entries.iter().map(|entry| entry.movement.qualifying).collect::<Vec<_>>(), [true, false], "as the category");
        assert!(posting.entries.iter().all(|entry| entry.movement.expires_on == NaiveDate::MAX));
        let none = decide_settlement(&mut account, &accrual(), &[], &program, false, DateTime::UNIX_EPOCH, &mut || Uuid::nil());
        assert_eq!(none, Posting::default());
    }

    #[test]
    fn an_answer_beyond_its_own_factor_is_refused() {
        let refused = |bonus| check_bonuses(&accrual(), &[bonus]);
        assert_eq!(refused(bonus("x", "maintenance", 20_000, 1501)), Err(WrongBonus::TooMuch("x".to_owned())));
        assert_eq!(refused(bonus("x", "repair", 20_000, 1)), Err(WrongBonus::NoBase("x".to_owned())));
        assert_eq!(refused(bonus("x", "parts", 15_000, 0)), Err(WrongBonus::Nothing("x".to_owned())));
    }

    #[test]
    fn a_fixed_bonus_needs_what_it_asks_for() {
        let mut paid = accrual();
        paid.categories[0].paid = Money::from_fen(80_000);
        let fixed = |keep_from, categories: &[&str]| {
            let categories = categories.iter().map(|name| Token::try_new(*name).expect("token")).collect();
            let rule = BonusRule::Fixed { keep_from: Money::from_fen(keep_from), categories };
            Bonus { rule, ..bonus("gift", "maintenance", 20_000, 200) }
        };
        assert_eq!(check_bonuses(&paid, &[fixed(80_000, &[])]), Ok(()));
        assert_eq!(check_bonuses(&paid, &[fixed(80_001, &[])]), Err(WrongBonus::TooLittle("gift".to_owned())));
        assert_eq!(check_bonuses(&paid, &[fixed(1, &["parts"])]), Err(WrongBonus::TooLittle("gift".to_owned())));
        let mut account = Account::new(member(1), "M1".to_owned());
        let posting = decide_settlement(&mut account, &paid, &[fixed(0, &[])], &applied(), true, DateTime::UNIX_EPOCH, &mut || Uuid::nil());
        assert_eq!((posting.entries[0].movement.points, &posting.entries[0].movement.category), (Points(200), &None));
        assert_eq!((account.balance.pending, account.balance.active), (Points(200), Points(0)));
    }
}
