//! What must hold of any ledger, whatever comes in whatever order and however often.

use std::collections::{BTreeMap, BTreeSet};

use chrono::DateTime;
use jifen_contracts::{
    code::Text,
    event::{AccrualSource, InvoiceAccepted},
    program::{AppliedProgram, InteractionRule, Limit, Partner, Period},
};
use jifen_kernel::{MemberId, Money, Points, Rate, Token};
use proptest::prelude::*;
use uuid::Uuid;

use super::{
    account::{Account, Entry, hash_of},
    activation::{PendingEntry, decide_activation},
    direct::{DirectAccrual, Outcome, decide_credit},
    interaction::{Counting, Counts, Order, decide_reward},
    partner::decide_purchase,
    post_invoice::{decide_posting, decide_value},
    samples::{applied, bonus, direct, invoice, member},
    settle_accrual::{OpenAccrual, check_bonuses, decide_settlement},
};

const CATEGORIES: [&str; 4] = ["maintenance", "repair", "parts", "pass_through"];

/// Whoever has this number is activated only at some time.
const LATE: u128 = 2;

#[derive(Debug, Clone)]
enum Document {
    Invoice(InvoiceAccepted),
    Review(DirectAccrual),
    Purchase(DirectAccrual),
    Activation(MemberId),
}

/// Caps and limits that don't bite.
fn program() -> AppliedProgram {
    let mut program = applied();
    let earn = &mut program.program.earn;
    (earn.invoice_cap, earn.daily_cap) = (Some(Points(1_000_000)), Some(Points(100_000_000)));
    earn.interactions.push(InteractionRule {
        kind: Token::try_new("review").expect("token"),
        name: Text::new("评价", "Review"),
        points: Points(50),
        limit: Limit { count: 1_000, per: Period::About },
        within_days: Some(30),
        off: false,
        pending: None,
    });
    earn.partners.push(Partner {
        code: "fuel-1".to_owned(),
        name: Text::new("加油站", "Fuel"),
        rate: Rate::try_new("0.5").expect("rate"),
        budget: Some(Points(1_000_000)),
    });
    program
}

/// A ledger in memory, with the claims that the tables hold.
struct Ledger {
    program: AppliedProgram,
    accounts: BTreeMap<MemberId, Account>,
    claimed: BTreeSet<(AccrualSource, String)>,
    orders: BTreeMap<String, Order>,
    waiting: Vec<DirectAccrual>,
    counts: Counts,
    granted: Points,
    activated: BTreeSet<MemberId>,
    pending: BTreeMap<MemberId, Vec<PendingEntry>>,
}

impl Ledger {
    fn new() -> Self {
        Self {
            program: program(),
            accounts: BTreeMap::new(),
            claimed: BTreeSet::new(),
            orders: BTreeMap::new(),
            waiting: Vec::new(),
            counts: Counts::default(),
            granted: Points::ZERO,
            activated: BTreeSet::new(),
            pending: BTreeMap::new(),
        }
    }

    fn take(&mut self, document: &Document) {
        match document {
            Document::Invoice(invoice) => self.take_invoice(invoice),
            Document::Review(review) if !self.orders.contains_key(review.about.as_deref().expect("an order")) => {
                self.waiting.push(review.clone());
            }
            Document::Review(accrual) | Document::Purchase(accrual) => self.take_direct(accrual),
            Document::Activation(member) => self.activate(*member),
        }
    }

    /// Lets an account do something; checks it on the way.
    fn with(&mut self, member: MemberId, act: impl FnOnce(&mut Account, &AppliedProgram, bool) -> Vec<Entry>) {
        let account = self.accounts.entry(member).or_insert_with(|| Account::new(member, "M".to_owned()));
        let before = account.clone();
        let pending = member == self::member(LATE) && !self.activated.contains(&member);
        let entries = act(account, &self.program, pending);
        let moved = |name: &str| -> i64 {
            let of = |entry: &Entry| i64::from(entry.credit == name) - i64::from(entry.debit == name);
            entries.iter().map(|entry| of(entry) * entry.movement.points.0).sum()
        };
        assert_eq!(account.balance.active.0 - before.balance.active.0, moved("active"), "the balance is the sum of the entries");
        assert_eq!(account.balance.pending.0 - before.balance.pending.0, moved("pending"), "the balance is the sum of the entries");
        let mut head = before.head;
        for (entry, sequence) in entries.iter().zip(before.sequence + 1..) {
            assert_eq!((entry.sequence, entry.hash), (sequence, hash_of(&head, entry)), "the chain has no gap and verifies");
            head = entry.hash;
        }
        assert_eq!(account.head, head);
        let waiting = entries.into_iter().filter(|entry| entry.pending);
        self.pending.entry(member).or_default().extend(waiting.map(|entry| PendingEntry { funder: entry.debit, movement: entry.movement }));
    }

