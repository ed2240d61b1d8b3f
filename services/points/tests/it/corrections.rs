//! Refunds, voids and replacements, whatever happens to the messages.

use std::collections::BTreeMap;

use jifen_contracts::{
    endpoint::{EntryExplain, ExplainRequest},
    event::{
        AccrualSettled, AccrualSource, Bonus, BonusGranted, BonusRule, CorrectionKind, DocumentRef, Earned, FlagReason, Flagged,
        InvoiceAccepted, InvoiceRefunded, InvoiceVoided, RefundedLine, Reversed, ReversedAccrual,
    },
};
use jifen_kernel::{Money, Points};
use jifen_points::{InvoiceAcceptedHandler, InvoiceRefundedHandler, InvoiceVoidedHandler};
use jifen_runtime::ask;
use jifen_testkit::{DEADLINE, eventually, statements};

use crate::{
    batches::Ledger,
    support::{Bench, activated, answer, awaiting, double, grant, interaction, invoice, program, store, token},
};

fn money(text: &str) -> Money {
    Money::try_new(text).expect("money")
}

/// Pays so much back on the only line.
pub fn refund(of: &InvoiceAccepted, number: &str, amount: &str) -> InvoiceRefunded {
    InvoiceRefunded {
        store: store(),
        refund_no: number.to_owned(),
        invoice_no: of.invoice_no.clone(),
        member_id: of.member_id,
        member_no: of.member_no.clone(),
        refunded_at: of.issued_at,
        business_date: of.business_date,
        received_at: of.received_at,
        program_version: of.program_version,
        refunded: vec![RefundedLine { line: 1, amount: money(amount) }],
        lines: of.lines.clone(),
        reductions: of.reductions.clone(),
    }
}

pub fn void(of: &InvoiceAccepted, number: &str, replaced: bool) -> InvoiceVoided {
    InvoiceVoided {
        store: store(),
        void_no: number.to_owned(),
        invoice_no: of.invoice_no.clone(),
        member_id: of.member_id,
        member_no: of.member_no.clone(),
        voided_at: of.issued_at,
        business_date: of.business_date,
        received_at: of.received_at,
        program_version: of.program_version,
        replaced,
    }
}

fn gift(points: i64, keep_from: &str) -> Bonus {
    let rule = BonusRule::Fixed { keep_from: money(keep_from), categories: Vec::new() };
    Bonus { campaign: token(&format!("gift_{points}")), points: Points(points), rule, ..double("repair", points) }
}

/// Posts and settles one invoice of member 1.
async fn bought(bench: &Bench, invoice: &InvoiceAccepted, bonuses: Vec<Bonus>, settled: usize) {
    bench.publish(std::slice::from_ref(invoice), 1).await;
    let _: Vec<Earned> = bench.published(settled).await;
    bench.publish(&[answer(&invoice.invoice_no, 1, bonuses)], 1).await;
    let _: Vec<AccrualSettled> = bench.published(settled).await;
}

fn sum(reversed: &[Reversed]) -> i64 {
    reversed.iter().flat_map(|reversed| &reversed.entries).map(|entry| entry.points.0).sum()
}

async fn figures(bench: &Bench) -> (i64, i64, i64, i64) {
    let account = bench.account("M1").await;
    (account.active.0, account.pending.0, account.debt.0, account.lifetime.0)
}

