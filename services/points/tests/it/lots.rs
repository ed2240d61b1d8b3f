//! What moves the ends of lots, and lots of other systems.

use std::sync::{Arc, atomic::Ordering};

use chrono::{DateTime, Utc};
use jifen_contracts::{
    endpoint::{
        Endpoint, HoldCapture, HoldCaptureRequest, HoldCreate, HoldCreateRequest, ImportStatus, ImportedLot, LotChangeKind, LotsExtend,
        LotsExtendRequest, LotsImport, LotsImportRequest, LotsList, LotsRevive, LotsReviveRequest, MemberRequest, PendingRelease,
        PendingReleaseRequest, Staff,
    },
    event::{AccrualSettled, AccrualSource, Earned, Expired, InvoiceAccepted},
    program::{AppliedProgram, ExpiryMode, PendingRule, Revival},
};
use jifen_kernel::{ManualClock, Points};
use jifen_runtime::ask;

use crate::support::{Bench, activated, awaiting, invoice, program, store, token};

fn at(text: &str) -> DateTime<Utc> {
    text.parse::<DateTime<chrono::FixedOffset>>().expect("instant").to_utc()
}

fn day(text: &str) -> chrono::NaiveDate {
    text.parse().expect("day")
}

fn clock(day: &str) -> Arc<ManualClock> {
    Arc::new(ManualClock::new(at(&format!("{day}T12:00:00+08:00"))))
}

fn by() -> Staff {
    Staff { staff_id: "A017".to_owned(), role: "manager".to_owned() }
}

/// Asks; a refusal is its code.
async fn asked<E: Endpoint>(bench: &Bench, request: E::Request) -> Result<E::Reply, String> {
    ask::<E>(&bench.env.nats("local").await, &request).await.map_err(|problem| problem.code)
}

async fn ends(bench: &Bench, member: &str) -> Vec<(String, i64)> {
    bench.account(member).await.expiring.iter().map(|ends| (ends.on.to_string(), ends.points.0)).collect()
}

async fn changes(bench: &Bench, member: &str) -> Vec<(LotChangeKind, String, String)> {
    let request = MemberRequest { member_no: member.to_owned() };
    let lots = asked::<LotsList>(bench, request).await.expect("lots").lots;
    let shown = |change: &jifen_contracts::endpoint::KeptChange| (change.kind, change.before.to_string(), change.after.to_string());
    lots.iter().flat_map(|lot| lot.changes.iter().map(shown)).collect()
}

fn on(mut bill: InvoiceAccepted, business_date: &str) -> InvoiceAccepted {
    bill.business_date = day(business_date);
    bill
}

