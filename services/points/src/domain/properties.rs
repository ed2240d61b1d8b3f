//! What must hold of any ledger, whatever comes in whatever order.

use std::collections::BTreeMap;

use chrono::DateTime;
use jifen_contracts::event::InvoiceAccepted;
use jifen_kernel::{Money, Points};
use proptest::prelude::*;
use uuid::Uuid;

use super::{
    account::{Account, hash_of},
    post_invoice::{decide_posting, decide_value},
    samples::{applied, bonus, invoice, member},
    settle_accrual::{OpenAccrual, check_bonuses, decide_settlement},
};

const CATEGORIES: [&str; 4] = ["maintenance", "repair", "parts", "pass_through"];

/// An invoice with one line: member, category, fen.
fn any_invoice() -> impl Strategy<Value = (u128, usize, i64)> {
    (0_u128..3, 0..CATEGORIES.len(), 0_i64..200_000)
}

/// Posts and settles everything with a doubling campaign; checks each account on the way; gives the balances.
fn run(invoices: &[InvoiceAccepted]) -> BTreeMap<u128, (Points, Points, i32)> {
    let (program, at) = (applied(), DateTime::UNIX_EPOCH);
    let mut accounts: BTreeMap<u128, Account> = BTreeMap::new();
    for invoice in invoices {
        let account = accounts.entry(invoice.member_id.0.as_u128()).or_insert_with(|| Account::new(invoice.member_id, "M".to_owned()));
        let before = account.clone();
        let valued = decide_value(invoice, &program, at).expect("rates");
        let mut entries = decide_posting(account, invoice, &valued, &program, at, &mut || Uuid::nil()).entries;
        let open = OpenAccrual {
            store: invoice.store.clone(),
            document: invoice.invoice_no.clone(),
            categories: valued.base.categories.clone(),
            expires_on: valued.expires_on,
        };
        let doubled = valued.base.categories.iter().filter(|category| category.base.is_positive());
        let bonuses: Vec<_> = doubled.map(|category| bonus("double", category.category.as_str(), 20_000, category.base.0)).collect();
        assert_eq!(check_bonuses(&open, &bonuses), Ok(()));
        entries.extend(decide_settlement(account, &open, &bonuses, at, &mut || Uuid::nil()).entries);
        let moved: Points = entries.iter().map(|entry| entry.movement.points).sum();
        assert_eq!(account.balance.active, before.balance.active + moved, "the balance is the sum of the entries");
        let mut head = before.head;
        for (entry, sequence) in entries.iter().zip(before.sequence + 1..) {
            assert_eq!((entry.sequence, entry.hash), (sequence, hash_of(&head, entry)), "the chain has no gap and verifies");
            head = entry.hash;
        }
        assert_eq!(account.head, head);
    }
    accounts
        .into_iter()
        .map(|(member, account)| (member, (account.balance.active, account.lifetime, account.first_spending_ordinal)))
        .collect()
}

proptest! {
    #[test]
    fn any_order_comes_to_the_same(drawn in prop::collection::vec(any_invoice(), 1..40), seed in any::<u64>()) {
        let mut invoices: Vec<InvoiceAccepted> = drawn.iter().enumerate().map(|(number, (who, category, fen))| {
            let mut made = invoice(&format!("R{number}"), CATEGORIES[*category], &Money::from_fen(*fen).to_string());
            made.member_id = member(*who);
            made
        }).collect();
        let straight = run(&invoices);
        // A fixed permutation for each seed.
        invoices.sort_by_key(|invoice| {
            invoice.invoice_no.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3).rotate_left(7))
        });
        prop_assert_eq!(run(&invoices), straight);
    }
}
