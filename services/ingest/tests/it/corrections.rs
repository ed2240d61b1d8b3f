//! Refunds, voids and reopened bills: each follows its invoice, whichever comes first, and counts once.

use std::collections::BTreeMap;

use jifen_contracts::{
    Envelope,
    endpoint::{DocumentRequest, DocumentStatus, RejectsList, RejectsRequest, Resubmit, ResubmitRequest},
    event::{InvoiceAccepted, InvoiceRefunded, InvoiceVoided, MemberRegistered},
};
use jifen_ingest::{Documents, MemberNews, MissedPairs};
use jifen_runtime::{Running, ask, job::run_once, message::RawMessage};
use jifen_testkit::statements;
use serde_json::{Value, json};

use crate::support::{Bench, bill, day, handle, member, message};

fn refund(number: &str, invoice: &str, line: u32, amount: &str) -> Value {
    json!({
        "store": "SH01", "refund_no": number, "invoice_no": invoice, "refunded_at": "2026-10-03T01:00:00+08:00",
        "lines": [{"line": line, "amount": amount}], "reason": "王小明 13800138000",
    })
}

pub fn void(number: &str, invoice: &str) -> Value {
    json!({"store": "SH01", "void_no": number, "invoice_no": invoice, "voided_at": "2026-09-30T10:00:00+08:00"})
}

/// Bill `number`, in place of another one.
pub fn replacing(number: u64, replaced: &str) -> Value {
    let mut bill = bill(number);
    bill["replaces"] = json!(replaced);
    bill
}

/// Hands documents in one by one, each in a transaction of its own.
pub struct Till<'a> {
    pub ingest: &'a Running,
    pub sequence: u64,
}

impl Till<'_> {
    pub fn raw(&mut self, kind: &str, document: &Value) -> RawMessage {
        self.sequence += 1;
        message(&format!("pos.v1.SH01.{kind}"), self.sequence, document.to_string().into_bytes())
    }

    pub async fn send(&mut self, kind: &str, document: &Value) {
        let raw = self.raw(kind, document);
        handle(self.ingest, Documents, vec![raw]).await;
    }
}

pub async fn register(bench: &Bench, ingest: &Running, number: u64) {
    let event = message("evt.member.registered.v1.SH01", number, bench.event_of(&bench.registration(number)));
    handle(ingest, MemberNews::<MemberRegistered>::new(), vec![event]).await;
}