#[tokio::test(flavor = "multi_thread")]
async fn every_paid_bill_extends_sliding_points() {
    let bench = Bench::start().await;
    let mut sliding: AppliedProgram = program(1);
    sliding.program.expiry.mode = ExpiryMode::Sliding;
    let time = clock("2026-10-01");
    let copy = bench.copy_at(&time, &[sliding]).await;
    bench.publish(&[invoice("R1", 1, "repair", "100.00"), invoice("R2", 2, "repair", "100.00")], 1).await;
    let _: Vec<Earned> = bench.published(2).await;
    assert_eq!(ends(&bench, "M1").await, [("2028-10-01".to_owned(), 200)]);
    time.set(at("2027-03-15T12:00:00+08:00"));
    // A bill that earns is an activity, one for which nobody paid isn't.
    let free = on(invoice("R4", 2, "repair", "0.00"), "2027-03-15");
    bench.publish(&[on(invoice("R3", 1, "repair", "7.00"), "2027-03-15"), free], 2).await;
    let _: Vec<Earned> = bench.published(4).await;
    assert_eq!(ends(&bench, "M1").await, [("2029-03-15".to_owned(), 207)]);
    assert_eq!(ends(&bench, "M2").await, [("2028-10-01".to_owned(), 200)]);
    let change = (LotChangeKind::Activity, "2028-10-01".to_owned(), "2029-03-15".to_owned());
    assert_eq!((changes(&bench, "M1").await, changes(&bench, "M2").await), (vec![change], vec![]));
    // A bill of an earlier day changes nothing.
    bench.publish(&[on(invoice("R5", 1, "repair", "3.00"), "2027-02-01")], 1).await;
    let _: Vec<Earned> = bench.published(5).await;
    assert_eq!(ends(&bench, "M1").await, [("2029-02-01".to_owned(), 3), ("2029-03-15".to_owned(), 207)]);
    // So is spending.
    time.set(at("2027-04-01T12:00:00+08:00"));
    let hold = HoldCreateRequest {
        operation_id: "H1".to_owned(),
        member_no: "M1".to_owned(),
        points: Points(10),
        store: "SH01".to_owned(),
        expires_in_s: None,
    };
    let hold_id = asked::<HoldCreate>(&bench, hold).await.expect("held").hold_id;
    let capture = HoldCaptureRequest { operation_id: "C1".to_owned(), store: None, hold_id, points: None, document: None };
    asked::<HoldCapture>(&bench, capture).await.expect("captured");
    assert_eq!(ends(&bench, "M1").await, [("2029-04-01".to_owned(), 200)]);
    bench.assert_sound().await;
    assert!(copy.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paid_visit_brings_back_what_ended_once() {
    let bench = Bench::start().await;
    let mut reviving: AppliedProgram = program(1);
    reviving.program.expiry.revival = Some(Revival { within_days: 90, live_days: 60 });
    let time = clock("2028-10-30");
    let copy = bench.copy_at(&time, &[reviving]).await;
    bench.day_done("expiry", "2028-10-30").await;
    // Posted so late that both end 30 days later.
    bench.publish(&[invoice("R1", 1, "repair", "1000.00"), invoice("R2", 2, "repair", "1000.00")], 1).await;
    let _: Vec<Earned> = bench.published(2).await;
    assert_eq!(ends(&bench, "M1").await, [("2028-11-29".to_owned(), 1_100)]);
    time.set(at("2028-11-30T12:00:00+08:00"));
    bench.day_done("expiry", "2028-11-30").await;
    let _: Vec<Expired> = bench.published(2).await;
    assert_eq!((bench.account("M1").await.active, bench.counts().await["breakage/SH01"]), (Points(0), 2_200));
    time.set(at("2028-12-20T12:00:00+08:00"));
    bench.publish(&[on(invoice("R3", 1, "repair", "7.00"), "2028-12-20")], 2).await;
    let _: Vec<Earned> = bench.published(3).await;
    let account = bench.account("M1").await;
    assert_eq!((account.active, account.lifetime), (Points(1_107), Points(1_107)), "revived points don't count again");
    assert_eq!(ends(&bench, "M1").await[0], ("2029-02-18".to_owned(), 1_100), "60 days from the visit");
    assert_eq!(bench.counts().await["breakage/SH01"], 1_100, "out of breakage");
    assert_eq!(changes(&bench, "M1").await, [(LotChangeKind::Revival, "2028-11-29".to_owned(), "2029-02-18".to_owned())]);
    bench.explain_all("M1").await;
    bench.assert_sound().await;
    // They end again, and another visit brings nothing back.
    time.set(at("2029-02-19T12:00:00+08:00"));
    bench.day_done("expiry", "2029-02-19").await;
    bench.publish(&[on(invoice("R4", 1, "repair", "1.00"), "2029-02-19")], 1).await;
    let _: Vec<Earned> = bench.published(4).await;
    assert_eq!(bench.account("M1").await.active, Points(8));
    // Staff: the other member's, within the days, once.
    let request = |id: &str, member: &str| LotsReviveRequest {
        operation_id: id.to_owned(),
        member_no: member.to_owned(),
        lots: Vec::new(),
        by: by(),
        reason: "客户投诉".to_owned(),
    };
    let revived = asked::<LotsRevive>(&bench, request("V1", "M2")).await.expect("revived");
    assert_eq!((revived.lots[0].points, revived.lots[0].after), (Points(1_100), day("2029-04-20")));
    assert_eq!(asked::<LotsRevive>(&bench, request("V1", "M2")).await, Ok(revived), "the same operation");
    assert_eq!(asked::<LotsRevive>(&bench, request("V2", "M2")).await.err().as_deref(), Some("points.not_revivable"));
    assert_eq!(asked::<LotsRevive>(&bench, request("V3", "M1")).await.err().as_deref(), Some("points.not_revivable"));
    // More time for what lives.
    let extend = |id: &str, until: &str| LotsExtendRequest {
        operation_id: id.to_owned(),
        member_no: "M2".to_owned(),
        lots: Vec::new(),
        until: day(until),
        by: by(),
        reason: "停业顺延".to_owned(),
    };
    let extended = asked::<LotsExtend>(&bench, extend("E1", "2029-06-30")).await.expect("extended");
    assert_eq!((extended.lots[0].before, extended.lots[0].after), (day("2029-04-20"), day("2029-06-30")));
    assert_eq!(asked::<LotsExtend>(&bench, extend("E2", "2029-05-31")).await.expect("answered").lots, [], "never sooner");
    assert_eq!(asked::<LotsExtend>(&bench, extend("E3", "2029-02-19")).await.err().as_deref(), Some("points.bad_extension"));
    assert_eq!(ends(&bench, "M2").await, [("2029-06-30".to_owned(), 1_100)]);
    assert_eq!(changes(&bench, "M2").await.len(), 2);
    bench.explain_all("M2").await;
    bench.assert_sound().await;
    assert!(copy.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reviewer_lets_points_go() {
    let bench = Bench::start().await;
    let mut reviewed: AppliedProgram = program(1);
    reviewed.program.earn.pending = [(token("parts"), PendingRule::Review)].into();
    let copy = bench.copy_at(&clock("2026-10-01"), &[reviewed]).await;
    bench.publish(&[invoice("R1", 1, "parts", "100.00"), awaiting(invoice("R2", 2, "parts", "100.00"))], 1).await;
    let _: Vec<Earned> = bench.published(2).await;
    let release = |id: &str, member: &str, document: &str| PendingReleaseRequest {
        operation_id: id.to_owned(),
        member_no: member.to_owned(),
        source: AccrualSource::Invoice,
        store: store(),
        document: document.to_owned(),
        by: by(),
        reason: "已核对".to_owned(),
    };
    let released = asked::<PendingRelease>(&bench, release("P1", "M1", "R1")).await.expect("released");
    assert_eq!((released.released, released.active), (Points(220), Points(220)));
    assert_eq!(asked::<PendingRelease>(&bench, release("P2", "M1", "R1")).await.err().as_deref(), Some("points.no_review"));
    let released = asked::<PendingRelease>(&bench, release("P3", "M2", "R2")).await.expect("released");
    assert_eq!((released.released, released.active), (Points(220), Points(0)), "its member isn't activated");
    bench.publish(&[activated(2)], 1).await;
    bench.settled().await;
    assert_eq!(bench.account("M2").await.active, Points(220));
    bench.explain_all("M1").await;
    bench.assert_sound().await;
    assert!(copy.stop().await);
}

/// Two copies, the same file twice at once: each line once.
#[tokio::test(flavor = "multi_thread")]
async fn opening_balances_are_imported_once() {
    let bench = Bench::start().await;
    let time = clock("2026-10-01");
    let asked_of_member = bench.stand_in_for_member(&[2, 3]).await;
    let copies = [bench.copy_at(&time, &[program(1)]).await, bench.copy_at(&time, &[program(1)]).await];
    // Accounts are known; the second member isn't activated, nor is the third, of whom nothing waits.
    let waiting = [awaiting(invoice("R2", 2, "repair", "1.00")), awaiting(invoice("R3", 3, "repair", "0.00"))];
    bench.publish(&[invoice("R1", 1, "repair", "1.00")], 1).await;
    bench.publish(&waiting, 1).await;
    let _: Vec<Earned> = bench.published(3).await;
    let lot = |line: &str, member: &str, points: i64| ImportedLot {
        line: line.to_owned(),
        nth: None,
        member_no: member.to_owned(),
        store: store(),
        points: Points(points),
        expires_on: day("2027-06-30"),
        earned_on: None,
        qualifying: false,
    };
    let mut wrong_store = lot("6", "M1", 5);
    wrong_store.store = jifen_kernel::StoreCode::try_new("XX99").expect("a code");
    let mut over = lot("7", "M1", 5);
    over.expires_on = day("2026-10-01");
    let lots = vec![
        lot("1", "M1", 1_000),
        ImportedLot { qualifying: true, ..lot("2", "M1", 300) },
        lot("3", "M2", 50),
        lot("1", "M1", 1_000),
        lot("5", "M1", 0),
        wrong_store,
        over,
        lot("8", "M3", 70),
        lot("9", "M0", 70),
    ];
    let request = |id: &str, dry_run: bool, lots: &[ImportedLot]| LotsImportRequest {
        operation_id: id.to_owned(),
        source: token("old_system"),
        dry_run,
        lots: lots.to_vec(),
    };
    let told = |reply: &jifen_contracts::endpoint::LotsImportReply| -> Vec<(ImportStatus, Option<String>)> {
        reply.lots.iter().map(|lot| (lot.status, lot.code.clone())).collect()
    };
    let rejected = |code: &str| (ImportStatus::Rejected, Some(code.to_owned()));
    let wrong = [rejected("points.import_amount"), rejected("points.unknown_store"), rejected("points.import_ended")];
    let unknown = rejected("member.unknown");
    let dry = asked::<LotsImport>(&bench, request("D1", true, &lots)).await.expect("judged");
    assert_eq!((&told(&dry)[4..7], &told(&dry)[8]), (&wrong[..], &unknown));
    assert_eq!(asked_of_member.load(Ordering::Relaxed), 1, "one question for all");
    assert_eq!(bench.number("select count(*) FROM imported_lot").await, 0);
    let both =
        tokio::join!(asked::<LotsImport>(&bench, request("I1", false, &lots)), asked::<LotsImport>(&bench, request("I2", false, &lots)));
    let (one, other) = (told(&both.0.expect("imported")), told(&both.1.expect("imported")));
    let imported = one.iter().chain(&other).filter(|(status, _)| *status == ImportStatus::Imported).count();
    assert_eq!((imported, &one[4..7], &other[4..7]), (4, &wrong[..], &wrong[..]));
    let again = asked::<LotsImport>(&bench, request("I3", false, &[lot("1", "M1", 1_000), lot("2", "M1", 301)])).await.expect("judged");
    assert_eq!(told(&again), [(ImportStatus::Duplicate, None), rejected("points.import_conflict")]);
    let (first, second) = (bench.account("M1").await, bench.account("M2").await);
    assert_eq!((first.active, first.lifetime), (Points(101 + 1_300), Points(101 + 300)), "not qualifying unless the file says so");
    assert_eq!((second.active, second.pending), (Points(0), Points(101 + 50)));
    assert_eq!(first.expiring.iter().map(|ends| ends.on).collect::<Vec<_>>(), [day("2027-06-30"), day("2028-10-31")]);
    let third = bench.account("M3").await;
    assert_eq!((third.active, third.pending), (Points(0), Points(70)), "an account says nothing of an activation");
    let settled: Vec<AccrualSettled> = bench.published(4).await;
    assert!(settled.iter().all(|event| event.source == AccrualSource::Import));
    assert_eq!(settled.iter().map(|event| event.qualifying().0).sum::<i64>(), 300);
    bench.publish(&[activated(3)], 1).await;
    bench.settled().await;
    assert_eq!(bench.account("M3").await.active, Points(70));
    bench.explain_all("M1").await;
    bench.assert_sound().await;
    for copy in copies {
        assert!(copy.stop().await);
    }
}

/// A row was rejected and is taken out of the file: those behind it move up, and stay who they were. Rows that an older release knew by
/// their line of the file are not imported again.
#[tokio::test(flavor = "multi_thread")]
async fn a_lot_without_a_name_is_known_by_what_it_says() {
    let bench = Bench::start().await;
    let _ = bench.stand_in_for_member(&[]).await;
    let copy = bench.copy_at(&clock("2026-10-01"), &[program(1)]).await;
    bench.publish(&[invoice("R1", 1, "repair", "1.00")], 1).await;
    let _: Vec<Earned> = bench.published(1).await;
    let lot = |line: &str, nth: u32, points: i64| ImportedLot {
        line: line.to_owned(),
        nth: (nth > 0).then_some(nth),
        member_no: "M1".to_owned(),
        store: store(),
        points: Points(points),
        expires_on: day("2027-06-30"),
        earned_on: None,
        qualifying: false,
    };
    let import = async |id: &str, dry_run: bool, lots: Vec<ImportedLot>| {
        let request = LotsImportRequest { operation_id: id.to_owned(), source: token("old_system"), dry_run, lots };
        let reply = asked::<LotsImport>(&bench, request).await.expect("judged");
        reply.lots.into_iter().map(|lot| lot.code.unwrap_or_else(|| format!("{:?}", lot.status))).collect::<Vec<_>>()
    };
    let (imported, duplicate) = ("Imported", "Duplicate");
    assert_eq!(
        import("I1", false, vec![lot("", 1, 500), lot("", 1, 0), lot("", 1, 700)]).await,
        [imported, "points.import_amount", imported]
    );
    assert_eq!(import("I2", false, vec![lot("", 1, 500), lot("", 1, 700)]).await, [duplicate, duplicate]);
    assert_eq!(import("I3", false, vec![lot("", 1, 300), lot("", 2, 500), lot("", 1, 500)]).await, [imported, imported, duplicate]);
    // By an older release, two of them alike, by their lines: they are the first two.
    assert_eq!(import("I4", false, vec![lot("2", 0, 90), lot("3", 0, 90)]).await, [imported, imported]);
    let moved = vec![lot("", 1, 90), lot("", 2, 90), lot("", 3, 90)];
    assert_eq!(import("I5", true, moved.clone()).await, [duplicate, duplicate, imported]);
    assert_eq!(import("I6", false, moved.clone()).await, [duplicate, duplicate, imported]);
    assert_eq!(import("I7", false, moved).await, [duplicate, duplicate, duplicate]);
    // A name is a name, a number counts from 1, and nobody has both.
    let wrong = vec![lot("~9", 0, 1), lot("4", 1, 1), ImportedLot { nth: Some(0), ..lot("", 1, 1) }, lot("", 0, 1)];
    assert_eq!(import("I8", false, wrong).await, ["points.bad_text"; 4]);
    let account = bench.account("M1").await;
    assert_eq!(account.active, Points(101 + 500 + 700 + 300 + 500 + 3 * 90));
    bench.explain_all("M1").await;
    bench.assert_sound().await;
    assert!(copy.stop().await);
}
