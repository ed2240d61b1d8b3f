//! The model: the rules as they are told, one account, plain numbers.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use uuid::Uuid;

use super::{
    State, Step,
    real::{Made, first_day},
};

struct Lot {
    id: Uuid,
    ends: NaiveDate,
    left: i64,
    waits: bool,
    /// Ended unspent, and not given back since.
    ended: i64,
    /// Made for what came back when this one's end was over.
    grace_of: Option<Uuid>,
}

struct Invoice {
    fen: [i64; 2],
    refunded: [i64; 2],
    void: bool,
    base_lot: Uuid,
    bonus_lot: Uuid,
    base: [i64; 2],
    base_taken: [i64; 2],
    factor: [i64; 2],
    bonus: [i64; 2],
    bonus_taken: [i64; 2],
    settled: bool,
}

struct Hold {
    parts: Vec<(Uuid, i64)>,
    spent: Vec<(Uuid, i64)>,
    open: bool,
    returned: bool,
}

pub struct Reference {
    today: NaiveDate,
    awaiting: bool,
    lots: Vec<Lot>,
    debt: i64,
    lifetime: i64,
    spendings: i64,
    /// The lot that holds the first spending that stands.
    first: Option<Uuid>,
    invoices: BTreeMap<usize, Invoice>,
    holds: Vec<Hold>,
}

/// 1.5 points a yuan of maintenance, 1 of repair.
fn base_of(fen: [i64; 2]) -> [i64; 2] {
    [fen[0] * 3 / 200, fen[1] / 100]
}

impl Invoice {
    fn net(&self) -> [i64; 2] {
        [0, 1].map(|line| if self.void { 0 } else { (self.fen[line] - self.refunded[line]).max(0) })
    }

    fn is_spending(&self) -> bool {
        self.net().iter().any(|fen| *fen > 0)
    }
}

impl Reference {
    pub fn new(awaiting: bool) -> Self {
        Self {
            today: first_day(),
            awaiting,
            lots: Vec::new(),
            debt: 0,
            lifetime: 0,
            spendings: 0,
            first: None,
            invoices: BTreeMap::new(),
            holds: Vec::new(),
        }
    }

    pub fn state(&self) -> State {
        let of = |waits: bool| {
            let mut all: Vec<_> = self.lots.iter().filter(|lot| lot.waits == waits && lot.left > 0).map(|lot| (lot.id, lot.left)).collect();
            all.sort_unstable();
            all
        };
        let sum = |lots: &[(Uuid, i64)]| lots.iter().map(|(_, left)| left).sum::<i64>();
        let reserved = self.holds.iter().filter(|hold| hold.open).flat_map(|hold| &hold.parts).map(|(_, points)| points).sum();
        let (lots, pending) = (of(false), of(true));
        State { figures: [sum(&lots), sum(&pending), reserved, self.debt, self.lifetime], lots, pending }
    }

    pub fn take(&mut self, step: &Step, made: &Made) {
        match step {
            Step::Post { number, fen } => self.post(*number, *fen, made),
            Step::Settle { number, factor, left } => self.settle(*number, *factor, *left, made),
            Step::Refund { number, line, fen } => self.correct(*number, |invoice| invoice.refunded[line - 1] += fen),
            Step::Void { number } => self.correct(*number, |invoice| invoice.void = true),
            Step::Activate => self.activate(),
            Step::Hold { points } => self.hold(*points),
            Step::Capture { hold, points } => self.capture(*hold, *points),
            Step::Release { hold } => self.release(*hold),
            Step::Return { hold, grace_days } => self.give_back(*hold, *grace_days, made),
            Step::Adjust { points } => self.adjust(*points, made),
            Step::Wait { days } => self.today = self.today + Days::new(*days),
            Step::End => {
                for lot in self.lots.iter_mut().filter(|lot| !lot.waits && lot.ends < self.today) {
                    lot.ended += std::mem::take(&mut lot.left);
                }
            }
        }
    }

    fn add(&mut self, id: Uuid, ends: NaiveDate, points: i64, waits: bool) {
        if points > 0 {
            self.lots.push(Lot { id, ends, left: points, waits, ended: 0, grace_of: None });
            self.lots.sort_by_key(|lot| (lot.ends, lot.id));
            self.repay();
        }
    }

