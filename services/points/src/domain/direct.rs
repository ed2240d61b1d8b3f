//! Accruals that are settled where they are posted: interactions, partners' purchases, campaigns' grants.

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::event::{AccrualSource, Bonus, EntryKind};
use jifen_kernel::{MemberId, Money, Points, StoreCode};
use uuid::Uuid;

use super::{
    account::{Account, Movement, issued_by},
    pending::{Hold, LotKeys, Waits},
    post_invoice::Posting,
};

/// What a document says, whatever it earns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectAccrual {
    /// What kind of document; with store and document its key.
    pub source: AccrualSource,
    /// Its store, which funds it.
    pub store: StoreCode,
    /// Its number there.
    pub document: String,
    /// Who earns.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// Its local day.
    pub business_date: NaiveDate,
    /// The rules applied.
    pub program_version: u32,
    /// The interaction's kind, the partner's code, the campaign's code.
    pub subject: String,
    /// What it is about.
    pub about: Option<String>,
    /// What was paid.
    pub amount: Option<Money>,
    /// Of a grant that rests on the invoice `about`: how its parts were computed.
    pub bonuses: Vec<Bonus>,
    /// The points count towards a tier.
    pub qualifying: bool,
    /// The member was not activated, as far as was known.
    pub awaiting: bool,
    /// What its rule asks for before it can be spent.
    pub hold: Option<Hold>,
    /// The last day of what it earns.
    pub expires_on: NaiveDate,
}

impl DirectAccrual {
    /// An interaction.
    pub fn is_interaction(&self) -> bool {
        self.source == AccrualSource::Interaction
    }

    /// A purchase from a partner.
    pub fn is_partners(&self) -> bool {
        self.source == AccrualSource::PartnerPurchase
    }
}

/// Why it earns what it earns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As the rule says.
    Rewarded,
    /// The kind is known, but switched off.
    Off,
    /// The period had its rewards.
    OverLimit,
    /// It doesn't say what it is about.
    AboutMissing,
    /// The order that it is about never came.
    OrderUnknown,
    /// The order is another member's.
    OtherMember,
    /// The order is too old.
    TooLate,
    /// Too little for a point.
    BelowOnePoint,
    /// The partner's budget had less left.
    BudgetSpent,
}

impl Outcome {
    const ALL: [Self; 9] = [
        Self::Rewarded,
        Self::Off,
        Self::OverLimit,
        Self::AboutMissing,
        Self::OrderUnknown,
        Self::OtherMember,
        Self::TooLate,
        Self::BelowOnePoint,
        Self::BudgetSpent,
    ];

    /// As in tables and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rewarded => "rewarded",
            Self::Off => "off",
            Self::OverLimit => "over_limit",
            Self::AboutMissing => "about_missing",
            Self::OrderUnknown => "order_unknown",
            Self::OtherMember => "other_member",
            Self::TooLate => "too_late",
            Self::BelowOnePoint => "below_one_point",
            Self::BudgetSpent => "budget_spent",
        }
    }

    /// The outcome of this word.
    pub fn find(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == word)
    }
}

/// What was decided, and what it rested on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// How many; 0 where the outcome says why.
    pub points: Points,
    /// Why.
    pub outcome: Outcome,
    /// Rewarded before it in its period.
    pub counted: Option<i64>,
    /// What the partner's budget had left.
    pub budget_left: Option<Points>,
}

impl Decision {
    /// Nothing, for this reason.
    pub fn nothing(outcome: Outcome) -> Self {
        Self { points: Points::ZERO, outcome, counted: None, budget_left: None }
    }

    /// All of it.
    pub fn all(points: Points) -> Self {
        Self { points, outcome: Outcome::Rewarded, counted: None, budget_left: None }
    }
}

/// Posts what was decided: one entry and one lot, or none.
pub fn decide_credit(
    account: &mut Account,
    accrual: &DirectAccrual,
    points: Points,
    pending: bool,
    posted_at: DateTime<Utc>,
    next_id: &mut dyn FnMut() -> Uuid,
) -> Posting {
    if !points.is_positive() {
        return Posting::default();
    }
    let (kind, family) = match accrual.source {
        AccrualSource::Interaction => (EntryKind::Interaction, "interaction"),
        AccrualSource::PartnerPurchase => (EntryKind::Partner, "partner"),
        AccrualSource::Grant => (EntryKind::Bonus, "campaign"),
        AccrualSource::Import => (EntryKind::Import, "import"),
        AccrualSource::Invoice => (EntryKind::Accrual, "earn"),
    };
    let waits = Waits::of(pending, accrual.hold, accrual.business_date);
    let mut lots = LotKeys::default();
    let lot_id = lots.of(waits, next_id);
    let movement = Movement {
        entry_id: next_id(),
        source: accrual.source,
        kind,
        store: accrual.store.clone(),
        document: accrual.document.clone(),
        category: None,
        rule: format!("{family}:{}@{}", accrual.subject, accrual.program_version),
        ordinal: 0,
        points,
        lot_id,
        expires_on: accrual.expires_on,
        paid: accrual.amount,
        rate: None,
        base: None,
        posted_at,
        qualifying: accrual.qualifying,
        of_entry: None,
    };
    let entry = account.credit(funder_of(accrual), movement, waits.is_some());
    Posting { entries: vec![entry], ..Posting::default() }.with_lots(account, lots, next_id)
}

/// A partner pays for what its customers earn; everything else is the store's.
fn funder_of(accrual: &DirectAccrual) -> String {
    match accrual.source {
        AccrualSource::PartnerPurchase => format!("partner:{}", accrual.subject),
        AccrualSource::Import => "imported".to_owned(),
        _ => issued_by(&accrual.store),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::samples::{direct, member};

    #[test]
    fn each_source_has_its_funder_its_kind_and_its_rule() {
        let mut account = Account::new(member(1), "M1".to_owned());
        let mut post = |source, qualifying| {
            let accrual = DirectAccrual { source, qualifying, ..direct("D1", 1) };
            let posting = decide_credit(&mut account, &accrual, Points(50), false, DateTime::UNIX_EPOCH, &mut || Uuid::nil());
            let entry = &posting.entries[0];
            (entry.debit.clone(), entry.movement.kind, entry.movement.rule.clone(), entry.movement.qualifying)
        };
        let entry = |debit: &str, kind, rule: &str, qualifying| (debit.to_owned(), kind, rule.to_owned(), qualifying);
        assert_eq!(post(AccrualSource::Interaction, true), entry("issued:SH01", EntryKind::Interaction, "interaction:review@1", true));
        assert_eq!(post(AccrualSource::PartnerPurchase, false), entry("partner:review", EntryKind::Partner, "partner:review@1", false));
        assert_eq!(post(AccrualSource::Grant, false), entry("issued:SH01", EntryKind::Bonus, "campaign:review@1", false));
        assert_eq!((account.balance.active, account.lifetime), (Points(150), Points(150)));
        let none = decide_credit(&mut account, &direct("D2", 1), Points::ZERO, false, DateTime::UNIX_EPOCH, &mut || Uuid::nil());
        assert_eq!((none, account.sequence), (Posting::default(), 3));
    }

    #[test]
    fn outcomes_are_found_by_their_words() {
        assert!(Outcome::ALL.into_iter().all(|outcome| Outcome::find(outcome.as_str()) == Some(outcome)));
        assert_eq!(Outcome::find("?"), None);
    }
}
