//! A member's account in memory: entries are appended to it, each chained to the one before.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, SubsecRound, Utc};
use jifen_contracts::event::{AccrualSource, Balance, EntryKind};
use jifen_kernel::{MemberId, Money, Points, StoreCode, Token};
use uuid::Uuid;

use super::lots::LotPart;

/// The hash of the newest entry.
pub type Head = [u8; 32];

/// What a posting needs to know of an account, and what it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Whose.
    pub member_id: MemberId,
    /// The number on the card.
    pub member_no: String,
    /// Balances.
    pub balance: Balance,
    /// All that was ever earned (DOMAIN exact default 11).
    pub lifetime: Points,
    /// How often the first spending was granted.
    pub first_spending_ordinal: i32,
    /// A grant of the first spending stands.
    pub first_spending_stands: bool,
    /// Invoices with a net customer-paid amount in a category that earns.
    pub spendings: i32,
    /// Entries so far.
    pub sequence: i64,
    /// The chain's head.
    pub head: Head,
}

/// What an entry shall say; the account adds its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// The entry's key.
    pub entry_id: Uuid,
    /// What kind of document it rests on.
    pub source: AccrualSource,
    /// What it is about.
    pub kind: EntryKind,
    /// Where the document came from: it funds the points.
    pub store: StoreCode,
    /// The document.
    pub document: String,
    /// The category, where one applies.
    pub category: Option<Token>,
    /// The rule with its version.
    pub rule: String,
    /// First spending's ordinal; 0 for other kinds.
    pub ordinal: i32,
    /// How many.
    pub points: Points,
    /// The lot that holds them.
    pub lot_id: Uuid,
    /// The lot's last day.
    pub expires_on: NaiveDate,
    /// What was paid.
    pub paid: Option<Money>,
    /// The rate or factor applied.
    pub rate: Option<String>,
    /// The base that a factor worked on.
    pub base: Option<Points>,
    /// When.
    pub posted_at: DateTime<Utc>,
    /// Counts towards a tier.
    pub qualifying: bool,
    /// The entry that it moves or takes back.
    pub of_entry: Option<Uuid>,
}

/// A place where points can be. Only a member's own have a balance row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Side {
    /// Spendable.
    Active,
    /// Earned, not spendable yet.
    Pending,
    /// Held for a redemption.
    Reserved,
    /// Owed: what leaves here makes it more.
    Debt,
    /// Not the member's: `issued:SH01`, `redeemed:SH02`, `expired`.
    Outside(String),
}

impl Side {
    /// As in the ledger.
    fn into_name(self) -> String {
        match self {
            Self::Active => "active".to_owned(),
            Self::Pending => "pending".to_owned(),
            Self::Reserved => "reserved".to_owned(),
            Self::Debt => "debt".to_owned(),
            Self::Outside(name) => name,
        }
    }
}

/// Whether an entry raises (1) or lowers (-1) all that was ever earned, in which counts what qualifies, and what partners and campaigns
/// give. Spending, expiry and adjustments have rules of their own.
pub fn on_lifetime(kind: EntryKind, source: AccrualSource, qualifying: bool) -> i64 {
    if !qualifying && !matches!(source, AccrualSource::PartnerPurchase | AccrualSource::Grant) {
        return 0;
    }
    match kind {
        EntryKind::Accrual
        | EntryKind::FirstSpending
        | EntryKind::Bonus
        | EntryKind::Interaction
        | EntryKind::Partner
        | EntryKind::Import => 1,
        EntryKind::Lapse | EntryKind::Reversal => -1,
        _ => 0,
    }
}

impl Movement {
    /// Points of a lot that move on; the account numbers them.
    pub fn of_lot(part: &LotPart, kind: EntryKind, entry_id: Uuid, posted_at: DateTime<Utc>) -> Self {
        Self {
            entry_id,
            source: AccrualSource::Invoice,
            kind,
            store: part.store.clone(),
            document: part.document.clone(),
            category: None,
            rule: kind.as_str().to_owned(),
            ordinal: 0,
            points: part.points,
            lot_id: part.lot_id,
            expires_on: part.expires_on,
            paid: None,
            rate: None,
            base: None,
            posted_at,
            qualifying: false,
            of_entry: None,
        }
    }
}

/// An entry of the ledger, in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whose chain.
    pub member_id: MemberId,
    /// Its place there, from 1.
    pub sequence: i64,
    /// The account debited.
    pub debit: String,
    /// The account credited.
    pub credit: Cow<'static, str>,
    /// What it says.
    pub movement: Movement,
    /// Not spendable yet.
    pub pending: bool,
    /// Its hash: over the one before and all of the above.
    pub hash: Head,
}

