//! The entries played again: they give the balances, the lots and the chain, and each goes from where its kind may take to where
//! it may give.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::{
    found::{AccountRow, EntryRow, Found},
    model::chain,
};

/// Kinds that give a member points, for something that a store or the group has reported.
pub(super) fn gives(entry: &EntryRow) -> bool {
    ["accrual", "first_spending", "bonus", "interaction", "partner", "import"].contains(&entry.kind.as_str())
}

/// What of each entry was taken back.
pub(super) fn taken_back(entries: &[EntryRow]) -> BTreeMap<Uuid, i64> {
    let mut taken = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.kind == "reversal") {
        *taken.entry(entry.of_entry.unwrap_or_default()).or_default() += entry.points;
    }
    taken
}

/// Balances are the sums of entries and of lots; chains hold; all accounts sum to zero.
pub(super) fn compare(found: &Found, wrong: &mut Vec<String>) {
    let mut own: BTreeMap<Uuid, Vec<&EntryRow>> = BTreeMap::new();
    for entry in &found.entries {
        own.entry(entry.member_id).or_default().push(entry);
    }
    let mut all: BTreeMap<String, i64> = BTreeMap::new();
    for account in &found.accounts {
        let own = own.remove(&account.member_id).unwrap_or_default();
        chained(account, &own, wrong);
        for entry in &own {
            if !may_move(entry, &own) {
                let EntryRow { kind, debit, credit, store, document, .. } = entry;
                wrong.push(format!("{}: {kind} of {store}/{document} goes from {debit} to {credit}", account.member_no));
            }
        }
        for (name, points) in balances(found, account, &own, wrong) {
            *all.entry(name).or_default() += points;
        }
    }
    if let Some(member) = own.keys().next() {
        wrong.push(format!("entries of {member}, who has no account"));
    }
    let sum: i64 = all.values().sum();
    if sum != 0 {
        wrong.push(format!("all accounts sum to {sum}: {all:?}"));
    }
}

fn chained(account: &AccountRow, own: &[&EntryRow], wrong: &mut Vec<String>) {
    let number = &account.member_no;
    let mut head = chain::GENESIS.to_vec();
    for (place, entry) in own.iter().enumerate() {
        head = chain::hash_behind(&head, entry);
        if entry.sequence != i64::try_from(place).unwrap_or(0) + 1 || entry.hash != head {
            wrong.push(format!("{number}: the chain breaks at place {} ({}/{})", place + 1, entry.store, entry.document));
            return;
        }
    }
    if account.head != head || usize::try_from(account.sequence).ok() != Some(own.len()) {
        wrong.push(format!("{number}: the account's head is not its last entry's"));
    }
}

/// Replays an account; gives the other sides with its own.
fn balances(found: &Found, account: &AccountRow, own: &[&EntryRow], wrong: &mut Vec<String>) -> BTreeMap<String, i64> {
    let number = &account.member_no;
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    let mut lots: BTreeMap<(bool, Uuid), i64> = BTreeMap::new();
    let mut lifetime = 0;
    for entry in own {
        for (name, points) in [(&entry.debit, -entry.points), (&entry.credit, entry.points)] {
            *sums.entry(name.clone()).or_default() += points;
            if ["active", "pending"].contains(&name.as_str()) {
                *lots.entry((name == "pending", entry.lot_id)).or_default() += points;
            }
        }
        if entry.qualifying || entry.source.as_deref() == Some("partner_purchase") {
            lifetime += if gives(entry) {
                entry.points
            } else if entry.kind == "reversal" {
                -entry.points
            } else {
                0
            };
        }
    }
    let of = |name: &str| sums.get(name).copied().unwrap_or(0);
    let replayed = [of("active"), of("pending"), of("reserved"), -of("debt"), lifetime];
    let stored = [account.active, account.pending, account.reserved, account.debt, account.lifetime];
    if replayed != stored {
        wrong.push(format!("{number}: entries come to {replayed:?}, the account says {stored:?} (active, pending, reserved, debt, ever)"));
    }
    if account.debt > 0 && account.active > 0 {
        wrong.push(format!("{number}: owes {} and has {}", account.debt, account.active));
    }
    lots.retain(|_, points| *points != 0);
    let rows = found.lots.iter().filter(|lot| lot.member_id == account.member_id);
    let rows: BTreeMap<(bool, Uuid), i64> = rows.map(|lot| ((lot.pending, lot.lot_id), lot.remaining)).collect();
    if rows != lots {
        wrong.push(format!("{number}: entries leave {lots:?} in lots, which hold {rows:?}"));
    }
    sums
}

/// Where each kind may take from and give to.
fn may_move(entry: &EntryRow, own: &[&EntryRow]) -> bool {
    let (debit, credit) = (entry.debit.as_str(), entry.credit.as_str());
    let issued = format!("issued:{}", entry.store);
    let mine = if entry.pending { "pending" } else { "active" };
    let redeemed = format!("redeemed:{}", entry.store);
    match entry.kind.as_str() {
        "accrual" | "first_spending" | "bonus" | "interaction" => debit == issued && credit == mine && entry.qualifying,
        "partner" => {
            let partner = entry.rule.strip_prefix("partner:").and_then(|rule| rule.split('@').next()).unwrap_or_default();
            debit == format!("partner:{partner}") && credit == "active" && !entry.qualifying
        }
        "reversal" => {
            let of = own.iter().find(|of| Some(of.entry_id) == entry.of_entry && of.sequence < entry.sequence);
            ["active", "pending", "debt", "expired"].contains(&debit) && of.is_some_and(|of| gives(of) && of.debit == credit)
        }
        "repayment" => (debit, credit) == ("active", "debt"),
        "hold" => (debit, credit) == ("active", "reserved"),
        "release" => (debit, credit) == ("reserved", "active"),
        "capture" => debit == "reserved" && credit == redeemed,
        "return" => debit == redeemed && credit == "active",
        "import" => (debit, credit) == ("imported", "active"),
        "expiry" => (debit, credit) == ("active", "expired"),
        "activation" => (debit, credit) == ("pending", "active"),
        _ => false,
    }
}
