use proptest::prelude::*;

use super::*;

fn flow(debit: (&str, &str), credit: (&str, &str), kind: &str, points: i64) -> Flow {
    let side = |(store, account): (&str, &str)| Side { store: store.to_owned(), account: account.to_owned() };
    Flow { debit: side(debit), credit: side(credit), kind: kind.to_owned(), points: Points(points), entries: 1 }
}

fn month(text: &str) -> NaiveDate {
    text.parse().expect("month")
}

fn cent() -> Rate {
    Rate::try_new("0.01").expect("rate")
}

#[test]
fn what_one_store_funded_and_another_gave_goods_for_is_due_between_them() {
    let (september, october) = (month("2026-09-01"), month("2026-10-01"));
    let flows = [
        (september, flow(("A", "issued"), ("A", "active"), "accrual", 10_000)),
        (october, flow(("B", "issued"), ("B", "active"), "accrual", 500)),
        (october, flow(("A", "active"), ("A", "reserved"), "hold", 3_000)),
        (october, flow(("A", "reserved"), ("B", "redeemed"), "capture", 2_500)),
        (october, flow(("A", "reserved"), ("A", "redeemed"), "capture", 300)),
        (october, flow(("B", "redeemed"), ("A", "active"), "return", 400)),
        (october, flow(("A", "active"), ("A", "expired"), "expiry", 1_000)),
        (october, flow(("B", "active"), ("A", "issued"), "reversal", 50)),
        (october, flow(("*", "debt"), ("A", "issued"), "reversal", 70)),
        (october, flow(("B", "active"), ("*", "debt"), "repayment", 30)),
    ];
    let settled = settle(october, &flows, cent());
    let pair = |from: &str, to: &str| settled.pairs[&(from.to_owned(), to.to_owned())].clone();
    assert_eq!((pair("A", "B").spent.0, pair("A", "B").returned.0, pair("A", "B").due.0), (2_500, 400, 2_100));
    assert_eq!(pair("A", "B").amount.to_string(), "21.00");
    assert_eq!((pair("A", "A").spent.0, pair("A", "A").due.0), (300, 0));
    assert_eq!((pair("B", "A").due.0, pair("*", "A").due.0, pair("B", "*").due.0), (50, 70, 30));
    let (a, b) = (&settled.stores["A"], &settled.stores["B"]);
    assert_eq!((a.issued.0, a.reversed.0, a.redeemed.0, a.breakage.0, a.liability.0), (0, 120, 300, 1_000, 6_600));
    assert_eq!((b.issued.0, b.redeemed.0, b.breakage.0, b.liability.0), (500, 2_100, 0, 420));
    assert_eq!((a.liability_amount.to_string().as_str(), a.breakage_amount.to_string().as_str(), settled.debt.0), ("66.00", "10.00", 40));
    // The hold is no voucher, nor is what happened in September.
    assert_eq!(settled.lines.iter().map(|line| line.voucher).max(), Some(8));
}

#[test]
fn the_amount_due_is_what_the_journals_come_to() {
    let october = month("2026-10-01");
    let flows = [
        (october, flow(("A", "reserved"), ("B", "redeemed"), "capture", 1)),
        (october, flow(("A", "active"), ("B", "issued"), "reversal", 1)),
    ];
    let settled = settle(october, &flows, Rate::try_new("0.005").expect("rate"));
    assert_eq!(settled.pairs[&("A".to_owned(), "B".to_owned())].amount.to_string(), "0.01");
    let sum = |store: &str, code: &str| -> i64 {
        let lines = settled.lines.iter().filter(|line| line.store == store && line.account.code == code);
        lines.map(|line| line.debit.fen() - line.credit.fen()).sum()
    };
    assert_eq!((sum("A", "2241"), sum("B", "1224"), sum("A", "6603"), sum("B", "6603")), (-1, 1, 0, 1), "one fen");
    assert_eq!((sum("A", "2205"), settled.stores["A"].liability_amount.fen()), (1, -1));
    let rounding = settled.lines.iter().filter(|line| line.kind == ROUNDING).count();
    assert_eq!(rounding, 4 + 2, "a voucher between both, and one in A's books");
}

