//! The ledger's decisions on one account, with what its tables keep held in memory.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use jifen_contracts::{
    endpoint::{AdjustmentState, HoldState, Staff},
    event::{Bonus, BonusRule, CorrectionKind, EntryKind, InvoiceAccepted},
    program::AppliedProgram,
};
use jifen_kernel::{MemberId, Money, Points};
use jifen_points::domain::{
    account::{Account, Entry, hash_of},
    activation::{PendingEntry, decide_activation},
    adjustment::{self, Adjustment},
    correct::{Change, Given, Making, Pools, decide_correction},
    ending::decide_end,
    hold::{self, HeldPart, Hold, Moment},
    lots::{LotPart, repay},
    net::{Correcting, Net, Posted, Refunded, decide_net},
    post_invoice::{Posting, decide_posting, decide_value},
    settle_accrual::{OpenAccrual, check_bonuses, decide_settlement},
};
use uuid::Uuid;

use super::{State, Step, plain};
use crate::support::{invoice, program, store, token};

const CATEGORIES: [&str; 2] = ["maintenance", "repair"];

pub fn first_day() -> NaiveDate {
    "2026-10-01".parse().expect("date")
}

/// Lots that a step made, with their last days.
#[derive(Debug, Default)]
pub struct Made {
    pub lots: Vec<(Uuid, NaiveDate)>,
}

struct Bill {
    accepted: InvoiceAccepted,
    posted: Posted,
    expires_on: NaiveDate,
    net: Net,
    refunded: Refunded,
    void: bool,
    settled: bool,
    corrected: bool,
    given: Vec<Given>,
}

pub struct Real {
    program: AppliedProgram,
    account: Account,
    today: NaiveDate,
    awaiting: bool,
    pools: Pools,
    pending: BTreeMap<Uuid, LotPart>,
    bills: BTreeMap<usize, Bill>,
    grant: Option<Given>,
    holds: Vec<(Hold, Vec<HeldPart>, Vec<HeldPart>)>,
    next: u128,
    /// Replayed from the entries alone: balances by account, what is left of lots.
    balances: BTreeMap<String, i64>,
    left: BTreeMap<(String, Uuid), i64>,
    entries: Vec<Entry>,
    checked: usize,
}

impl Real {
    pub fn new(awaiting: bool) -> Self {
        let mut program = program(1);
        (program.program.expiry.months, program.program.expiry.min_days_after_posting) = (1, 3);
        Self {
            program,
            account: Account::new(MemberId(Uuid::from_u128(1)), "M1".to_owned()),
            today: first_day(),
            awaiting,
            pools: Pools::default(),
            pending: BTreeMap::new(),
            bills: BTreeMap::new(),
            grant: None,
            holds: Vec::new(),
            next: 0,
            balances: BTreeMap::new(),
            left: BTreeMap::new(),
            entries: Vec::new(),
            checked: 0,
        }
    }

    pub fn invoices(&self) -> usize {
        self.bills.len()
    }

    pub fn holds(&self) -> usize {
        self.holds.len()
    }

    pub fn state(&self) -> State {
        let balance = self.account.balance;
        let figures = [balance.active, balance.pending, balance.reserved, balance.debt, self.account.lifetime].map(plain);
        let mut lots: Vec<_> =
            self.pools.lots.iter().filter(|lot| lot.points.is_positive()).map(|lot| (lot.lot_id, lot.points.0)).collect();
        lots.sort_unstable();
        let pending = self.pools.pending.iter().filter(|(_, points)| points.is_positive()).map(|(lot, points)| (*lot, points.0)).collect();
        State { figures, lots, pending }
    }

    fn now(&self) -> DateTime<Utc> {
        self.today.and_hms_opt(4, 0, 0).expect("noon").and_utc()
    }

    pub fn take(&mut self, step: &Step) -> Made {
        match step {
            Step::Post { number, fen } => self.post(*number, *fen),
            Step::Settle { number, factor, left } => self.settle(*number, *factor, *left),
            Step::Refund { number, line, fen } => self.correct(*number, |bill| {
                *bill.refunded.entry(u32::try_from(*line).expect("a line")).or_default() += Money::from_fen(*fen);
            }),
            Step::Void { number } => self.correct(*number, |bill| bill.void = true),
            Step::Activate => self.activate(),
            Step::Hold { points } => self.hold(*points),
            Step::Capture { hold, points } => self.capture(*hold, *points),
            Step::Release { hold } => self.release(*hold),
            Step::Return { hold, grace_days } => self.give_back(*hold, *grace_days),
            Step::Adjust { points } => self.adjust(*points),
            Step::Wait { days } => {
                self.today = self.today + chrono::Days::new(*days);
                Made::default()
            }
            Step::End => self.end(),
        }
    }

