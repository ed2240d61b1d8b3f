//! What lies between vouchers that are rounded each for itself and sums that are rounded once.

use std::collections::BTreeMap;

use jifen_kernel::{Money, Points, Rate};

use super::{Account, BREAKAGE, DUE_FROM, DUE_TO, GROUP, LIABILITY, Line, MEMBERS, ROUNDED, ROUNDING, Settled, minus, value_of};

impl Settled {
    /// What the journals say of accounts, by key: debits less credits.
    fn booked<K: Ord>(&self, key: impl Fn(&Line) -> Option<K>) -> BTreeMap<K, Money> {
        let mut sums = BTreeMap::new();
        for line in &self.lines {
            if let Some(key) = key(line) {
                let sum = sums.entry(key).or_insert(Money::ZERO);
                *sum = *sum + line.debit - line.credit;
            }
        }
        sums
    }

    /// Between each two stores what the journals lack of the amounts due. The journals know no direction: what the one owes the other
    /// less what that one owes it.
    pub(super) fn round_pairs(&mut self) {
        let mut due: BTreeMap<(String, String), Money> = BTreeMap::new();
        for ((debtor, creditor), pair) in &self.pairs {
            let (one, other, amount) =
                if debtor < creditor { (debtor, creditor, pair.amount) } else { (creditor, debtor, minus(pair.amount)) };
            *due.entry((one.clone(), other.clone())).or_default() += amount;
        }
        let of_pair = |line: &Line| line.counterpart.clone().filter(|other| line.store < *other).map(|other| (line.store.clone(), other));
        let booked = self.booked(of_pair);
        for (pair, due) in due {
            let lacking = due + booked.get(&pair).copied().unwrap_or_default();
            if lacking == Money::ZERO {
                continue;
            }
            let (one, other) = (pair.0.as_str(), pair.1.as_str());
            let (of_one, of_other) = if due < Money::ZERO { (&DUE_FROM, &DUE_TO) } else { (&DUE_TO, &DUE_FROM) };
            let sides = vec![
                (one, &ROUNDED, None, lacking),
                (one, of_one, Some(other), minus(lacking)),
                (other, of_other, Some(one), lacking),
                (other, &ROUNDED, None, minus(lacking)),
            ];
            self.voucher(ROUNDING, Points::ZERO, sides);
        }
    }

    /// In each store's books what the journals lack of its liability, its breakage, and what members owe.
    pub(super) fn round_stores(&mut self, before: &Self, value: Rate) {
        let books = |line: &Line| if *line.account == MEMBERS { GROUP.to_owned() } else { line.store.clone() };
        let mut booked = self.booked(|line| Some((books(line), line.account.code)));
        let change = |now: Points, then: Points| value_of(now, value) - value_of(then, value);
        let mut wanted: Vec<(String, &'static Account, Money)> = Vec::new();
        for (store, sum) in &self.stores {
            let then = before.stores.get(store).map_or(Points::ZERO, |sum| sum.liability);
            wanted.push((store.clone(), &LIABILITY, minus(change(sum.liability, then))));
            wanted.push((store.clone(), &BREAKAGE, minus(sum.breakage_amount)));
        }
        wanted.push((GROUP.to_owned(), &MEMBERS, change(self.debt, before.debt)));
        for (store, account, amount) in wanted {
            let lacking = amount - booked.remove(&(store.clone(), account.code)).unwrap_or_default();
            if lacking != Money::ZERO {
                let sides = vec![(store.as_str(), account, None, lacking), (store.as_str(), &ROUNDED, None, minus(lacking))];
                self.voucher(ROUNDING, Points::ZERO, sides);
            }
        }
    }
}