fn any_side() -> impl Strategy<Value = Side> {
    let accounts = prop::sample::select(vec![
        "active", "pending", "reserved", "debt", "issued", "redeemed", "expired", "adjusted", "imported", "partner", "new",
    ]);
    (prop::sample::select(vec!["A", "B", "C", "*"]), accounts)
        .prop_map(|(store, account)| Side { store: store.to_owned(), account: account.to_owned() })
}

proptest! {
    /// Whatever moves, debits equal credits, in all, in each voucher, and in the books of each store; and what is due between two
    /// stores is what their books say.
    #[test]
    fn journals_balance(
        flows in prop::collection::vec((0..3_usize, any_side(), any_side(), 1..1_000_000_i64), 0..60),
        value in prop::sample::select(vec!["0.01", "0.005", "0.0033", "1"]),
    ) {
        let months = [month("2026-09-01"), month("2026-10-01"), month("2026-08-01")];
        let flows: Vec<_> = flows
            .into_iter()
            .map(|(at, debit, credit, points)| (months[at], Flow { debit, credit, kind: "x".to_owned(), points: Points(points), entries: 1 }))
            .collect();
        let settled = settle(months[1], &flows, Rate::try_new(value).expect("rate"));
        let mut by_voucher: BTreeMap<(u32, &str), i64> = BTreeMap::new();
        let mut between: BTreeMap<(&str, &str), i64> = BTreeMap::new();
        for line in &settled.lines {
            *by_voucher.entry((line.voucher, &line.store)).or_default() += line.debit.fen() - line.credit.fen();
            if let Some(other) = &line.counterpart {
                *between.entry((&line.store, other)).or_default() += line.debit.fen() - line.credit.fen();
            }
        }
        prop_assert!(by_voucher.values().all(|sum| *sum == 0));
        // What is stated and paid is what the journals come to, to the fen.
        let rate = Rate::try_new(value).expect("rate");
        for (one, other) in [("A", "B"), ("A", "C"), ("B", "C"), ("*", "A"), ("*", "B"), ("*", "C")] {
            let due = |one: &str, other: &str| settled.pairs.get(&(one.to_owned(), other.to_owned())).map_or(0, |pair| pair.amount.fen());
            prop_assert_eq!(between.get(&(one, other)).copied().unwrap_or_default(), due(other, one) - due(one, other));
        }
        let start = settle(months[0], &flows.iter().filter(|(at, _)| *at != months[1]).cloned().collect::<Vec<_>>(), rate);
        for (store, sum) in &settled.stores {
            let booked = |code: &str| -> i64 {
                let lines = settled.lines.iter().filter(|line| line.store == *store && line.account.code == code);
                lines.map(|line| line.credit.fen() - line.debit.fen()).sum()
            };
            let before = start.stores.get(store).map_or(0, |sum| sum.liability_amount.fen());
            prop_assert_eq!(booked("2205"), sum.liability_amount.fen() - before);
            prop_assert_eq!(booked("6301"), sum.breakage_amount.fen());
        }
        // The rounding of a voucher is half a fen at most.
        let moved = settled.lines.iter().map(|line| line.voucher).max().unwrap_or_default();
        let rounded = settled.lines.iter().filter(|line| line.account.code == "6603").map(|line| line.debit.fen() + line.credit.fen());
        prop_assert!(rounded.max().unwrap_or_default() <= i64::from(moved));
        for ((one, other), sum) in &between {
            prop_assert_eq!(*sum, -between[&(*other, *one)]);
        }
        let liability: i64 = settled.stores.values().map(|sum| sum.liability.0).sum();
        let own = |side: &Side| matches!(side.account.as_str(), "active" | "pending" | "reserved");
        let moved: i64 = flows.iter().map(|(_, flow)| flow.points.0 * (i64::from(own(&flow.credit)) - i64::from(own(&flow.debit)))).sum();
        prop_assert_eq!(liability, moved);
    }
}