    /// What entries say by themselves.
    fn append(&mut self, entries: impl IntoIterator<Item = Entry>) {
        for entry in entries {
            let points = entry.movement.points.0;
            let (credit, lot) = (entry.credit.to_string(), entry.movement.lot_id);
            *self.balances.entry(entry.debit.clone()).or_default() -= points;
            *self.balances.entry(credit.clone()).or_default() += points;
            *self.left.entry((entry.debit.clone(), lot)).or_default() -= points;
            *self.left.entry((credit.clone(), lot)).or_default() += points;
            if credit == "expired" {
                *self.pools.expired.entry(lot).or_default() += entry.movement.points;
            }
            self.entries.push(entry);
        }
    }

    /// The chain verifies, entries alone give the same balances and lots, and everything sums to zero.
    pub fn assert_sound(&mut self, place: &str) {
        let mut head = self.checked.checked_sub(1).map_or([0; 32], |last| self.entries[last].hash);
        for entry in &self.entries[self.checked..] {
            assert_eq!(hash_of(&head, entry), entry.hash, "{place}: the chain");
            head = entry.hash;
        }
        self.checked = self.entries.len();
        assert_eq!(
            (self.account.head, self.account.sequence),
            (head, i64::try_from(self.entries.len()).expect("few")),
            "{place}: the head"
        );
        let of = |name: &str| self.balances.get(name).copied().unwrap_or_default();
        let balance = self.account.balance;
        let replayed = [of("active"), of("pending"), of("reserved"), -of("debt")];
        assert_eq!([balance.active, balance.pending, balance.reserved, balance.debt].map(plain), replayed, "{place}: the replay");
        assert_eq!(self.balances.values().sum::<i64>(), 0, "{place}: the sum of all accounts");
        assert!(!balance.debt.is_positive() || !balance.active.is_positive(), "{place}: who owes has nothing spendable");
        assert_eq!(self.pools.lots.total(), balance.active, "{place}: lots");
        for lot in self.pools.lots.iter() {
            let replayed = self.left.get(&("active".to_owned(), lot.lot_id)).copied().unwrap_or_default();
            assert_eq!(lot.points.0, replayed, "{place}: the replay of {}", lot.lot_id);
        }
    }

    fn keep(&mut self, number: usize, posting: Posting) -> Made {
        let mut made = Made::default();
        for lot in &posting.lots {
            let said = &posting.entries[0].movement;
            let part = LotPart {
                lot_id: lot.lot_id,
                store: said.store.clone(),
                document: said.document.clone(),
                expires_on: said.expires_on,
                points: lot.remaining,
            };
            made.lots.push((part.lot_id, part.expires_on));
            if lot.waits.is_some() {
                self.pools.pending.insert(part.lot_id, part.points);
                self.pending.insert(part.lot_id, part);
            } else {
                self.pools.lots.add(part);
            }
        }
        for entry in &posting.entries {
            let given =
                Given { funder: entry.debit.clone(), movement: entry.movement.clone(), taken: Points::ZERO, pending: entry.pending };
            if entry.movement.kind == EntryKind::FirstSpending {
                self.grant = Some(given);
            } else {
                self.bills.get_mut(&number).expect("a bill").given.push(given);
            }
        }
        self.append(posting.entries.into_iter().chain(posting.repayments));
        made
    }

    fn post(&mut self, number: usize, fen: [i64; 2]) -> Made {
        let mut accepted = invoice(&format!("R{number}"), 1, CATEGORIES[0], "0");
        (accepted.business_date, accepted.awaiting_activation) = (self.today, self.awaiting);
        let plain = accepted.lines.remove(0);
        for ((line, name), fen) in (1..).zip(CATEGORIES).zip(fen) {
            let mut made = plain.clone();
            (made.line, made.category, made.amount) = (line, token(name), Money::from_fen(fen));
            accepted.lines.push(made);
        }
        let at = self.now();
        let valued = decide_value(&accepted, &self.program, at).expect("rates");
        let mut next = ids(&mut self.next);
        let posting = decide_posting(&mut self.account, &accepted, &valued, &self.program, self.awaiting, at, &mut next);
        drop(next);
        let (visit, paid_visit) = (valued.base.visit, valued.base.paid_visit);
        let posted = Posted { categories: valued.base.categories, daily_left: None, visit, paid_visit };
        let net = Net::of_posted(&posted, &self.program.program.earn);
        let bill = Bill {
            accepted,
            posted,
            expires_on: valued.expires_on,
            net,
            refunded: Refunded::new(),
            void: false,
            settled: false,
            corrected: false,
            given: Vec::new(),
        };
        self.bills.insert(number, bill);
        self.keep(number, posting)
    }

