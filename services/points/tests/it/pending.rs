//! Points that wait for a day, beside those that wait for their member's activation.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use jifen_contracts::{
    event::{AccrualSettled, Activated, Earned, EntryKind, InvoiceRefunded, RefundedLine, Reversed},
    program::{AppliedProgram, PendingRule},
};
use jifen_kernel::{ManualClock, Money, Points};

use crate::support::{Bench, activated, answer, awaiting, double, interaction, invoice, program, store, token};

fn at(text: &str) -> DateTime<Utc> {
    text.parse::<DateTime<chrono::FixedOffset>>().expect("instant").to_utc()
}

/// Parts wait 15 days, check-ins three.
fn waits() -> AppliedProgram {
    let mut applied = program(1);
    applied.program.earn.pending = [(token("parts"), PendingRule::Days(15))].into();
    let check_in = applied.program.earn.interactions.iter_mut().find(|rule| rule.kind == token("check_in"));
    check_in.expect("a rule").pending = Some(PendingRule::Days(3));
    applied
}

/// One bill, one category of which waits; its bonus waits with it, and is reversed without trace in what can be spent.
#[tokio::test(flavor = "multi_thread")]
async fn a_category_may_wait_for_its_days() {
    let bench = Bench::start().await;
    let clock = Arc::new(ManualClock::new(at("2026-10-01T12:00:00+08:00")));
    let copies = [bench.copy_at(&clock, &[waits()]).await, bench.copy_at(&clock, &[waits()]).await];
    let mut both = invoice("R1", 1, "maintenance", "1000.00");
    both.lines
        .extend(invoice("R1", 1, "parts", "100.00").lines.into_iter().map(|line| jifen_contracts::event::AcceptedLine { line: 2, ..line }));
    let refunded = invoice("R2", 2, "parts", "100.00");
    bench.publish(&[both, refunded.clone()], 2).await;
    let _: Vec<Earned> = bench.published(2).await;
    bench
        .publish(
            &[answer("R1", 1, vec![double("parts", 120), double("maintenance", 1_500)]), answer("R2", 2, vec![double("parts", 120)])],
            2,
        )
        .await;
    let settled: Vec<AccrualSettled> = bench.published(2).await;
    assert!(settled.iter().all(|event| event.entries.iter().any(|entry| entry.pending)));
    bench.publish(&[interaction("C1", 1, "check_in", "2026-10-01", None)], 1).await;
    let _: Vec<AccrualSettled> = bench.published(3).await;
    let of = async |member: &str| {
        let account = bench.account(member).await;
        (account.active.0, account.pending.0, account.lifetime.0)
    };
    assert_eq!(of("M1").await, (3_100, 245, 3_345));
    assert_eq!(of("M2").await, (0, 340, 340), "a first spending waits where everything does");
    assert_eq!(bench.number("select count(*) FROM pending_lot where not awaits_activation").await, 5, "base, bonus, check-in; base, bonus");
    bench.assert_sound().await;
    // Half of it is paid back while it waits.
    let refund = InvoiceRefunded {
        store: store(),
        refund_no: "C1".to_owned(),
        invoice_no: "R2".to_owned(),
        member_id: refunded.member_id,
        member_no: refunded.member_no.clone(),
        refunded_at: refunded.issued_at,
        business_date: refunded.business_date,
        received_at: refunded.received_at,
        program_version: 1,
        refunded: vec![RefundedLine { line: 1, amount: Money::from_fen(5_000) }],
        lines: refunded.lines,
        reductions: Vec::new(),
    };
    bench.publish(&[refund], 2).await;
    let _: Vec<Reversed> = bench.published(1).await;
    assert_eq!(of("M2").await, (0, 220, 220));
    for (day, left) in [("2026-10-03", 245), ("2026-10-04", 240), ("2026-10-15", 240), ("2026-10-16", 0)] {
        clock.set(at(&format!("{day}T00:00:00+08:00")));
        bench.day_done("expiry", day).await;
        assert_eq!(of("M1").await.1, left, "{day}");
    }
    assert_eq!((of("M1").await, of("M2").await), ((3_345, 0, 3_345), (220, 0, 220)));
    let mut told: Vec<Activated> = bench.published(3).await;
    told.sort_by(|one, other| one.document.cmp(&other.document));
    let shown: Vec<_> =
        told.iter().map(|event| (event.document.as_str(), event.entries.iter().map(|entry| entry.points.0).sum::<i64>())).collect();
    assert_eq!(shown, [("C1", 5), ("R1", 240), ("R2", 220)]);
    assert!(told.iter().flat_map(|event| &event.entries).all(|entry| entry.kind == EntryKind::Activation && !entry.pending));
    assert_eq!(told[1].balance.active, Points(3_345));
    // Posted when its days are over: nothing waits.
    bench.publish(&[invoice("R3", 3, "parts", "100.00")], 1).await;
    let _: Vec<Earned> = bench.published(3).await;
    assert_eq!(of("M3").await, (220, 0, 220));
    bench.explain_all("M1").await;
    bench.explain_all("M2").await;
    bench.assert_sound().await;
    for copy in copies {
        assert!(copy.stop().await);
    }
}

/// The activation and the days: whichever is later.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_activated_waits_for_both() {
    let bench = Bench::start().await;
    let clock = Arc::new(ManualClock::new(at("2026-10-01T12:00:00+08:00")));
    let copy = bench.copy_at(&clock, &[waits()]).await;
    let bills = [("A", 1, "repair"), ("B", 1, "parts"), ("C", 2, "parts")];
    bench.publish(&bills.map(|(number, member, category)| awaiting(invoice(number, member, category, "100.00"))), 1).await;
    let _: Vec<Earned> = bench.published(3).await;
    let of = async |member: &str| {
        let account = bench.account(member).await;
        (account.active.0, account.pending.0)
    };
    assert_eq!((of("M1").await, of("M2").await), ((0, 320), (0, 220)));
    bench.publish(&[activated(1)], 2).await;
    bench.settled().await;
    assert_eq!(of("M1").await, (200, 120), "the days aren't over");
    clock.set(at("2026-10-16T00:00:00+08:00"));
    bench.day_done("expiry", "2026-10-16").await;
    assert_eq!((of("M1").await, of("M2").await), ((320, 0), (0, 220)), "the days are over, the second member isn't activated");
    bench.publish(&[activated(2)], 1).await;
    bench.settled().await;
    assert_eq!(of("M2").await, (220, 0));
    assert_eq!(bench.published::<Activated>(3).await.len(), 3);
    // Of who is activated nothing lapses, however long it waits.
    assert_eq!(bench.number("select count(*) FROM pending_lot").await, 0);
    bench.assert_sound().await;
    assert!(copy.stop().await);
}