    fn take_invoice(&mut self, invoice: &InvoiceAccepted) {
        if !self.claimed.insert((AccrualSource::Invoice, invoice.invoice_no.clone())) {
            return;
        }
        let at = DateTime::UNIX_EPOCH;
        self.with(invoice.member_id, |account, program, pending| {
            let valued = decide_value(invoice, program, at).expect("rates");
            let mut entries = decide_posting(account, invoice, &valued, program, pending, at, &mut Uuid::nil).entries;
            let open = OpenAccrual {
                store: invoice.store.clone(),
                document: invoice.invoice_no.clone(),
                categories: valued.base.categories.clone(),
                expires_on: valued.expires_on,
                business_date: invoice.business_date,
                awaiting: pending,
            };
            let doubled = valued.base.categories.iter().filter(|category| category.base.is_positive());
            let bonuses: Vec<_> = doubled.map(|category| bonus("double", category.category.as_str(), 20_000, category.base.0)).collect();
            assert_eq!(check_bonuses(&open, &bonuses), Ok(()));
            entries.extend(decide_settlement(account, &open, &bonuses, program, pending, at, &mut Uuid::nil).entries);
            entries
        });
        let order = Order { member_id: invoice.member_id, business_date: invoice.business_date };
        self.orders.insert(invoice.invoice_no.clone(), order);
        let released = self.waiting.extract_if(.., |review| review.about.as_deref() == Some(&invoice.invoice_no));
        for review in released.collect::<Vec<_>>() {
            self.take_direct(&review);
        }
    }

    fn take_direct(&mut self, accrual: &DirectAccrual) {
        if !self.claimed.insert((accrual.source, accrual.document.clone())) {
            return;
        }
        let earn = &self.program.program.earn;
        let decision = if accrual.is_interaction() {
            let counting = Counting::of(accrual, &earn.interactions[0]);
            if !self.counts.0.iter().any(|(known, _)| *known == counting) {
                self.counts.0.push((counting.clone(), 0));
            }
            let order = accrual.about.as_ref().and_then(|about| self.orders.get(about).copied());
            decide_reward(accrual, &earn.interactions[0], order, self.counts.of(&counting))
        } else {
            decide_purchase(&earn.partners[0], accrual.amount.unwrap_or_default(), self.granted)
        };
        assert!(!matches!(decision.outcome, Outcome::OverLimit | Outcome::BudgetSpent), "nothing bites");
        self.counts.add(accrual, decision.points);
        if !accrual.is_interaction() {
            self.granted += decision.points;
        }
        self.with(accrual.member_id, |account, _, pending| {
            decide_credit(account, accrual, decision.points, pending, DateTime::UNIX_EPOCH, &mut Uuid::nil).entries
        });
    }

    fn activate(&mut self, member: MemberId) {
        if self.activated.insert(member) {
            let pending = self.pending.remove(&member).unwrap_or_default();
            self.with(member, |account, _, _| decide_activation(account, &pending, DateTime::UNIX_EPOCH, &mut Uuid::nil));
        }
    }

    /// Balances, what was ever earned, first spendings.
    fn result(self) -> BTreeMap<MemberId, (Points, Points, Points, i32)> {
        let of = |account: Account| (account.balance.active, account.balance.pending, account.lifetime, account.first_spending_ordinal);
        self.accounts.into_iter().filter(|(_, account)| account.sequence > 0).map(|(member, account)| (member, of(account))).collect()
    }
}

fn run<'a>(documents: impl IntoIterator<Item = &'a Document>) -> BTreeMap<MemberId, (Points, Points, Points, i32)> {
    let mut ledger = Ledger::new();
    documents.into_iter().for_each(|document| ledger.take(document));
    ledger.result()
}

/// What is drawn: kind, member, a further number, fen.
type Drawn = (usize, u128, usize, i64);

fn document(number: usize, &(kind, who, further, fen): &Drawn) -> Document {
    let amount = Money::from_fen(fen);
    match kind {
        0 => {
            let mut made = invoice(&format!("N{number}"), CATEGORIES[further % CATEGORIES.len()], &amount.to_string());
            (made.member_id, made.awaiting_activation) = (member(who), who == LATE);
            Document::Invoice(made)
        }
        // An interaction may have an invoice's number; it may be about any document, also one that never comes.
        1 => Document::Review(DirectAccrual { about: Some(format!("N{}", further % 40)), ..direct(&format!("N{}", number / 2), who) }),
        2 => {
            let purchase = direct(&format!("N{number}"), who);
            let (source, subject) = (AccrualSource::PartnerPurchase, "fuel-1".to_owned());
            Document::Purchase(DirectAccrual { source, subject, qualifying: false, amount: Some(amount), ..purchase })
        }
        _ => Document::Activation(member(LATE)),
    }
}

proptest! {
    #[test]
    fn any_order_and_multiplicity_comes_to_the_same(
        drawn in prop::collection::vec((0_usize..4, 0_u128..3, 0_usize..64, 0_i64..200_000), 1..40),
        seed in any::<u64>(),
        times in 1_usize..4,
    ) {
        let mut documents: Vec<Document> = drawn.iter().enumerate().map(|(number, drawn)| document(number, drawn)).collect();
        // One document has one content.
        let mut seen = BTreeSet::new();
        documents.retain(|document| match document {
            Document::Review(review) => seen.insert(review.document.clone()),
            _ => true,
        });
        let straight = run(&documents);
        // A fixed permutation for each seed.
        let mut often: Vec<(usize, &Document)> = documents.iter().enumerate().flat_map(|(place, one)| (0..times).map(move |time| (place * 4 + time, one))).collect();
        often.sort_by_key(|(place, _)| {
            place.to_string().bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3).rotate_left(7))
        });
        prop_assert_eq!(run(often.into_iter().map(|(_, document)| document)), straight);
    }
}