    fn settle(&mut self, number: usize, factor: [i64; 2], left: i64) -> Made {
        let at = self.now();
        let Some(bill) = self.bills.get_mut(&number).filter(|bill| !bill.settled) else { return Made::default() };
        bill.settled = true;
        let open = OpenAccrual {
            store: store(),
            document: bill.accepted.invoice_no.clone(),
            categories: bill.posted.categories.clone(),
            expires_on: bill.expires_on,
            business_date: bill.accepted.business_date,
            awaiting: self.awaiting,
        };
        let mut bonuses = Vec::new();
        for (base, factor) in open.categories.iter().zip(factor) {
            let points = base.base.0 * (factor - 1_000) / 1_000 * left / 100;
            let factor_basis_points = u32::try_from(factor * 10).expect("a factor");
            let rule = BonusRule::Multiplier { category: base.category.clone(), factor_basis_points };
            if points > 0 {
                bonuses.push(Bonus { campaign: token("week"), version: 1, points: Points(points), rule });
            }
        }
        assert_eq!(check_bonuses(&open, &bonuses), Ok(()));
        let mut next = ids(&mut self.next);
        let posting = decide_settlement(&mut self.account, &open, &bonuses, &self.program, self.awaiting, at, &mut next);
        drop(next);
        let corrected = bill.corrected;
        let made = self.keep(number, posting);
        if corrected {
            let net = self.bills[&number].net.clone();
            self.take_back(number, &net);
        }
        made
    }

    fn correct(&mut self, number: usize, change: impl FnOnce(&mut Bill)) -> Made {
        if let Some(bill) = self.bills.get_mut(&number) {
            change(bill);
            bill.corrected = true;
            let earn = &self.program.program.earn;
            let after = if bill.void {
                Net::nothing(&bill.posted)
            } else {
                decide_net(&bill.posted, &bill.accepted.lines, &bill.accepted.reductions, &bill.refunded, earn)
            };
            self.take_back(number, &after);
        }
        Made::default()
    }

    fn take_back(&mut self, number: usize, after: &Net) {
        let at = self.now();
        let bill = self.bills.get_mut(&number).expect("a bill");
        let by = Correcting { kind: CorrectionKind::Refund, number: format!("C{}", self.next) };
        let grants = BTreeMap::new();
        let change = Change { before: &bill.net, after, keep: &[], grants: &grants, by: &by };
        let mut next = ids(&mut self.next);
        let mut making = Making { at, next_id: &mut next };
        let taken = decide_correction(&mut self.account, &mut self.pools, &mut bill.given, self.grant.as_mut(), &change, &mut making);
        drop(next);
        bill.net = after.clone();
        // What was expired and is given back was counted by the decision itself.
        let expired = self.pools.expired.clone();
        self.append(taken.into_iter().flat_map(|taken| taken.entries));
        self.pools.expired = expired;
    }

    fn activate(&mut self) -> Made {
        if !std::mem::take(&mut self.awaiting) {
            return Made::default();
        }
        let at = self.now();
        let mut waiting = Vec::new();
        for given in self.bills.values_mut().flat_map(|bill| &mut bill.given).chain(self.grant.iter_mut()) {
            let rest = given.rest();
            if std::mem::take(&mut given.pending) && rest.is_positive() {
                let mut movement = given.movement.clone();
                movement.points = rest;
                waiting.push(PendingEntry { funder: given.funder.clone(), movement });
            }
        }
        let mut next = ids(&mut self.next);
        let mut entries = decide_activation(&mut self.account, &waiting, at, &mut next);
        for (lot, points) in std::mem::take(&mut self.pools.pending) {
            let part = self.pending.remove(&lot).expect("a lot that waits");
            if points.is_positive() {
                self.pools.lots.add(LotPart { points, ..part });
            }
        }
        entries.extend(repay(&mut self.account, &mut self.pools.lots, at, &mut next));
        drop(next);
        self.append(entries);
        Made::default()
    }

    fn hold(&mut self, points: i64) -> Made {
        let made = Hold {
            hold_id: Uuid::from_u128(900_000 + self.next),
            member_id: self.account.member_id,
            store: store(),
            points: Points(points),
            captured: Points::ZERO,
            state: HoldState::Open,
            program_version: 1,
            created_at: self.now(),
            expires_at: self.now() + TimeDelta::days(10_000),
            document: None,
            returned: false,
        };
        let (at, today) = (self.now(), self.today);
        let mut next = ids(&mut self.next);
        let held = hold::decide_hold(&mut self.account, &mut self.pools.lots, &made, &mut Moment { at, today, next_id: &mut next });
        drop(next);
        if let Ok(entries) = held {
            self.holds.push((made, entries.iter().map(held_part).collect(), Vec::new()));
            self.append(entries);
        }
        Made::default()
    }

