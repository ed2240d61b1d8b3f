//! A correction takes back what an invoice's net amounts don't give any longer: base, first spending, bonuses, in one go.
//! (DOMAIN exact defaults 4, 5 and 10.)

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use jifen_contracts::event::{Bonus, BonusRule, EntryKind};
use jifen_kernel::{Money, Points, Rate, Token};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    account::{Account, Entry, Movement, Side},
    ending::EXPIRED,
    lots::Lots,
    net::{Correcting, Net},
    settle_accrual::factor_text,
};

/// An entry that gave points, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Who funded it: the account debited.
    pub funder: String,
    /// What it says.
    pub movement: Movement,
    /// How many of its points were taken back so far.
    pub taken: Points,
    /// The rest is not spendable yet.
    pub pending: bool,
}

impl Given {
    /// What it gives still.
    pub fn rest(&self) -> Points {
        self.movement.points - self.taken
    }
}

/// From which paid amount a fixed bonus stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keep {
    /// The bonus.
    pub entry_id: Uuid,
    /// Net customer-paid amount.
    pub keep_from: Money,
    /// Of these categories; of all, if it names none.
    pub categories: Vec<Token>,
}

/// Where points can be taken from.
#[derive(Debug, Default)]
pub struct Pools {
    /// Spendable.
    pub lots: Lots,
    /// Lots that wait, and what they hold.
    pub pending: BTreeMap<Uuid, Points>,
    /// Of lots that ended: what is claimed from nobody.
    pub expired: BTreeMap<Uuid, Points>,
    /// Lots in which points of another one live that came back when its end was over.
    pub graces: BTreeMap<Uuid, Vec<Uuid>>,
}

/// What is taken back of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The entry.
    pub of: Given,
    /// What takes it back, lot by lot.
    pub entries: Vec<Entry>,
}

/// What a correction changes, and its name.
pub struct Change<'a> {
    /// What was left of the invoice.
    pub before: &'a Net,
    /// What is left of it now.
    pub after: &'a Net,
    /// Of its fixed bonuses.
    pub keep: &'a [Keep],
    /// How the grants that rest on it were computed, by their entries.
    pub grants: &'a BTreeMap<Uuid, Vec<Bonus>>,
    /// The correction.
    pub by: &'a Correcting,
}

/// When and with which ids.
pub struct Making<'a> {
    /// Now.
    pub at: DateTime<Utc>,
    /// The next id.
    pub next_id: &'a mut dyn FnMut() -> Uuid,
}

/// Takes so many points of an entry back: from its own lot, of what ended unspent in it from nobody (also where it had come back into
/// another lot), then from other lots by their end, then as a debt.
fn take_back(
    account: &mut Account,
    pools: &mut Pools,
    given: &mut Given,
    points: Points,
    by: &Correcting,
    making: &mut Making<'_>,
) -> Taken {
    let was = given.clone();
    let own = given.movement.lot_id;
    let mut movement = |points, lot_id, expires_on| Movement {
        entry_id: (making.next_id)(),
        kind: EntryKind::Reversal,
        rule: format!("{}:{}", by.kind.as_str(), by.number),
        ordinal: 0,
        points,
        lot_id,
        expires_on,
        paid: None,
        rate: None,
        base: None,
        posted_at: making.at,
        of_entry: Some(was.movement.entry_id),
        ..was.movement.clone()
    };
    let funder = || Side::Outside(was.funder.clone());
    let ends = was.movement.expires_on;
    let mut entries = Vec::new();
    let mut left = points;
    if was.pending {
        if let Some(held) = pools.pending.get_mut(&own) {
            *held = *held - left;
        }
        entries.push(account.transfer(Side::Pending, funder(), movement(left, own, ends)));
        left = Points::ZERO;
    }
    if let Some(part) = pools.lots.take_of(own, left) {
        left = left - part.points;
        entries.push(account.transfer(Side::Active, funder(), movement(part.points, own, part.expires_on)));
    }
    for lot in std::iter::once(&own).chain(pools.graces.get(&own).into_iter().flatten()) {
        let Some(rest) = pools.expired.get_mut(lot) else { continue };
        let ended = left.min(*rest);
        if ended.is_positive() {
            (left, *rest) = (left - ended, *rest - ended);
            entries.push(account.transfer(Side::Outside(EXPIRED.to_owned()), funder(), movement(ended, *lot, ends)));
        }
    }
    for part in pools.lots.take(left) {
        left = left - part.points;
        entries.push(account.transfer(Side::Active, funder(), movement(part.points, part.lot_id, part.expires_on)));
    }
    if left.is_positive() {
        entries.push(account.transfer(Side::Debt, funder(), movement(left, own, ends)));
    }
    given.taken += points;
    Taken { of: was, entries }
}