#[tokio::test(flavor = "multi_thread")]
async fn buy_refund_keep_the_bonus() {
    let bench = Bench::start().await;
    let points = bench.copy().await;
    let bill = invoice("R1", 1, "repair", "1000.00");
    bought(&bench, &bill, vec![double("repair", 1_000)], 1).await;
    assert_eq!(figures(&bench).await, (2_100, 0, 0, 2_100));
    bench.publish(&[refund(&bill, "C1", "250.00")], 3).await;
    let reversed: Vec<Reversed> = bench.published(1).await;
    assert_eq!((sum(&reversed), figures(&bench).await), (500, (1_600, 0, 0, 1_600)));
    assert_eq!((reversed[0].correction, reversed[0].number.as_deref()), (CorrectionKind::Refund, Some("C1")));
    assert_eq!((reversed[0].paid.len(), reversed[0].paid[0].paid, reversed[0].visit_lost), (1, money("250"), false));
    let rules: Vec<&str> = reversed[0].entries.iter().map(|entry| entry.rule.as_str()).collect();
    assert_eq!(rules, ["earn@1", "campaign:double_week@1"]);
    // More than the line had cost: nothing is left, nothing below, and somebody should look at it.
    bench.publish(&[refund(&bill, "C2", "900.00"), refund(&bill, "C3", "1.00")], 2).await;
    let reversed: Vec<Reversed> = bench.published(2).await;
    assert_eq!((sum(&reversed), figures(&bench).await), (2_100, (0, 0, 0, 0)));
    assert!(reversed[1].visit_lost && reversed[1].paid_visit_lost);
    let flagged: Vec<Flagged> = bench.published(1).await;
    assert_eq!((flagged[0].reason, flagged[0].by.as_str()), (FlagReason::RefundExceedsLine, "C2"));
    assert_eq!(bench.explain_all("M1").await.len(), 8);
    // The grant can return.
    bought(&bench, &invoice("R2", 1, "repair", "300.00"), vec![], 2).await;
    assert_eq!(figures(&bench).await, (400, 0, 0, 400));
    bench.settled().await;
    assert_eq!(bench.number("select count(*) FROM outbox where subject like 'evt.points.reversed%'").await, 2);
    assert_eq!(bench.number("select count(*) FROM correction where applied_at is null").await, 0);
    assert_eq!(bench.number("select count(*) FROM dead_letter").await, 0);
    bench.assert_sound().await;
    assert!(points.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_may_come_before_the_invoice_and_before_the_answer() {
    let bench = Bench::start().await;
    let points = bench.copy().await;
    let bill = invoice("R1", 1, "repair", "1000.00");
    bench.publish(&[refund(&bill, "C1", "500.00")], 2).await;
    bench.settled().await;
    assert_eq!(bench.number("select count(*) FROM correction where applied_at is null").await, 1);
    bench.publish(std::slice::from_ref(&bill), 1).await;
    let earned: Vec<Earned> = bench.published(1).await;
    assert_eq!(earned[0].categories[0].base, Points(1_000), "as posted");
    let _: Vec<Reversed> = bench.published(1).await;
    assert_eq!(figures(&bench).await, (600, 0, 0, 600));
    // What the answer grants is posted as granted; half of it, and a bonus that asks for more, goes back at once.
    bench.publish(&[answer("R1", 1, vec![double("repair", 1_000), gift(70, "500.01"), gift(30, "500.00")])], 2).await;
    let settled: Vec<AccrualSettled> = bench.published(1).await;
    assert_eq!((settled[0].points(), settled[0].balance.active), (Points(2_200), Points(1_700)));
    let reversed: Vec<Reversed> = bench.published(2).await;
    assert_eq!((sum(&reversed[1..]), reversed[1].paid.len(), reversed[1].number.as_deref()), (570, 0, Some("C1")));
    assert_eq!(figures(&bench).await, (1_130, 0, 0, 1_130));
    // The other gift goes with the next fen.
    bench.publish(&[refund(&bill, "C2", "0.01")], 1).await;
    let reversed: Vec<Reversed> = bench.published(3).await;
    assert_eq!((sum(&reversed[2..]), figures(&bench).await.0), (1 + 1 + 30, 1_098));
    bench.assert_sound().await;
    assert!(points.stop().await);
}

/// A delayed reward, as campaign grants it for this invoice.
fn reward(of: &InvoiceAccepted, points: i64) -> BonusGranted {
    let documents = vec![DocumentRef { store: store(), document: of.invoice_no.clone() }];
    BonusGranted { documents, bonuses: vec![double("repair", points)], ..grant(&of.invoice_no, 1, points) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delayed_reward_is_taken_back_too() {
    let bench = Bench::start().await;
    let points = bench.copy().await;
    let (early, late) = (invoice("R1", 1, "repair", "1000.00"), invoice("R2", 1, "repair", "300.00"));
    bought(&bench, &early, vec![], 1).await;
    bought(&bench, &late, vec![], 2).await;
    // Of one the reward is there before the refund, of the other the refund is there before the reward.
    bench.publish(&[reward(&early, 1_000)], 2).await;
    let _: Vec<AccrualSettled> = bench.published(3).await;
    bench.publish(&[refund(&early, "C1", "400.00"), refund(&late, "C2", "100.00")], 2).await;
    let reversed: Vec<Reversed> = bench.published(2).await;
    assert_eq!((sum(&reversed), figures(&bench).await.0), (900, 1_000 + 300 + 1_000 + 100 - 900));
    bench.publish(&[reward(&late, 300)], 2).await;
    let settled: Vec<AccrualSettled> = bench.published(4).await;
    assert_eq!(settled[3].points(), Points(300), "as granted");
    let reversed: Vec<Reversed> = bench.published(3).await;
    assert_eq!((sum(&reversed[2..]), figures(&bench).await.0), (100, 1_700));
    // Whoever sums by accrual is told which: the reward's own document, or none where it is the invoice.
    let of = |of: &Reversed| -> Vec<Option<String>> {
        let of_grant = |accrual: &ReversedAccrual| format!("{} {}", accrual.source.as_str(), accrual.document);
        of.entries.iter().map(|entry| entry.accrual.as_ref().map(of_grant)).collect()
    };
    let named = |settled: &AccrualSettled| Some(format!("grant {}", settled.document));
    assert_eq!((settled[3].source, of(&reversed[2])), (AccrualSource::Grant, vec![named(&settled[3])]));
    assert_eq!(of(&reversed[0]), [None, named(&settled[2])]);
    bench.explain_all("M1").await;
    // Whoever took another number than the invoice's net amounts give would be seen, of the reward, too.
    let took = reversed[0].entries.iter().find(|entry| entry.rule.starts_with("campaign:")).expect("the reward").entry_id;
    let net = "update points.accrual set net = jsonb_set(net, '{net,categories,0,base}', $1::jsonb) where document = 'R1'";
    for (base, is_equal) in [("500", false), ("600", true)] {
        sqlx::query(net).bind(base).execute(bench.env.admin_pool()).await.expect("changed");
        let request = ExplainRequest { member_no: "M1".to_owned(), entry_id: Some(took), ..ExplainRequest::default() };
        let reply = ask::<EntryExplain>(&bench.env.nats("local").await, &request).await.expect("explained");
        assert_eq!(reply.equal, is_equal, "{reply:?}");
    }
    bench.publish(&[void(&early, "V1", false), void(&late, "V2", false)], 1).await;
    let _: Vec<Reversed> = bench.published(5).await;
    assert_eq!(figures(&bench).await, (0, 0, 0, 0));
    bench.explain_all("M1").await;
    bench.assert_sound().await;
    assert!(points.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_becomes_a_debt_and_is_repaid_first() {
    let bench = Bench::start().await;
    let points = bench.copy().await;
    let (first, second) = (invoice("R1", 1, "repair", "900.00"), invoice("R2", 1, "repair", "500.00"));
    bought(&bench, &first, vec![], 1).await;
    bought(&bench, &second, vec![], 2).await;
    // Both are gone, as a redemption would leave them.
    sqlx::raw_sql("update points.lot set remaining = 0; update points.account set active = 0")
        .execute(bench.env.admin_pool())
        .await
        .expect("spent");
    bench.publish(&[void(&first, "V1", false)], 2).await;
    let reversed: Vec<Reversed> = bench.published(1).await;
    assert_eq!((sum(&reversed), figures(&bench).await), (900, (0, 0, 900, 600)), "the first spending stays with the other");
    bought(&bench, &invoice("R3", 1, "repair", "1000.00"), vec![], 3).await;
    assert_eq!(figures(&bench).await, (100, 0, 0, 1_600), "all of it counts, the rest is spendable");
    assert_eq!(bench.number("select sum(points)::bigint FROM entry where kind = 'repayment'").await, 900);
    assert_eq!(bench.number("select sum(remaining)::bigint FROM lot").await, 100);
    assert!(points.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_members_documents_of_one_number_stand_at_one_place() {
    let bench = Bench::start().await;
    let points = bench.copy().await;
    bench.publish(&[interaction("Z1", 2, "check_in", "2026-10-01", None)], 1).await;
    bench.publish(&[invoice("Z0", 1, "pass_through", "10.00")], 1).await;
    let _: Vec<AccrualSettled> = bench.published(1).await;
    let _: Vec<Earned> = bench.published(1).await;
    // Both owe: what they earn repays it by an entry that is the third of its chain.
    sqlx::raw_sql("update points.lot set remaining = 0; update points.account set active = 0, debt = 3")
        .execute(bench.env.admin_pool())
        .await
        .expect("debts");
    bench.publish(&[invoice("N1", 1, "repair", "10.00")], 1).await;
    bench.publish(&[interaction("N1", 2, "check_in", "2026-10-02", None)], 1).await;
    let _: Vec<Earned> = bench.published(2).await;
    let _: Vec<AccrualSettled> = bench.published(2).await;
    assert_eq!(bench.number("select count(*) FROM entry where kind = 'repayment' and document = 'N1' and sequence = 3").await, 2);
    assert_eq!(bench.number("select count(*) FROM dead_letter").await, 0);
    assert!(points.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reopened_bill_replaces_the_first() {
    let bench = Bench::start().await;
    let points = bench.copy().await;
    let first = invoice("R1", 1, "maintenance", "1000.00");
    bought(&bench, &first, vec![], 1).await;
    bench.publish(&[void(&first, "R2", true)], 2).await;
    bought(&bench, &invoice("R2", 1, "maintenance", "1100.00"), vec![], 2).await;
    let flagged: Vec<Flagged> = bench.published(1).await;
    assert_eq!((flagged[0].reason, flagged[0].document.as_str()), (FlagReason::InvoiceReplaced, "R1"));
    let _: Vec<Reversed> = bench.published(1).await;
    assert_eq!(figures(&bench).await, (1_750, 0, 0, 1_750));
    // A refund of the first one moves nothing any longer.
    bench.publish(&[refund(&first, "C1", "100.00")], 1).await;
    eventually(DEADLINE, || async { (bench.number("select count(*) FROM correction").await == 2).then_some(()) }).await;
    assert_eq!(figures(&bench).await, (1_750, 0, 0, 1_750));
    bench.assert_sound().await;
    assert!(points.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pending_is_reversed_without_trace_in_active() {
    let bench = Bench::start().await;
    let points = bench.copy().await;
    let bill = awaiting(invoice("R1", 1, "repair", "1000.00"));
    bought(&bench, &bill, vec![double("repair", 1_000)], 1).await;
    bench.publish(&[refund(&bill, "C1", "400.00")], 1).await;
    let _: Vec<Reversed> = bench.published(1).await;
    assert_eq!(figures(&bench).await, (0, 1_300, 0, 1_300));
    bench.assert_sound().await;
    bench.publish(&[activated(1)], 1).await;
    bench.explain_all("M1").await;
    eventually(DEADLINE, || async { (figures(&bench).await == (1_300, 0, 0, 1_300)).then_some(()) }).await;
    bench.publish(&[void(&bill, "V1", false)], 1).await;
    let _: Vec<Reversed> = bench.published(2).await;
    assert_eq!(figures(&bench).await, (0, 0, 0, 0));
    assert_eq!(bench.number("select count(*) FROM pending_lot").await, 0);
    bench.assert_sound().await;
    assert!(points.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_order_any_split_any_copy_comes_to_the_same() {
    let bench = Bench::start().await;
    let copies = [bench.copy().await, bench.copy().await, bench.copy().await];
    let bills: Vec<_> = (0..60).map(|i| invoice(&format!("R{i:02}"), i % 5, "repair", "100.00")).collect();
    // Refunds of 90 yuan in three parts, of every second invoice; every fifth is void. All of it swapped, often, at once.
    let mut refunds = Vec::new();
    for bill in bills.iter().step_by(2) {
        refunds.extend(
            ["50.50", "30.25", "9.25"]
                .iter()
                .zip(["A", "B", "C"])
                .map(|(part, name)| refund(bill, &format!("{name}{}", bill.invoice_no), part)),
        );
    }
    refunds.reverse();
    let voids: Vec<_> = bills.iter().step_by(5).map(|bill| void(bill, &format!("V{}", bill.invoice_no), false)).collect();
    bench.publish(&refunds, 2).await;
    bench.publish(&voids, 2).await;
    bench.publish(&bills, 2).await;
    let _: Vec<Earned> = bench.published(60).await;
    let answers: Vec<_> = (0..60).rev().map(|i| answer(&format!("R{i:02}"), i % 5, vec![double("repair", 100)])).collect();
    bench.publish(&answers, 2).await;
    let _: Vec<AccrualSettled> = bench.published(60).await;
    bench.settled().await;
    eventually(DEADLINE, || async { (bench.number("select count(*) FROM correction where applied_at is null").await == 0).then_some(()) })
        .await;
    // Of each member's twelve invoices six are refunded to 10 yuan, but all of every fifth member's are void.
    let mut expected: BTreeMap<String, i64> = BTreeMap::new();
    for (number, bill) in bills.iter().enumerate() {
        let left = if number % 5 == 0 {
            0
        } else if number % 2 == 0 {
            10
        } else {
            100
        };
        *expected.entry(bill.member_no.clone()).or_default() += 2 * left;
    }
    for (member, left) in expected {
        let first = if left > 0 { 100 } else { 0 };
        let account = bench.account(&member).await;
        assert_eq!((account.active, account.debt), (Points(left + first), Points(0)), "{member}");
    }
    assert_eq!(bench.number("select count(*) FROM dead_letter").await, 0);
    bench.assert_sound().await;
    for copy in copies {
        assert!(copy.stop().await);
    }
}

/// On one thread, whose statements are this test's.
#[tokio::test]
async fn statements_do_not_grow_with_the_batch_of_corrections() {
    let bench = Bench::start().await;
    let bills: Vec<_> = (0..200).map(|i| invoice(&format!("R{i:03}"), i % 40, "repair", "10.00")).collect();
    let points = bench.copy().await;
    bench.publish(&bills, 1).await;
    let _: Vec<Earned> = bench.published(200).await;
    assert!(points.stop().await);
    bench.publish(&bills.iter().map(|bill| refund(bill, &format!("C{}", bill.invoice_no), "5.00")).collect::<Vec<_>>(), 1).await;
    statements::count();
    let points = bench.copy().await;
    let _: Vec<Reversed> = bench.published(200).await;
    assert!(points.stop().await);
    let batches = statements::of("with rows as");
    assert!((1..=10).contains(&batches), "{:?}", statements::counted());
    for statement in ["insert into correction", "insert into entry", "update lot", "update account", "update accrual"] {
        assert_eq!(statements::of(statement), batches, "{statement}: {:?}", statements::counted());
    }
    bench.assert_sound().await;
}

/// What was posted before invoices were counted is counted as postings and corrections do.
#[tokio::test(flavor = "multi_thread")]
async fn the_backfill_counts_spendings_as_postings_do() {
    let ledger = Ledger::start("2026-10-09T02:20:00Z".parse().expect("instant"), &[program(1)]).await;
    // Half a yuan is a spending, too, though it is no point; what is passed through isn't; what was refunded in full is none any longer.
    let bills = [
        invoice("R1", 1, "repair", "0.50"),
        invoice("R2", 1, "pass_through", "50.00"),
        invoice("R3", 1, "repair", "100.00"),
        invoice("R4", 1, "parts", "100.00"),
        invoice("R5", 2, "pass_through", "50.00"),
        invoice("R6", 3, "repair", "100.00"),
    ];
    ledger.handle(InvoiceAcceptedHandler, &bills).await;
    ledger.handle(InvoiceRefundedHandler, &[refund(&bills[2], "C1", "100.00"), refund(&bills[3], "C2", "1.00")]).await;
    ledger.handle(InvoiceVoidedHandler, &[void(&bills[5], "V1", false)]).await;
    let counted = async || -> Vec<Option<i32>> {
        let all = sqlx::query_scalar("select spendings from points.account order by member_no");
        all.fetch_all(ledger.bench.env.admin_pool()).await.expect("counted")
    };
    assert_eq!(counted().await, [Some(2), None, None]);
    let again = include_str!("../../migrations/20261125000011_spendings.sql");
    for wrong in ["null", "5"] {
        ledger.sql(&format!("update points.account set spendings = {wrong}")).await;
        ledger.sql(&format!("set search_path = points; {again}; reset search_path")).await;
        assert_eq!(counted().await, [Some(2), None, None]);
    }
    ledger.close().await;
}