    /// A debt is repaid by whatever is spendable, what ends first in front.
    fn repay(&mut self) {
        for lot in self.lots.iter_mut().filter(|lot| !lot.waits) {
            let part = lot.left.min(self.debt);
            lot.left -= part;
            self.debt -= part;
        }
    }

    fn post(&mut self, number: usize, fen: [i64; 2], made: &Made) {
        let base = base_of(fen);
        let mut points = base[0] + base[1];
        let lot = made.lots.first().map_or(Uuid::nil(), |lot| lot.0);
        if fen[0] + fen[1] > 0 {
            self.spendings += 1;
            if self.first.is_none() {
                self.first = Some(lot);
                points += 100;
            }
        }
        self.lifetime += points;
        let none = [0, 0];
        let invoice = Invoice {
            fen,
            refunded: none,
            void: false,
            base_lot: lot,
            bonus_lot: Uuid::nil(),
            base,
            base_taken: none,
            factor: none,
            bonus: none,
            bonus_taken: none,
            settled: false,
        };
        self.invoices.insert(number, invoice);
        self.add(lot, made.lots.first().map_or(self.today, |lot| lot.1), points, self.awaiting);
    }

    fn settle(&mut self, number: usize, factor: [i64; 2], left: i64, made: &Made) {
        let awaiting = self.awaiting;
        let Some(invoice) = self.invoices.get_mut(&number).filter(|invoice| !invoice.settled) else { return };
        invoice.settled = true;
        invoice.factor = factor;
        invoice.bonus = [0, 1].map(|line| invoice.base[line] * (factor[line] - 1_000) / 1_000 * left / 100);
        let points = invoice.bonus[0] + invoice.bonus[1];
        let (lot, ends) = made.lots.first().copied().unwrap_or((Uuid::nil(), self.today));
        invoice.bonus_lot = lot;
        self.lifetime += points;
        self.add(lot, ends, points, awaiting);
        self.take_what_is_not_due(number);
    }

    fn correct(&mut self, number: usize, change: impl FnOnce(&mut Invoice)) {
        let Some(invoice) = self.invoices.get_mut(&number) else { return };
        let was = invoice.is_spending();
        change(invoice);
        let is = invoice.is_spending();
        self.take_what_is_not_due(number);
        if was && !is {
            self.spendings -= 1;
            if self.spendings == 0
                && let Some(lot) = self.first.take()
            {
                self.take_back(lot, 100);
            }
        }
    }

    fn take_what_is_not_due(&mut self, number: usize) {
        let invoice = &self.invoices[&number];
        let due = base_of(invoice.net());
        let over = [0, 1].map(|line| invoice.base[line] - invoice.base_taken[line] - due[line]);
        let stays = [0, 1].map(|line| invoice.bonus[line].min(due[line] * (invoice.factor[line] - 1_000).max(0) / 1_000));
        let over_bonus = [0, 1].map(|line| invoice.bonus[line] - invoice.bonus_taken[line] - stays[line]);
        let (base_lot, bonus_lot) = (invoice.base_lot, invoice.bonus_lot);
        for line in [0, 1] {
            self.take_back(base_lot, over[line]);
            self.invoices.entry(number).and_modify(|invoice| invoice.base_taken[line] += over[line].max(0));
        }
        for line in [0, 1] {
            self.take_back(bonus_lot, over_bonus[line]);
            self.invoices.entry(number).and_modify(|invoice| invoice.bonus_taken[line] += over_bonus[line].max(0));
        }
    }

    /// From the lot itself; of what ended in it from nobody; from other lots; as a debt.
    fn take_back(&mut self, own: Uuid, points: i64) {
        if points <= 0 {
            return;
        }
        self.lifetime -= points;
        let mut missing = points;
        if let Some(lot) = self.lots.iter_mut().find(|lot| lot.id == own) {
            let part = lot.left.min(missing);
            lot.left -= part;
            missing -= part;
        }
        for lot in self.lots.iter_mut().filter(|lot| lot.id == own || lot.grace_of == Some(own)) {
            let ended = lot.ended.min(missing);
            lot.ended -= ended;
            missing -= ended;
        }
        for lot in self.lots.iter_mut().filter(|lot| !lot.waits) {
            let part = lot.left.min(missing);
            lot.left -= part;
            missing -= part;
        }
        self.debt += missing;
    }