/// Takes back what the change doesn't leave of what was given; `entries` are the invoice's, `grant` the member's first
/// spending that stands, whichever invoice brought it.
pub fn decide_correction(
    account: &mut Account,
    pools: &mut Pools,
    entries: &mut [Given],
    grant: Option<&mut Given>,
    change: &Change<'_>,
    making: &mut Making<'_>,
) -> Vec<Taken> {
    let Change { before, after, by, .. } = *change;
    let mut taken = Vec::new();
    // Base: in all no more than the difference; of categories that give more than they may.
    let bases = || |given: &&mut Given| given.movement.kind == EntryKind::Accrual;
    let posted: Points = entries.iter().filter(|given| given.movement.kind == EntryKind::Accrual).map(Given::rest).sum();
    let mut over = (posted - after.base).max(Points::ZERO);
    for given in entries.iter_mut().filter(bases()) {
        let stays = base_of(after, given.movement.category.as_ref()).min(given.rest());
        let points = (given.rest() - stays).min(over);
        if points.is_positive() {
            over = over - points;
            taken.push(take_back(account, pools, given, points, by, making));
        }
    }
    for given in entries.iter_mut().filter(|given| given.movement.kind == EntryKind::Bonus) {
        let due = bonus_due(given, change);
        let points = given.rest() - due.min(given.rest());
        if points.is_positive() {
            taken.push(take_back(account, pools, given, points, by, making));
        }
    }
    if before.is_spending && !after.is_spending {
        account.spendings = (account.spendings - 1).max(0);
        if account.spendings == 0 && account.first_spending_stands {
            account.first_spending_stands = false;
            if let Some(given) = grant.filter(|given| given.rest().is_positive()) {
                let points = given.rest();
                taken.push(take_back(account, pools, given, points, by, making));
            }
        }
    }
    taken
}

fn base_of(net: &Net, category: Option<&Token>) -> Points {
    net.categories.iter().find(|found| Some(&found.category) == category).map_or(Points::ZERO, |found| found.base)
}

/// What is still due of a bonus: `min(granted, floor(net base x (factor - 1)))`; of a fixed one all or nothing.
pub fn bonus_due(given: &Given, change: &Change<'_>) -> Points {
    let said = &given.movement;
    if change.after.lapsed {
        return Points::ZERO;
    }
    if let Some(bonuses) = change.grants.get(&said.entry_id) {
        return bonuses.iter().map(|bonus| due_of_rule(&bonus.rule, bonus.points, change.after)).sum::<Points>().min(said.points);
    }
    if let (Some(rate), Some(category)) = (said.rate.as_deref().and_then(|rate| Rate::try_new(rate).ok()), &said.category) {
        return said.points.min(rate.extra_on(base_of(change.after, Some(category))));
    }
    let found = change.keep.iter().find(|keep| keep.entry_id == said.entry_id);
    let (from, categories) = found.map_or((Money::from_fen(1), &[][..]), |keep| (keep.keep_from, keep.categories.as_slice()));
    if paid_in(change.after, categories) >= from { said.points } else { Points::ZERO }
}

fn due_of_rule(rule: &BonusRule, granted: Points, net: &Net) -> Points {
    match rule {
        BonusRule::Multiplier { category, factor_basis_points } => {
            let factor = Rate::try_new(&factor_text(*factor_basis_points)).ok();
            factor.map_or(Points::ZERO, |factor| granted.min(factor.extra_on(base_of(net, Some(category)))))
        }
        BonusRule::Fixed { keep_from, categories } if paid_in(net, categories) >= *keep_from => granted,
        BonusRule::Fixed { .. } => Points::ZERO,
    }
}