    fn capture(&mut self, place: usize, points: i64) -> Made {
        let (at, today) = (self.now(), self.today);
        let Some((hold, parts, spent)) = self.holds.get_mut(place) else { return Made::default() };
        let mut next = ids(&mut self.next);
        let mut now = Moment { at, today, next_id: &mut next };
        let how = (Points(points), Some("R1"));
        let captured = hold::decide_capture(&mut self.account, &mut self.pools.lots, hold, parts, how, &mut now);
        if let Ok((entries, back)) = captured {
            *spent = entries.iter().map(held_part).collect();
            drop(next);
            self.append(entries.into_iter().chain(back.entries));
        }
        Made::default()
    }

    fn release(&mut self, place: usize) -> Made {
        let (at, today) = (self.now(), self.today);
        let Some((hold, parts, _)) = self.holds.get_mut(place).filter(|(hold, ..)| hold.ensure_open(at).is_ok()) else {
            return Made::default();
        };
        let mut next = ids(&mut self.next);
        let mut now = Moment { at, today, next_id: &mut next };
        let back = hold::decide_release(&mut self.account, &mut self.pools.lots, hold, parts, HoldState::Released, &mut now);
        drop(next);
        self.append(back.entries);
        Made::default()
    }

    fn give_back(&mut self, place: usize, grace_days: u32) -> Made {
        let (at, today) = (self.now(), self.today);
        let Some((hold, _, spent)) = self.holds.get_mut(place).filter(|(hold, _, spent)| !spent.is_empty() && !hold.returned) else {
            return Made::default();
        };
        let mut next = ids(&mut self.next);
        let mut now = Moment { at, today, next_id: &mut next };
        let back = hold::decide_return(&mut self.account, &mut self.pools.lots, hold, spent, grace_days, &mut now);
        drop(next);
        let made = Made { lots: back.new_lots.iter().map(|lot| (lot.lot_id, lot.expires_on)).collect() };
        for (lot, of) in &back.graces {
            let first = self.pools.graces.iter().find(|(_, graces)| graces.contains(of)).map_or(*of, |(first, _)| *first);
            self.pools.graces.entry(first).or_default().push(*lot);
        }
        self.append(back.entries);
        made
    }

    fn adjust(&mut self, points: i64) -> Made {
        if points == 0 {
            return Made::default();
        }
        let (at, today) = (self.now(), self.today);
        let wanted = Adjustment {
            adjustment_id: Uuid::from_u128(800_000 + self.next),
            member_id: self.account.member_id,
            member_no: "M1".to_owned(),
            store: store(),
            points: Points(points),
            reason: token("goodwill"),
            note: None,
            state: AdjustmentState::Posted,
            program_version: 1,
            by: Staff { staff_id: "A1".to_owned(), role: "manager".to_owned() },
            created_at: at,
            decided: None,
        };
        let mut next = ids(&mut self.next);
        let mut now = Moment { at, today, next_id: &mut next };
        let (account, lots, expiry) = (&mut self.account, &mut self.pools.lots, &self.program.program.expiry);
        let adjusted = adjustment::decide_posting(account, lots, false, &wanted, expiry, &mut now);
        drop(next);
        let Ok(adjusted) = adjusted else { return Made::default() };
        self.append(adjusted.entries);
        Made { lots: adjusted.new_lot.iter().map(|lot| (lot.lot_id, lot.expires_on)).collect() }
    }

    fn end(&mut self) -> Made {
        let at = self.now();
        let over: Vec<LotPart> =
            self.pools.lots.iter().filter(|lot| lot.expires_on < self.today && lot.points.is_positive()).cloned().collect();
        let mut next = ids(&mut self.next);
        let ended = decide_end(&mut self.account, &over, 1, at, &mut next);
        drop(next);
        for lot in &over {
            self.pools.lots.take_of(lot.lot_id, lot.points);
        }
        self.append(ended.into_iter().flat_map(|ended| ended.entries));
        Made::default()
    }
}

fn ids(next: &mut u128) -> impl FnMut() -> Uuid + '_ {
    move || {
        *next += 1;
        Uuid::from_u128(*next)
    }
}

fn held_part(entry: &Entry) -> HeldPart {
    let said = &entry.movement;
    HeldPart {
        entry_id: said.entry_id,
        lot: LotPart {
            lot_id: said.lot_id,
            store: said.store.clone(),
            document: said.document.clone(),
            expires_on: said.expires_on,
            points: said.points,
        },
    }
}
