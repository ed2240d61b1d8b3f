//! Who owes whom when points earned in one store are spent in another, and what stores owe their members.
//!
//! Every entry moves points from a debit to a credit, and each of the two stands in somebody's books: what members hold in those of the
//! store that funds the lot, what is issued or redeemed in those of the store that did it, debts of members in those of the group. Where
//! the two are not the same, the one whose side is debited owes the other: a redemption lowers what the funder owes its member, and makes
//! it owe the store that gave the goods. So the books of each store are in balance by themselves, voucher by voucher.
//!
//! Where a point is worth parts of a fen, each voucher is rounded for itself, and so are the sums of a pair or store, which are what is
//! paid and stated. What lies between both is written as vouchers of their own ([`ROUNDING`]): between two stores what makes their
//! journals the amount due, and in a store's own books what makes its liability and breakage those of its points.

mod rounding;

use std::collections::BTreeMap;

use chrono::NaiveDate;
use jifen_kernel::{Money, Points, Rate};

/// The books of the group.
pub const GROUP: &str = "*";
/// The kind of vouchers that bring what is rounded in parts to what is rounded as a whole.
pub const ROUNDING: &str = "rounding";

/// One side of a movement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Side {
    /// In whose books.
    pub store: String,
    /// The ledger's word: `active`, `issued`, `redeemed` and so on.
    pub account: String,
}

/// Points moved in a month, by all entries alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// Where they came from.
    pub debit: Side,
    /// Where they went.
    pub credit: Side,
    /// The entries' kind.
    pub kind: String,
    /// How many.
    pub points: Points,
    /// How many entries.
    pub entries: i64,
}

/// What came to a month and belongs to a document of an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateFact {
    /// The document's store.
    pub store: String,
    /// The document.
    pub document: String,
    /// Its kind: `invoice` or another source.
    pub source: String,
    /// The entries' kind.
    pub kind: String,
    /// The month of the document.
    pub business_month: NaiveDate,
    /// How many points.
    pub points: Points,
    /// How many entries.
    pub entries: i64,
}

/// What one store owes another for a month.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pair {
    /// Funded by the one and spent at the other.
    pub spent: Points,
    /// Of earlier spending: returned.
    pub returned: Points,
    /// Reversals out of the one's lots of what the other had issued, and debts.
    pub other: Points,
    /// To be paid; below zero by the other one.
    pub due: Points,
    /// The same in yuan.
    pub amount: Money,
}

/// A store's points in a month.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreSum {
    /// Given to members.
    pub issued: Points,
    /// Of these and earlier ones: taken back.
    pub reversed: Points,
    /// Spent at this store, whoever funded them, less what was returned.
    pub redeemed: Points,
    /// Of the points that it funds: ended unspent, less what lives again or was reversed.
    pub breakage: Points,
    /// Unspent at the end of the month: spendable, waiting and held.
    pub liability: Points,
    /// Breakage in yuan.
    pub breakage_amount: Money,
    /// Liability in yuan.
    pub liability_amount: Money,
}

/// A line of the journals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its voucher: debits and credits of one are equal, also store by store.
    pub voucher: u32,
    /// In whose books.
    pub store: String,
    /// The account.
    pub account: &'static Account,
    /// Of a settlement: the other store.
    pub counterpart: Option<String>,
    /// What it is about.
    pub kind: String,
    /// How many points.
    pub points: Points,
    /// Yuan, or zero.
    pub debit: Money,
    /// Yuan, or zero.
    pub credit: Money,
}

/// An account of the books.
#[derive(Debug, PartialEq, Eq)]
pub struct Account {
    /// Its number.
    pub code: &'static str,
    /// Its names.
    pub zh: &'static str,
    /// Its names.
    pub en: &'static str,
}

macro_rules! accounts {
    ($($name:ident = $code:literal, $zh:literal, $en:literal;)*) => {
        $(
            #[doc = $en]
            pub static $name: Account = Account { code: $code, zh: $zh, en: $en };
        )*
    };
}

accounts! {
    LIABILITY = "2205", "合同负债—会员积分", "liability: members' points";
    ISSUED = "6601", "销售费用—积分发放", "expense: points issued";
    REDEEMED = "6051", "其他业务收入—积分兑换", "income: points redeemed";
    BREAKAGE = "6301", "营业外收入—积分过期", "income: breakage";
    ADJUSTED = "6602", "管理费用—积分调整", "expense: adjustments";
    IMPORTED = "4104", "期初转入积分", "opening balances imported";
    PARTNERS = "1223", "其他应收款—合作方", "due from partners";
    MEMBERS = "1221", "其他应收款—会员欠分", "owed by members";
    ROUNDED = "6603", "财务费用—积分尾差", "rounding of points";
    OTHER = "1901", "待处理积分", "points in suspense";
    DUE_FROM = "1224", "其他应收款—门店往来", "due from stores";
    DUE_TO = "2241", "其他应付款—门店往来", "due to stores";
}

fn account_of(word: &str) -> &'static Account {
    match word {
        "active" | "pending" | "reserved" => &LIABILITY,
        "issued" => &ISSUED,
        "redeemed" => &REDEEMED,
        "expired" => &BREAKAGE,
        "adjusted" => &ADJUSTED,
        "imported" => &IMPORTED,
        "partner" => &PARTNERS,
        "debt" => &MEMBERS,
        _ => &OTHER,
    }
}

