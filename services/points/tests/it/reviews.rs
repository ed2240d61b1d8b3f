//! What somebody decides on pending points that have to be looked at.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use jifen_contracts::{
    endpoint::{
        Endpoint, KeptReview, LotsList, MemberRequest, PendingReject, PendingRejectReply, PendingRejectRequest, PendingRelease,
        PendingReleaseReply, PendingReleaseRequest, ReviewDecision, Staff,
    },
    event::{AccrualSettled, AccrualSource, CorrectionKind, Earned, InvoiceAccepted, InvoiceRefunded, RefundedLine, Reversed},
    program::{AppliedProgram, PendingRule},
};
use jifen_kernel::{ManualClock, Money, Points};
use jifen_runtime::ask;

use crate::support::{Bench, answer, double, interaction, invoice, program, store, token};

fn clock() -> Arc<ManualClock> {
    let noon: DateTime<Utc> = "2026-10-01T04:00:00Z".parse().expect("instant");
    Arc::new(ManualClock::new(noon))
}

/// Somebody looks at parts and check-ins.
fn reviewed() -> AppliedProgram {
    let mut reviewed = program(1);
    reviewed.program.earn.pending = [(token("parts"), PendingRule::Review)].into();
    let check_in = reviewed.program.earn.interactions.iter_mut().find(|rule| rule.kind == token("check_in"));
    check_in.expect("a rule").pending = Some(PendingRule::Review);
    reviewed
}

fn by() -> Staff {
    Staff { staff_id: "A017".to_owned(), role: "manager".to_owned() }
}

async fn asked<E: Endpoint>(bench: &Bench, request: E::Request) -> Result<E::Reply, String> {
    ask::<E>(&bench.env.nats("local").await, &request).await.map_err(|problem| problem.code)
}

async fn release(bench: &Bench, id: &str, source: AccrualSource, document: &str) -> Result<PendingReleaseReply, String> {
    let request = PendingReleaseRequest {
        operation_id: id.to_owned(),
        member_no: "M1".to_owned(),
        source,
        store: store(),
        document: document.to_owned(),
        by: by(),
        reason: "已核对".to_owned(),
    };
    asked::<PendingRelease>(bench, request).await
}

async fn reject(bench: &Bench, id: &str, member: u128, source: AccrualSource, document: &str) -> Result<PendingRejectReply, String> {
    let request = PendingRejectRequest {
        operation_id: id.to_owned(),
        member_no: format!("M{member}"),
        source,
        store: store(),
        document: document.to_owned(),
        by: by(),
        reason: "abuse".to_owned(),
        note: Some("同一台车一天多次".to_owned()),
    };
    asked::<PendingReject>(bench, request).await
}

async fn reviews(bench: &Bench, member: &str) -> Vec<KeptReview> {
    asked::<LotsList>(bench, MemberRequest { member_no: member.to_owned() }).await.expect("lots").reviews
}

async fn balance(bench: &Bench, member: &str) -> (i64, i64) {
    let account = bench.account(member).await;
    (account.active.0, account.pending.0)
}

fn refund(bill: &InvoiceAccepted, number: &str, line: u32, amount: &str) -> InvoiceRefunded {
    InvoiceRefunded {
        store: bill.store.clone(),
        refund_no: number.to_owned(),
        invoice_no: bill.invoice_no.clone(),
        member_id: bill.member_id,
        member_no: bill.member_no.clone(),
        refunded_at: bill.issued_at,
        business_date: bill.business_date,
        received_at: bill.received_at,
        program_version: bill.program_version,
        lines: bill.lines.clone(),
        reductions: Vec::new(),
        refunded: vec![RefundedLine { line, amount: Money::try_new(amount).expect("money") }],
    }
}