impl Account {
    /// An account without entries.
    pub fn new(member_id: MemberId, member_no: String) -> Self {
        Self {
            member_id,
            member_no,
            balance: Balance::default(),
            lifetime: Points::ZERO,
            first_spending_ordinal: 0,
            first_spending_stands: false,
            spendings: 0,
            sequence: 0,
            head: [0; 32],
        }
    }

    /// Credits an accrual: the funder's points become the member's, spendable or `pending`.
    pub fn credit(&mut self, funder: String, movement: Movement, pending: bool) -> Entry {
        self.book(Side::Outside(funder), if pending { Side::Pending } else { Side::Active }, movement)
    }

    /// Makes pending points spendable.
    pub fn activate(&mut self, movement: Movement) -> Entry {
        self.book(Side::Pending, Side::Active, movement)
    }

    /// Gives pending points back to who funded them.
    pub fn lapse(&mut self, funder: String, movement: Movement) -> Entry {
        self.book(Side::Pending, Side::Outside(funder), movement)
    }

    /// Moves points of a lot on. Such entries may come often for one document: each is numbered by its place in the chain.
    pub fn transfer(&mut self, from: Side, to: Side, movement: Movement) -> Entry {
        let ordinal = i32::try_from(self.sequence + 1).unwrap_or(i32::MAX);
        self.book(from, to, Movement { ordinal, ..movement })
    }

    fn book(&mut self, from: Side, to: Side, movement: Movement) -> Entry {
        let points = movement.points;
        let pending = to == Side::Pending || (from == Side::Pending && to != Side::Active);
        match &from {
            Side::Active => self.balance.active = self.balance.active - points,
            Side::Pending => self.balance.pending = self.balance.pending - points,
            Side::Reserved => self.balance.reserved = self.balance.reserved - points,
            Side::Debt => self.balance.debt += points,
            Side::Outside(_) => {}
        }
        match &to {
            Side::Active => self.balance.active += points,
            Side::Pending => self.balance.pending += points,
            Side::Reserved => self.balance.reserved += points,
            Side::Debt => self.balance.debt = self.balance.debt - points,
            Side::Outside(_) => {}
        }
        self.lifetime += Points(points.0 * on_lifetime(movement.kind, movement.source, movement.qualifying));
        self.append(from.into_name(), to.into_name().into(), movement, pending)
    }

    fn append(&mut self, debit: String, credit: Cow<'static, str>, movement: Movement, pending: bool) -> Entry {
        assert!(movement.points.is_positive(), "a movement moves at least one point");
        let own = self.balance;
        assert!([own.active, own.pending, own.reserved, own.debt].iter().all(|points| *points >= Points::ZERO), "no balance is below zero");
        // The database keeps microseconds; the hash must not know more.
        let movement = Movement { posted_at: movement.posted_at.trunc_subsecs(6), ..movement };
        self.sequence += 1;
        let mut entry = Entry { member_id: self.member_id, sequence: self.sequence, debit, credit, movement, pending, hash: [0; 32] };
        entry.hash = hash_of(&self.head, &entry);
        self.head = entry.hash;
        entry
    }
}

/// The account of a store, which funds what its documents earn.
pub fn issued_by(store: &StoreCode) -> String {
    format!("issued:{store}")
}

/// The hash of an entry behind `previous`.
pub fn hash_of(previous: &Head, entry: &Entry) -> Head {
    said(entry).hash(&jifen_proof::Hash(*previous)).0
}