    fn activate(&mut self) {
        self.awaiting = false;
        self.lots.iter_mut().for_each(|lot| lot.waits = false);
        self.repay();
    }

    /// So many points of lots that live today, what ends first in front.
    fn spend(&mut self, points: i64) -> Option<Vec<(Uuid, i64)>> {
        let today = self.today;
        let live = || |lot: &&mut Lot| !lot.waits && lot.ends >= today;
        if self.lots.iter_mut().filter(live()).map(|lot| lot.left).sum::<i64>() < points {
            return None;
        }
        let mut missing = points;
        let mut parts = Vec::new();
        for lot in self.lots.iter_mut().filter(live()) {
            let part = lot.left.min(missing);
            if part > 0 {
                lot.left -= part;
                missing -= part;
                parts.push((lot.id, part));
            }
        }
        Some(parts)
    }

    fn hold(&mut self, points: i64) {
        if let Some(parts) = self.spend(points) {
            self.holds.push(Hold { parts, spent: Vec::new(), open: true, returned: false });
        }
    }

    fn capture(&mut self, hold: usize, points: i64) {
        let Some(found) = self.holds.get_mut(hold).filter(|hold| hold.open) else { return };
        if found.parts.iter().map(|(_, points)| points).sum::<i64>() < points {
            return;
        }
        found.open = false;
        let mut missing = points;
        let mut rest = Vec::new();
        for (lot, held) in found.parts.clone() {
            let part = held.min(missing);
            missing -= part;
            found.spent.extend((part > 0).then_some((lot, part)));
            rest.extend((held > part).then_some((lot, held - part)));
        }
        self.come_back(&rest);
    }

    fn release(&mut self, hold: usize) {
        let Some(found) = self.holds.get_mut(hold).filter(|hold| hold.open) else { return };
        found.open = false;
        let parts = found.parts.clone();
        self.come_back(&parts);
    }

    /// Points come back to their lots: a debt is repaid, and what is over by its day ends.
    fn come_back(&mut self, parts: &[(Uuid, i64)]) {
        for (id, points) in parts {
            let lot = self.lots.iter_mut().find(|lot| lot.id == *id).expect("a lot");
            lot.left += points;
        }
        self.repay();
        for (id, points) in parts {
            let today = self.today;
            let lot = self.lots.iter_mut().find(|lot| lot.id == *id && lot.ends < today);
            if let Some(lot) = lot {
                let part = lot.left.min(*points);
                lot.left -= part;
                lot.ended += part;
            }
        }
    }

    fn give_back(&mut self, hold: usize, grace_days: u32, made: &Made) {
        let today = self.today;
        let Some(found) = self.holds.get_mut(hold).filter(|hold| !hold.spent.is_empty() && !hold.returned) else { return };
        found.returned = true;
        let spent = found.spent.clone();
        let mut new = made.lots.iter();
        let mut parts = Vec::new();
        for (id, points) in spent {
            let lot = self.lots.iter().find(|lot| lot.id == id);
            let (over, of) = lot.map_or((false, id), |lot| (lot.ends < today, lot.grace_of.unwrap_or(id)));
            if over && grace_days > 0 {
                let (id, ends) = *new.next().expect("a lot with a grace");
                assert_eq!(ends, today + Days::new(u64::from(grace_days)));
                self.lots.push(Lot { id, ends, left: 0, waits: false, ended: 0, grace_of: Some(of) });
                parts.push((id, points));
            } else {
                parts.push((id, points));
            }
        }
        self.lots.sort_by_key(|lot| (lot.ends, lot.id));
        self.come_back(&parts);
    }

    fn adjust(&mut self, points: i64, made: &Made) {
        if points > 0 {
            let (lot, ends) = made.lots[0];
            self.add(lot, ends, points, false);
        } else if points < 0 {
            self.spend(-points);
        }
    }
}