/// What is still paid in these categories; in all, if none is named.
fn paid_in(net: &Net, categories: &[Token]) -> Money {
    let counts = |category: &Token| categories.is_empty() || categories.contains(category);
    net.categories.iter().filter(|found| counts(&found.category)).map(|found| found.paid).sum()
}

#[cfg(test)]
mod tests {
    use jifen_contracts::event::{CorrectionKind, InvoiceAccepted};

    use super::*;
    use crate::domain::{
        lots::LotPart,
        net::{Posted, Refunded, decide_net},
        post_invoice::{Posting, decide_posting, decide_value},
        samples::{applied, bonus, invoice, member},
        settle_accrual::{OpenAccrual, decide_settlement},
    };

    /// A member's account with all that corrections need, in memory.
    struct Till {
        account: Account,
        pools: Pools,
        entries: BTreeMap<String, Vec<Given>>,
        nets: BTreeMap<String, (InvoiceAccepted, Posted, Net, Refunded)>,
        next: u128,
    }

    impl Till {
        fn new() -> Self {
            let account = Account::new(member(1), "M1".to_owned());
            Self { account, pools: Pools::default(), entries: BTreeMap::new(), nets: BTreeMap::new(), next: 0 }
        }

        fn post(&mut self, number: &str, amount: &str, factor: Option<u32>) {
            let (bill, applied) = (invoice(number, "repair", amount), applied());
            let next = &mut self.next;
            let mut next_id = || {
                *next += 1;
                Uuid::from_u128(*next)
            };
            let at = DateTime::UNIX_EPOCH;
            let valued = decide_value(&bill, &applied, at).expect("rates");
            let base = decide_posting(&mut self.account, &bill, &valued, &applied, false, at, &mut next_id);
            let open = OpenAccrual {
                store: bill.store.clone(),
                document: bill.invoice_no.clone(),
                categories: valued.base.categories.clone(),
                expires_on: valued.expires_on,
                business_date: bill.business_date,
                awaiting: false,
            };
            let bonuses: Vec<_> = factor
                .map(|factor| bonus("double", "repair", factor, valued.base.categories[0].base.0 * i64::from(factor - 10_000) / 10_000))
                .into_iter()
                .collect();
            let more = decide_settlement(&mut self.account, &open, &bonuses, &applied, false, at, &mut next_id);
            for posting in [base, more] {
                self.keep(number, posting);
            }
            let posted = Posted {
                categories: valued.base.categories,
                daily_left: None,
                visit: valued.base.visit,
                paid_visit: valued.base.paid_visit,
            };
            let net = Net::of_posted(&posted, &applied.program.earn);
            self.nets.insert(number.to_owned(), (bill, posted, net, Refunded::new()));
        }

        fn keep(&mut self, number: &str, posting: Posting) {
            for (lot, first) in posting.lots.iter().zip(posting.entries.first()) {
                let said = &first.movement;
                self.pools.lots.add(LotPart {
                    lot_id: lot.lot_id,
                    store: said.store.clone(),
                    document: said.document.clone(),
                    expires_on: said.expires_on,
                    points: lot.remaining,
                });
            }
            let given = |entry: Entry| Given { funder: entry.debit, movement: entry.movement, taken: Points::ZERO, pending: false };
            self.entries.entry(number.to_owned()).or_default().extend(posting.entries.into_iter().map(given));
        }