/// Every order of four things.
fn orders() -> Vec<[usize; 4]> {
    let mut all = Vec::new();
    for code in 0..256 {
        let order = [code & 3, (code >> 2) & 3, (code >> 4) & 3, (code >> 6) & 3];
        if (0..4).all(|thing| order.contains(&thing)) {
            all.push(order);
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_and_a_void_follow_their_invoice_in_every_order() {
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    let mut till = Till { ingest: &ingest, sequence: 0 };
    let orders = orders();
    assert_eq!(orders.len(), 24);
    for (number, order) in (0..).zip(&orders) {
        let invoice = format!("R{number:05}");
        for step in order {
            match step {
                0 => register(&bench, &ingest, number).await,
                1 => till.send("invoice", &bill(number)).await,
                2 => till.send("refund", &refund(&format!("C{number:05}"), &invoice, 1, "200.00")).await,
                _ => till.send("void", &void(&format!("V{number:05}"), &invoice)).await,
            }
        }
    }
    let accepted = bench.accepted(24).await;
    let refunded: BTreeMap<String, Envelope<InvoiceRefunded>> =
        bench.events::<InvoiceRefunded>(24).await.into_iter().map(|event| (event.data.invoice_no.clone(), event)).collect();
    let voided: BTreeMap<String, Envelope<InvoiceVoided>> =
        bench.events::<InvoiceVoided>(24).await.into_iter().map(|event| (event.data.invoice_no.clone(), event)).collect();
    for number in 0..24 {
        let invoice = format!("R{number:05}");
        let (accepted, refunded, voided) = (&accepted[&invoice], &refunded[&invoice].data, &voided[&invoice].data);
        assert_eq!((refunded.refund_no.clone(), voided.void_no.clone()), (format!("C{number:05}"), format!("V{number:05}")));
        assert_eq!(
            (refunded.member_id, voided.member_id, voided.member_no.clone()),
            (member(number), member(number), format!("M{number}"))
        );
        assert_eq!((&refunded.lines, &refunded.reductions), (&accepted.lines, &accepted.reductions), "as accepted");
        assert_eq!((refunded.refunded[0].line, refunded.refunded[0].amount.fen()), (1, 20_000));
        assert_eq!(
            (refunded.business_date, voided.business_date),
            (day("2026-10-03"), day("2026-09-30")),
            "local days, and before its bill"
        );
        assert_eq!((refunded.program_version, voided.program_version, voided.replaced), (1, 1, false));
    }
    assert_eq!((bench.documents("accepted").await, bench.documents("parked").await), (72, 0));
    for left in ["select count(*) FROM waiting_correction", "select count(*) FROM document where status = 'absent'"] {
        assert_eq!(bench.number(left).await, 0, "{left}");
    }
    // Whatever waited for an invoice had two receipts.
    let second = "select count(*) FROM outbox where subject like 'receipt.%' and convert_from(payload, 'UTF8') like '%awaits_invoice%'";
    assert_eq!(bench.number(second).await, 32, "of 24 orders 16 have the refund, and 16 the void, before the earner or the bill is known");
    let nats = bench.env.nats("local").await;
    let status = |kind: &str, document: &str| DocumentRequest { store: "SH01".into(), kind: kind.into(), document: document.into() };
    let found = ask::<DocumentStatus>(&nats, &status("invoice", "R00000")).await.expect("status");
    assert_eq!((found.status.as_str(), found.voided_by.as_deref()), ("accepted", Some("V00000")));
    let found = ask::<DocumentStatus>(&nats, &status("refund", "C00000")).await.expect("status");
    assert_eq!((found.member_id, found.program_version), (Some(member(0)), Some(1)));
    bench.assert_sound().await;
    assert!(ingest.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_batch_may_hold_all_of_it_and_an_invoice_is_voided_once() {
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    let mut till = Till { ingest: &ingest, sequence: 0 };
    register(&bench, &ingest, 1).await;
    // In one transaction, corrections first; a refund again, with other content, and of more than the line cost.
    let batch = [
        ("void", void("V1", "R00001")),
        ("refund", refund("C1", "R00001", 1, "200.00")),
        ("invoice", bill(1)),
        ("refund", refund("C1", "R00001", 1, "200.00")),
        ("refund", refund("C1", "R00001", 1, "300.00")),
        ("refund", refund("C2", "R00001", 1, "9999.00")),
        ("void", void("V2", "R00001")),
    ];
    let raw: Vec<RawMessage> = batch.iter().map(|(kind, document)| till.raw(kind, document)).collect();
    handle(&ingest, Documents, raw.clone()).await;
    let told = [
        "C1 accepted",
        "C1 duplicate document.duplicate",
        "C1 rejected document.conflict",
        "C2 accepted",
        "R00001 accepted",
        "V1 accepted",
        "V2 accepted",
    ];
    assert_eq!(bench.told(0, 7).await, told);
    // Delivered again, as a whole and one by one: nothing.
    let before = bench.number("select count(*) FROM outbox").await;
    handle(&ingest, Documents, raw.clone()).await;
    for message in raw.into_iter().rev() {
        handle(&ingest, Documents, vec![message]).await;
    }
    assert_eq!(bench.number("select count(*) FROM outbox").await, before);
    assert_eq!(bench.events::<InvoiceVoided>(1).await[0].data.void_no, "V1", "the first in the stream");
    assert_eq!(bench.number("select count(*) FROM outbox where subject like '%invoice_voided%'").await, 1);
    assert_eq!(bench.events::<InvoiceRefunded>(2).await.len(), 2);
    let secrets = "select count(*) FROM document where bill like '%王%' or bill like '%138%'";
    assert_eq!(bench.number(secrets).await, 0, "nothing personal is kept");
    bench.assert_sound().await;
    assert!(ingest.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_the_invoice_has_not_is_refused_also_after_a_wait() {
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    let mut till = Till { ingest: &ingest, sequence: 0 };
    register(&bench, &ingest, 1).await;
    let wrong = till.raw("refund", &refund("C1", "R00001", 7, "1.00"));
    handle(&ingest, Documents, vec![wrong.clone()]).await;
    assert_eq!(bench.told(0, 1).await, ["C1 parked document.awaits_invoice"]);
    till.send("invoice", &bill(1)).await;
    assert_eq!(bench.told(1, 2).await, ["C1 rejected document.unknown_line", "R00001 accepted"]);
    let receipts = bench.receipts(3).await;
    let (_, said) = receipts.iter().find(|(_, one)| one.code.as_deref() == Some("document.unknown_line")).expect("the second receipt");
    let (_, first) = receipts.iter().find(|(_, one)| one.code.as_deref() == Some("document.awaits_invoice")).expect("the first one");
    assert_eq!((said.pointer.as_deref(), &said.sha256), (Some("/lines/0/line"), &first.sha256));
    // That very message again says nothing; the same again from the till is refused again; mended, it is taken.
    handle(&ingest, Documents, vec![wrong]).await;
    till.send("refund", &refund("C1", "R00001", 7, "1.00")).await;
    till.send("refund", &refund("C1", "R00001", 1, "1.00")).await;
    assert_eq!(bench.told(3, 2).await, ["C1 accepted", "C1 rejected document.unknown_line"]);
    assert_eq!(bench.events::<InvoiceRefunded>(1).await[0].data.refund_no, "C1");
    // What was refused is kept as it came, counted, and can be handed in again.
    let nats = bench.env.nats("local").await;
    let kept = ask::<RejectsList>(&nats, &RejectsRequest::default()).await.expect("list").rejects;
    assert_eq!((kept.len(), kept[0].times, kept[0].document.as_deref()), (1, 2, Some("C1")));
    let again = ResubmitRequest { operation_id: "op-1".to_owned(), reject_id: kept[0].reject_id };
    let answer = ask::<Resubmit>(&nats, &again).await.expect("answer");
    assert_eq!((answer.status.as_str(), answer.code.as_deref()), ("rejected", Some("document.unknown_line")));
    bench.assert_sound().await;
    assert!(ingest.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_of_what_lapsed_lapses() {
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    let mut till = Till { ingest: &ingest, sequence: 0 };
    till.send("invoice", &bill(1)).await;
    till.send("refund", &refund("C1", "R00001", 7, "1.00")).await;
    let mut late = bench.registration(1);
    late.registered_at = crate::support::at("2026-12-30T16:00:00Z");
    let event = message("evt.member.registered.v1.SH01", 1, bench.event_of(&late));
    handle(&ingest, MemberNews::<MemberRegistered>::new(), vec![event]).await;
    assert_eq!(bench.told(2, 2).await, ["C1 rejected document.lapsed", "R00001 rejected document.lapsed"]);
    till.send("void", &void("V1", "R00001")).await;
    assert_eq!(bench.told(4, 1).await, ["V1 rejected document.lapsed"]);
    assert_eq!((bench.documents("lapsed").await, bench.number("select count(*) FROM waiting_correction").await), (3, 0));
    assert_eq!(bench.number("select count(*) FROM outbox where subject like 'evt.%'").await, 0);
    bench.assert_sound().await;
    assert!(ingest.stop().await);
}

/// `<invoice> by <number>` of the first `count`, sorted.
pub async fn voided(bench: &Bench, count: usize) -> Vec<String> {
    let word = |event: Envelope<InvoiceVoided>| {
        let replaced = if event.data.replaced { "" } else { " (a void)" };
        format!("{} by {}{replaced}", event.data.invoice_no, event.data.void_no)
    };
    let mut all: Vec<String> = bench.events::<InvoiceVoided>(count).await.into_iter().map(word).collect();
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invoice_takes_back_the_one_that_it_replaces_in_every_order() {
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    let mut till = Till { ingest: &ingest, sequence: 0 };
    for number in [1, 2, 3, 4, 5, 6, 7, 8, 9] {
        register(&bench, &ingest, number).await;
    }
    // In order; the other way round; both at once; a second that replaces the same one.
    till.send("invoice", &bill(1)).await;
    till.send("invoice", &replacing(2, "R00001")).await;
    till.send("invoice", &replacing(4, "R00003")).await;
    till.send("invoice", &bill(3)).await;
    let both = vec![till.raw("invoice", &replacing(6, "R00005")), till.raw("invoice", &bill(5))];
    handle(&ingest, Documents, both).await;
    till.send("invoice", &replacing(7, "R00005")).await;
    // In a circle: none of them counts.
    till.send("invoice", &replacing(8, "R00009")).await;
    till.send("invoice", &replacing(9, "R00008")).await;
    // By a customer whom nobody knows: at once. And one that waits, replaced by one that earns: when it comes to earn.
    till.send("invoice", &replacing(10, "R00002")).await;
    till.send("invoice", &bill(11)).await;
    register(&bench, &ingest, 12).await;
    till.send("invoice", &replacing(12, "R00011")).await;
    let expected = ["R00001 by R00002", "R00002 by R00010", "R00003 by R00004", "R00005 by R00006", "R00008 by R00009", "R00009 by R00008"];
    assert_eq!(voided(&bench, 6).await, expected.map(str::to_owned));
    register(&bench, &ingest, 10).await;
    register(&bench, &ingest, 11).await;
    let all = voided(&bench, 7).await;
    assert!(all.contains(&"R00011 by R00012".to_owned()), "{all:?}");
    assert_eq!(bench.number("select count(*) FROM outbox where subject like '%invoice_voided%'").await, 7);
    till.send("void", &void("V1", "R00001")).await;
    assert_eq!(bench.number("select count(*) FROM outbox where subject like '%invoice_voided%'").await, 7, "taken back before");
    assert_eq!(bench.number("select count(*) FROM waiting_correction").await, 0);
    let accepted = bench.accepted(12).await;
    assert_eq!(accepted.values().filter(|invoice| invoice.replaces.is_some()).count(), 8, "each names the one whose place it takes");
    bench.assert_sound().await;
    assert!(ingest.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_copies_and_everything_at_once() {
    const CUSTOMERS: u64 = 40;
    let bench = Bench::start().await;
    let service = || jifen_ingest::service().reads("ingest_documents_again", &["pos.v1.>"], Documents);
    let copies = [bench.copy_of(service()).await, bench.copy_of(service()).await];
    let registrations: Vec<MemberRegistered> = (0..CUSTOMERS).map(|number| bench.registration(number)).collect();
    // Every kind in another order: bills forwards, refunds of them backwards, voids of some from the middle.
    let mut documents = Vec::new();
    for number in 0..CUSTOMERS {
        let (backwards, middle) = (CUSTOMERS - 1 - number, (number + CUSTOMERS / 2) % CUSTOMERS);
        documents.push(("pos.v1.SH01.refund", refund(&format!("C{backwards}"), &format!("R{backwards:05}"), 1, "1.00")));
        documents
            .push(("pos.v1.SH01.invoice", if number % 4 == 1 { replacing(number, &format!("R{:05}", number - 1)) } else { bill(number) }));
        if middle % 4 == 2 {
            documents.push(("pos.v1.SH01.void", void(&format!("V{middle}"), &format!("R{middle:05}"))));
        }
    }
    let documents: Vec<_> = documents.iter().map(|(subject, document)| (*subject, document.to_string().into_bytes())).collect();
    tokio::join!(bench.publish_on(&documents), bench.register(&registrations));
    bench.settled_for(&["ingest_documents", "ingest_documents_again"]).await;
    assert_eq!(bench.events::<InvoiceAccepted>(40).await.len(), 40);
    assert_eq!(bench.events::<InvoiceRefunded>(40).await.len(), 40);
    assert_eq!(bench.events::<InvoiceVoided>(20).await.len(), 20);
    assert_eq!(bench.number("select count(*) FROM outbox where subject like 'evt.%'").await, 100);
    assert_eq!((bench.documents("accepted").await, bench.documents("parked").await), (90, 0));
    assert_eq!(bench.number("select count(*) FROM waiting_correction").await, 0);
    bench.assert_sound().await;
    for copy in copies {
        assert!(copy.stop().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_both_sides_missed_is_paired_by_the_sweep() {
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    let mut till = Till { ingest: &ingest, sequence: 0 };
    register(&bench, &ingest, 1).await;
    till.send("refund", &refund("C1", "R00001", 1, "1.00")).await;
    // Nothing in the service makes this: a hand in the database does.
    let admin = bench.env.admin_pool();
    sqlx::raw_sql("update ingest.document set awaited = null").execute(admin).await.expect("forgotten");
    till.send("invoice", &bill(1)).await;
    run_once(ingest.cx(), &MissedPairs).await.expect("sweep");
    assert_eq!(bench.documents("parked").await, 1, "it may be under way still");
    let older = "update ingest.document set accepted_at = accepted_at - interval '2 minutes' where accepted_at is not null";
    sqlx::raw_sql(older).execute(admin).await.expect("older");
    run_once(ingest.cx(), &MissedPairs).await.expect("sweep");
    run_once(ingest.cx(), &MissedPairs).await.expect("sweep");
    assert_eq!(bench.events::<InvoiceRefunded>(1).await.len(), 1);
    bench.assert_sound().await;
    assert!(ingest.stop().await);
}

#[tokio::test]
async fn corrections_cost_the_same_statements_however_many_they_are() {
    let bench = Bench::start().await;
    let ingest = bench.copy().await;
    let mut till = Till { ingest: &ingest, sequence: 0 };
    let mut costs = Vec::new();
    for (start, size) in [(0, 2), (1_000, 100)] {
        let numbers: Vec<u64> = (start..start + size).collect();
        let mut ahead = Vec::new();
        let mut bills = Vec::new();
        let mut behind = Vec::new();
        for number in &numbers {
            register(&bench, &ingest, *number).await;
            let invoice = format!("R{number:05}");
            for (line, kind) in [(1, "A"), (7, "B")] {
                ahead.push(till.raw("refund", &refund(&format!("{kind}{number}"), &invoice, line, "1.00")));
            }
            bills.push(till.raw("invoice", &bill(*number)));
            behind.push(till.raw("refund", &refund(&format!("C{number}"), &invoice, 1, "1.00")));
            behind.push(till.raw("void", &void(&format!("V{number}"), &invoice)));
        }
        let ahead = statements::within(Box::pin(handle(&ingest, Documents, ahead))).await;
        let bills = statements::within(Box::pin(handle(&ingest, Documents, bills))).await;
        costs.push((ahead, bills, statements::within(Box::pin(handle(&ingest, Documents, behind))).await));
    }
    assert_eq!(costs[0], costs[1]);
    let (ahead, bills, behind) = costs[0];
    assert!(ahead <= 11 && bills <= 16 && behind <= 11, "{costs:?}");
    assert_eq!(bench.number("select count(*) FROM document where voided_by is not null").await, 102);
    bench.assert_sound().await;
    assert!(ingest.stop().await);
}