/// A month, settled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// By debtor and creditor; also what a store spent of its own, with nothing due.
    pub pairs: BTreeMap<(String, String), Pair>,
    /// By store; the group last.
    pub stores: BTreeMap<String, StoreSum>,
    /// Journals.
    pub lines: Vec<Line>,
    /// Owed by members at the end of the month.
    pub debt: Points,
}

/// Settles a month: of all flows up to it, those of the month make the journals, and all of them the liability.
pub fn settle(month: NaiveDate, flows: &[(NaiveDate, Flow)], value: Rate) -> Settled {
    let mut settled = Settled::default();
    let mut before = Settled::default();
    for (at, flow) in flows {
        settled.carry(flow);
        if *at != month {
            before.carry(flow);
        }
        if *at == month {
            settled.sum(flow);
            settled.write(flow, value);
        }
    }
    for pair in settled.pairs.values_mut() {
        pair.due = pair.spent - pair.returned + pair.other;
        pair.amount = value_of(pair.due, value);
    }
    for ((debtor, creditor), pair) in &mut settled.pairs {
        if debtor == creditor {
            (pair.due, pair.amount) = (Points::ZERO, Money::ZERO);
        }
    }
    for sum in settled.stores.values_mut() {
        (sum.breakage_amount, sum.liability_amount) = (value_of(sum.breakage, value), value_of(sum.liability, value));
    }
    settled.round_pairs();
    settled.round_stores(&before, value);
    settled
}

fn value_of(points: Points, value: Rate) -> Money {
    value.value_of(points)
}

fn minus(amount: Money) -> Money {
    Money::ZERO - amount
}

impl Settled {
    fn store(&mut self, store: &str) -> &mut StoreSum {
        self.stores.entry(store.to_owned()).or_default()
    }

    /// What members hold, and owe.
    fn carry(&mut self, flow: &Flow) {
        if *account_of(&flow.credit.account) == LIABILITY {
            self.store(&flow.credit.store).liability += flow.points;
        }
        if *account_of(&flow.debit.account) == LIABILITY {
            let sum = self.store(&flow.debit.store);
            sum.liability = sum.liability - flow.points;
        }
        if flow.debit.account == "debt" {
            self.debt += flow.points;
        }
        if flow.credit.account == "debt" {
            self.debt = self.debt - flow.points;
        }
    }

    fn sum(&mut self, flow: &Flow) {
        let (debit, credit, points) = (&flow.debit, &flow.credit, flow.points);
        match debit.account.as_str() {
            "issued" | "partner" => self.store(&debit.store).issued += points,
            "redeemed" => {
                let sum = self.store(&debit.store);
                sum.redeemed = sum.redeemed - points;
            }
            "expired" => {
                let sum = self.store(&debit.store);
                sum.breakage = sum.breakage - points;
            }
            _ => {}
        }
        match credit.account.as_str() {
            "issued" | "partner" => self.store(&credit.store).reversed += points,
            "redeemed" => self.store(&credit.store).redeemed += points,
            "expired" => self.store(&credit.store).breakage += points,
            _ => {}
        }
        let mut pair = |debtor: &Side, creditor: &Side, add: fn(&mut Pair) -> &mut Points| {
            let pair = self.pairs.entry((debtor.store.clone(), creditor.store.clone())).or_default();
            *add(pair) += points;
        };
        if credit.account == "redeemed" {
            pair(debit, credit, |pair| &mut pair.spent);
        } else if debit.account == "redeemed" {
            pair(credit, debit, |pair| &mut pair.returned);
        } else if debit.store != credit.store {
            pair(debit, credit, |pair| &mut pair.other);
        }
    }

    /// The voucher of a flow: none where points only change their state within one store's liability.
    fn write(&mut self, flow: &Flow, value: Rate) {
        let (debit, credit) = (account_of(&flow.debit.account), account_of(&flow.credit.account));
        let between = flow.debit.store != flow.credit.store;
        if !between && debit == credit {
            return;
        }
        let amount = value_of(flow.points, value);
        let (from, to) = (flow.debit.store.as_str(), flow.credit.store.as_str());
        let mut sides = vec![(from, debit, None, amount)];
        if between {
            sides.extend([(from, &DUE_TO, Some(to), minus(amount)), (to, &DUE_FROM, Some(from), amount)]);
        }
        sides.push((to, credit, None, minus(amount)));
        self.voucher(&flow.kind, flow.points, sides);
    }

    /// Writes a voucher: whose books, account, counterpart, and yuan: debits above zero, credits below.
    fn voucher(&mut self, kind: &str, points: Points, sides: Vec<(&str, &'static Account, Option<&str>, Money)>) {
        let voucher = self.lines.last().map_or(1, |line| line.voucher + 1);
        self.lines.extend(sides.into_iter().map(|(store, account, other, amount)| Line {
            voucher,
            store: store.to_owned(),
            account,
            counterpart: other.map(str::to_owned),
            kind: kind.to_owned(),
            points,
            debit: amount.max(Money::ZERO),
            credit: minus(amount).max(Money::ZERO),
        }));
    }
}

#[cfg(test)]
#[path = "settlement_tests.rs"]
mod tests;