        /// Refunds, or voids if nothing is said of how much; gives what is spendable and owed then.
        fn correct(&mut self, number: &str, fen: Option<i64>) -> (i64, i64) {
            let (bill, posted, before, refunded) = self.nets.get_mut(number).expect("posted");
            let after = match fen {
                Some(fen) => {
                    *refunded.entry(1).or_default() += Money::from_fen(fen);
                    decide_net(posted, &bill.lines, &bill.reductions, refunded, &applied().program.earn)
                }
                None => Net::nothing(posted),
            };
            let mut entries = self.entries.remove(number).unwrap_or_default();
            let mut grant = None;
            // The grant may be another invoice's.
            for given in self.entries.values_mut().flatten().chain(entries.iter_mut()) {
                if given.movement.kind == EntryKind::FirstSpending && given.rest().is_positive() {
                    grant = Some(given.clone());
                }
            }
            let next = &mut self.next;
            let mut next_id = || {
                *next += 1;
                Uuid::from_u128(*next)
            };
            let mut making = Making { at: DateTime::UNIX_EPOCH, next_id: &mut next_id };
            let by = Correcting { kind: CorrectionKind::Refund, number: "C1".to_owned() };
            let grants = BTreeMap::new();
            let change = Change { before: &*before, after: &after, keep: &[], grants: &grants, by: &by };
            let taken = decide_correction(&mut self.account, &mut self.pools, &mut entries, grant.as_mut(), &change, &mut making);
            *before = after;
            self.entries.insert(number.to_owned(), entries);
            for taken in taken.iter().filter(|taken| taken.of.movement.kind == EntryKind::FirstSpending) {
                let of = taken.of.movement.entry_id;
                let all = self.entries.values_mut().flatten();
                all.filter(|given| given.movement.entry_id == of).for_each(|given| given.taken = given.movement.points);
            }
            assert_eq!(self.pools.lots.total(), self.account.balance.active, "lots sum to the balance");
            (self.account.balance.active.0, self.account.balance.debt.0)
        }

        fn spend(&mut self, points: i64) {
            for part in self.pools.lots.take(Points(points)) {
                let movement = Movement::of_lot(&part, EntryKind::Hold, Uuid::nil(), DateTime::UNIX_EPOCH);
                self.account.transfer(Side::Active, Side::Outside("redeemed:SH02".to_owned()), movement);
            }
        }
    }

    #[test]
    fn the_first_spending_stands_while_an_invoice_does() {
        let mut till = Till::new();
        till.post("A", "900", None);
        till.post("B", "500", None);
        assert_eq!(till.account.balance.active, Points(1_500));
        assert_eq!(till.correct("A", Some(90_000)), (600, 0));
        assert_eq!(till.correct("B", Some(50_000)), (0, 0));
        till.post("C", "300", None);
        assert_eq!((till.account.balance.active, till.account.first_spending_ordinal), (Points(400), 2));
        assert_eq!(till.account.lifetime, Points(400));
    }

    #[test]
    fn buy_refund_keep_the_bonus() {
        let mut till = Till::new();
        till.post("A", "1000", Some(20_000));
        assert_eq!(till.account.balance.active, Points(2_100));
        assert_eq!(till.correct("A", Some(50_000)), (1_100, 0), "half of base and bonus");
        assert_eq!(till.correct("A", Some(10_000)), (900, 0));
        assert_eq!(till.correct("A", Some(90_000)), (0, 0), "never more than was earned");
        assert_eq!(till.correct("A", None), (0, 0));
    }

    #[test]
    fn what_is_spent_becomes_a_debt_that_the_next_accrual_repays() {
        let mut till = Till::new();
        till.post("A", "1000", None);
        till.account.first_spending_stands = true;
        till.spend(1_100);
        till.post("B", "500", None);
        // DOMAIN exact default 10, with the first spending that B keeps alive.
        assert_eq!(till.correct("A", None), (0, 500));
        till.post("C", "800", None);
        assert_eq!((till.account.balance.active, till.account.balance.debt), (Points(300), Points(0)));
        assert_eq!(till.pools.lots.total(), Points(300));
        assert_eq!(till.account.lifetime, Points(1_400), "all 800 count");
    }