/// What its hash covers.
pub fn said(entry: &Entry) -> jifen_proof::Entry<'_> {
    let movement = &entry.movement;
    jifen_proof::Entry {
        member_id: entry.member_id.0,
        sequence: entry.sequence,
        entry_id: movement.entry_id,
        debit: entry.debit.as_str().into(),
        credit: entry.credit.as_ref().into(),
        points: movement.points.0,
        kind: movement.kind.as_str().into(),
        source: movement.source.as_str().into(),
        store: movement.store.as_str().into(),
        document: movement.document.as_str().into(),
        category: movement.category.as_ref().map_or("", Token::as_str).into(),
        rule: movement.rule.as_str().into(),
        ordinal: movement.ordinal,
        qualifying: movement.qualifying,
        pending: entry.pending,
        lot_id: movement.lot_id,
        expires_on: movement.expires_on,
        paid_fen: movement.paid.map(Money::fen),
        rate: movement.rate.as_deref().map(Cow::from),
        base: movement.base.map(|base| base.0),
        posted_at: movement.posted_at,
        of_entry: movement.of_entry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn movement(points: i64) -> Movement {
        Movement {
            entry_id: Uuid::nil(),
            source: AccrualSource::Invoice,
            kind: EntryKind::Accrual,
            store: StoreCode::try_new("SH01").expect("store"),
            document: "R1".to_owned(),
            category: None,
            rule: "earn@1".to_owned(),
            ordinal: 0,
            points: Points(points),
            lot_id: Uuid::nil(),
            expires_on: NaiveDate::MIN,
            paid: None,
            rate: None,
            base: None,
            posted_at: DateTime::UNIX_EPOCH,
            qualifying: true,
            of_entry: None,
        }
    }

    fn credit(account: &mut Account, movement: Movement) -> Entry {
        account.credit(issued_by(&movement.store), movement, false)
    }

    #[test]
    fn entries_are_chained_and_sum_to_the_balance() {
        let mut account = Account::new(MemberId(Uuid::nil()), "M1".to_owned());
        let first = credit(&mut account, movement(5));
        let second = credit(&mut account, movement(7));
        assert_eq!((account.balance.active, account.lifetime, account.sequence), (Points(12), Points(12), 2));
        assert_eq!(hash_of(&[0; 32], &first), first.hash);
        assert_eq!(hash_of(&first.hash, &second), account.head);
        assert_ne!(first.hash, second.hash);
    }

    #[test]
    fn every_field_counts_in_the_hash() {
        let entry = credit(&mut Account::new(MemberId(Uuid::nil()), "M1".to_owned()), movement(5));
        let edits: [fn(&mut Entry); 9] = [
            |e| e.movement.points = Points(6),
            |e| e.movement.document = "R2".to_owned(),
            |e| e.movement.rule = "earn@2".to_owned(),
            |e| e.sequence = 2,
            |e| e.movement.qualifying = false,
            |e| e.movement.source = AccrualSource::Grant,
            |e| e.movement.of_entry = Some(Uuid::nil()),
            |e| e.movement.paid = Some(Money::ZERO),
            |e| e.debit = "issued:SH02".to_owned(),
        ];
        for edit in edits {
            let mut edited = entry.clone();
            edit(&mut edited);
            assert_ne!(hash_of(&[0; 32], &edited), entry.hash);
        }
    }

    #[test]
    fn the_hash_of_an_invoices_entry_is_what_it_always_was() {
        let entry = credit(&mut Account::new(MemberId(Uuid::nil()), "M1".to_owned()), movement(5));
        assert_eq!(hex::encode(entry.hash), "adcaa490cab178c0bb43e027484ca19a02079c14b504655f40c852a24584db8a");
    }

    #[test]
    fn pending_points_become_spendable_or_go_back() {
        let mut account = Account::new(MemberId(Uuid::nil()), "M1".to_owned());
        let posted = account.credit("issued:SH01".to_owned(), movement(5), true);
        account.credit("issued:SH01".to_owned(), movement(7), true);
        assert_eq!(
            (posted.pending, account.balance.pending, account.balance.active, account.lifetime),
            (true, Points(12), Points(0), Points(12))
        );
        let moved = account.activate(Movement { kind: EntryKind::Activation, ..movement(5) });
        assert_eq!((moved.debit.as_str(), moved.credit.as_ref()), ("pending", "active"));
        let lapsed = account.lapse("issued:SH01".to_owned(), Movement { kind: EntryKind::Lapse, ..movement(7) });
        assert_eq!((lapsed.debit.as_str(), lapsed.credit.as_ref()), ("pending", "issued:SH01"));
        assert_eq!(
            (account.balance.pending, account.balance.active, account.lifetime, account.sequence),
            (Points(0), Points(5), Points(5), 4)
        );
    }

    #[test]
    fn what_does_not_qualify_counts_in_the_lifetime_only_if_it_was_given() {
        use AccrualSource::{Grant, Interaction, Invoice, PartnerPurchase};
        let lifetime = |source| {
            let mut account = Account::new(MemberId(Uuid::nil()), "M1".to_owned());
            credit(&mut account, Movement { source, qualifying: false, ..movement(5) });
            account.lifetime.0
        };
        assert_eq!([Invoice, Interaction, PartnerPurchase, Grant].map(lifetime), [0, 0, 5, 5]);
    }
}