/// One number, two kinds of document, each looked at by itself; what was refused as a whole gives nothing later.
#[tokio::test(flavor = "multi_thread")]
async fn a_decision_is_about_one_document_and_kept() {
    let bench = Bench::start().await;
    let copy = bench.copy_at(&clock(), &[reviewed()]).await;
    let bill = invoice("X1", 1, "parts", "100.00");
    bench.publish(std::slice::from_ref(&bill), 1).await;
    let _: Vec<Earned> = bench.published(1).await;
    bench.publish(&[interaction("X1", 1, "check_in", "2026-10-01", None)], 1).await;
    let _: Vec<AccrualSettled> = bench.published(1).await;
    assert_eq!(balance(&bench, "M1").await, (0, 225));
    let lots = asked::<LotsList>(&bench, MemberRequest { member_no: "M1".to_owned() }).await.expect("lots").lots;
    let mut sources: Vec<_> = lots.iter().map(|lot| (lot.points.0, lot.source)).collect();
    sources.sort_by_key(|(points, _)| *points);
    assert_eq!(sources, [(5, Some(AccrualSource::Interaction)), (220, Some(AccrualSource::Invoice))]);
    let released = release(&bench, "P1", AccrualSource::Interaction, "X1").await.expect("released");
    assert_eq!((released.released, released.active), (Points(5), Points(5)), "not the bill of that number");
    let rejected = reject(&bench, "P2", 1, AccrualSource::Invoice, "X1").await.expect("rejected");
    assert_eq!((rejected.rejected, rejected.pending), (Points(220), Points(0)));
    assert_eq!(reject(&bench, "P2", 1, AccrualSource::Invoice, "X1").await, Ok(rejected), "the same operation");
    assert_eq!(reject(&bench, "P3", 1, AccrualSource::Invoice, "X1").await.err().as_deref(), Some("points.no_review"));
    let account = bench.account("M1").await;
    assert_eq!((account.active, account.pending, account.lifetime), (Points(5), Points(0), Points(5)), "without trace in active");
    let reversed: Vec<Reversed> = bench.published(1).await;
    let said = &reversed[0];
    assert_eq!((said.correction, said.number.as_deref(), said.document.as_str()), (CorrectionKind::Rejection, Some("X1"), "X1"));
    assert_eq!(said.entries.iter().map(|entry| entry.points.0).sum::<i64>(), 220);
    assert!(said.entries.iter().all(|entry| entry.pending) && said.balance.pending == Points(0));
    let kept = reviews(&bench, "M1").await;
    let shown: Vec<_> = kept.iter().map(|kept| (kept.decision, kept.source, kept.points.0, kept.released.0, kept.reversed.0)).collect();
    let (rejected, released) = (ReviewDecision::Rejected, ReviewDecision::Released);
    assert_eq!(shown, [(rejected, AccrualSource::Invoice, 220, 0, 220), (released, AccrualSource::Interaction, 5, 5, 0)]);
    assert_eq!((kept[0].by.clone(), kept[0].reason.as_str(), kept[0].note.is_some()), (by(), "abuse", true));
    // Its bonus goes back as it comes, its refund moves nothing; the next bill is the first one.
    bench.publish(&[answer("X1", 1, vec![double("parts", 120)])], 1).await;
    let _: Vec<AccrualSettled> = bench.published(2).await;
    bench.publish(&[refund(&bill, "C1", 1, "50.00")], 1).await;
    bench.publish(&[invoice("X2", 1, "repair", "10.00")], 1).await;
    let _: Vec<Earned> = bench.published(2).await;
    bench.settled().await;
    assert_eq!(balance(&bench, "M1").await, (115, 0));
    // Of an interaction, too.
    bench.publish(&[interaction("I2", 1, "check_in", "2026-10-02", None)], 1).await;
    let _: Vec<AccrualSettled> = bench.published(3).await;
    assert_eq!(reject(&bench, "P4", 1, AccrualSource::Interaction, "I2").await.expect("rejected").rejected, Points(5));
    assert_eq!(balance(&bench, "M1").await, (115, 0));
    bench.explain_all("M1").await;
    bench.assert_sound().await;
    assert!(copy.stop().await);
}

/// Only some of a bill waits: the rest is corrected later as if the refused part had never been.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_refused_stays_and_is_corrected_as_ever() {
    let bench = Bench::start().await;
    let copy = bench.copy_at(&clock(), &[reviewed()]).await;
    let mut both = invoice("R1", 1, "maintenance", "100.00");
    let parts = invoice("R1", 1, "parts", "100.00").lines.into_iter();
    both.lines.extend(parts.map(|line| jifen_contracts::event::AcceptedLine { line: 2, ..line }));
    bench.publish(std::slice::from_ref(&both), 1).await;
    let _: Vec<Earned> = bench.published(1).await;
    assert_eq!(balance(&bench, "M1").await, (250, 120));
    assert_eq!(reject(&bench, "P1", 1, AccrualSource::Invoice, "R1").await.expect("rejected").rejected, Points(120));
    bench.publish(&[refund(&both, "C1", 1, "40.00")], 1).await;
    let _: Vec<Reversed> = bench.published(2).await;
    assert_eq!(balance(&bench, "M1").await, (190, 0), "60 of the first category");
    bench.publish(&[answer("R1", 1, vec![double("maintenance", 150), double("parts", 120)])], 1).await;
    let _: Vec<AccrualSettled> = bench.published(1).await;
    assert_eq!(balance(&bench, "M1").await, (280, 0), "a bonus on what is left of it, none on what was refused");
    bench.explain_all("M1").await;
    // A first spending that another bill keeps alive is nobody's to refuse.
    bench.publish(&[invoice("R2", 2, "parts", "100.00"), invoice("R3", 2, "repair", "10.00")], 1).await;
    let _: Vec<Earned> = bench.published(3).await;
    assert_eq!(reject(&bench, "P2", 2, AccrualSource::Invoice, "R2").await.expect("rejected").rejected, Points(120));
    assert_eq!(balance(&bench, "M2").await, (110, 0));
    let kept = &reviews(&bench, "M2").await[0];
    assert_eq!((kept.points, kept.released, kept.reversed), (Points(220), Points(100), Points(120)));
    // One that only the refused bill kept alive goes, whichever bill brought it.
    let first = invoice("R4", 3, "repair", "10.00");
    bench.publish(std::slice::from_ref(&first), 1).await;
    let _: Vec<Earned> = bench.published(4).await;
    bench.publish(&[invoice("R5", 3, "parts", "100.00")], 1).await;
    let _: Vec<Earned> = bench.published(5).await;
    bench.publish(&[refund(&first, "C2", 1, "10.00")], 1).await;
    bench.settled().await;
    assert_eq!(balance(&bench, "M3").await, (100, 120));
    assert_eq!(reject(&bench, "P3", 3, AccrualSource::Invoice, "R5").await.expect("rejected").rejected, Points(120));
    assert_eq!(balance(&bench, "M3").await, (0, 0));
    bench.explain_all("M2").await;
    bench.explain_all("M3").await;
    bench.assert_sound().await;
    assert!(copy.stop().await);
}