    #[test]
    fn a_bonus_that_a_budget_cut_keeps_what_it_was_given() {
        let mut till = Till::new();
        till.post("A", "1500", None);
        let part = LotPart {
            lot_id: Uuid::from_u128(900),
            store: "SH01".parse::<String>().ok().and_then(|code| jifen_kernel::StoreCode::try_new(code).ok()).expect("store"),
            document: "A".to_owned(),
            expires_on: "2028-10-31".parse().expect("date"),
            points: Points(900),
        };
        let movement = Movement {
            category: Some(Token::try_new("repair").expect("token")),
            rate: Some("2".to_owned()),
            base: Some(Points(1_500)),
            qualifying: true,
            ..Movement::of_lot(&part, EntryKind::Bonus, Uuid::from_u128(901), DateTime::UNIX_EPOCH)
        };
        let entry = till.account.credit("issued:SH01".to_owned(), movement, false);
        till.pools.lots.add(part);
        let given = Given { funder: entry.debit, movement: entry.movement, taken: Points::ZERO, pending: false };
        till.entries.get_mut("A").expect("posted").push(given);
        assert_eq!(till.correct("A", Some(75_000)), (750 + 750 + 100, 0));
        assert_eq!(till.correct("A", Some(75_000)), (0, 0));
    }

    #[test]
    fn what_ended_unspent_is_claimed_from_nobody() {
        let mut till = Till::new();
        till.post("A", "1000", None);
        till.post("B", "500", None);
        let lot = till.entries["A"][0].movement.lot_id;
        let part = till.pools.lots.take_of(lot, Points(400)).expect("points");
        let movement = Movement::of_lot(&part, EntryKind::Expiry, Uuid::nil(), DateTime::UNIX_EPOCH);
        till.account.transfer(Side::Active, Side::Outside(EXPIRED.to_owned()), movement);
        till.pools.expired.insert(lot, Points(400));
        // Of the 1,000, 700 come out of the lot, which held the first spending's 100, too; 300 of nobody.
        assert_eq!(till.correct("A", None), (500, 0));
        assert_eq!(till.pools.expired[&lot], Points(100));
    }

    #[test]
    fn what_came_back_and_ended_is_claimed_from_nobody() {
        let mut till = Till::new();
        till.post("A", "1000", None);
        till.post("B", "500", None);
        // All of the first lot was spent; a part of it came back into another lot, and ended there.
        let (lot, grace) = (till.entries["A"][0].movement.lot_id, Uuid::from_u128(900));
        let spent = till.pools.lots.take_of(lot, Points(1_100)).expect("points");
        let movement = Movement::of_lot(&spent, EntryKind::Capture, Uuid::nil(), DateTime::UNIX_EPOCH);
        till.account.transfer(Side::Active, Side::Outside("redeemed:SH02".to_owned()), movement);
        till.pools.graces.insert(lot, vec![grace]);
        till.pools.expired.insert(grace, Points(600));
        assert_eq!(till.correct("A", Some(100_000)), (100, 0), "400 of B's 500");
        assert_eq!(till.pools.expired[&grace], Points(0));
    }

    #[test]
    fn a_fixed_bonus_goes_when_too_little_is_left() {
        let mut till = Till::new();
        till.post("A", "1000", None);
        let net = till.nets["A"].2.clone();
        let given = |rate: Option<&str>| {
            let mut given = till.entries["A"][0].clone();
            (given.movement.rate, given.movement.points) = (rate.map(str::to_owned), Points(200));
            given
        };
        let keep = |fen| [Keep { entry_id: given(None).movement.entry_id, keep_from: Money::from_fen(fen), categories: Vec::new() }];
        let by = Correcting { kind: CorrectionKind::Refund, number: "C1".to_owned() };
        let due = |keep: &[Keep], grants: &BTreeMap<Uuid, Vec<Bonus>>| {
            bonus_due(&given(None), &Change { before: &net, after: &net, keep, grants, by: &by })
        };
        let none = BTreeMap::new();
        let gone = net.clone().lapsed();
        let lapsed = Change { before: &net, after: &gone, keep: &[], grants: &none, by: &by };
        assert_eq!(bonus_due(&given(None), &lapsed), Points(0), "what lapsed gives nothing, whatever was paid");
        assert_eq!([due(&keep(100_000), &none), due(&keep(100_001), &none), due(&[], &none)], [Points(200), Points(0), Points(200)]);
        // A grant of two parts, of which one is still due.
        let parts = vec![bonus("late", "repair", 11_000, 90), bonus("late", "parts", 20_000, 110)];
        assert_eq!(due(&[], &BTreeMap::from([(given(None).movement.entry_id, parts)])), Points(90));
    }
}
