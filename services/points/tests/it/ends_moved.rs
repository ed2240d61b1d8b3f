//! What an activity moves, and what it doesn't: each as if it had come alone.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use jifen_contracts::{
    endpoint::{
        Endpoint, HoldCapture, HoldCaptureRequest, HoldCreate, HoldCreateRequest, HoldRelease, HoldReleaseRequest, ImportedLot,
        LotChangeKind, LotsExtend, LotsExtendRequest, LotsImport, LotsImportRequest, LotsList, MemberRequest, Staff,
    },
    event::{Earned, Expired, InvoiceAccepted, InvoiceVoided, Returned},
    program::{AppliedProgram, ExpiryMode, Revival},
};
use jifen_kernel::{ManualClock, Points};
use jifen_runtime::ask;
use uuid::Uuid;

use crate::support::{Bench, invoice, program, store, token};

fn at(text: &str) -> DateTime<Utc> {
    format!("{text}T12:00:00+08:00").parse::<DateTime<chrono::FixedOffset>>().expect("instant").to_utc()
}

fn day(text: &str) -> chrono::NaiveDate {
    text.parse().expect("day")
}

fn clock(day: &str) -> Arc<ManualClock> {
    Arc::new(ManualClock::new(at(day)))
}

fn sliding() -> AppliedProgram {
    let mut sliding = program(1);
    sliding.program.expiry.mode = ExpiryMode::Sliding;
    sliding
}

fn on(mut bill: InvoiceAccepted, business_date: &str) -> InvoiceAccepted {
    bill.business_date = day(business_date);
    bill
}

/// Asks; a refusal is its code.
async fn asked<E: Endpoint>(bench: &Bench, request: E::Request) -> Result<E::Reply, String> {
    ask::<E>(&bench.env.nats("local").await, &request).await.map_err(|problem| problem.code)
}

async fn ends(bench: &Bench, member: &str) -> Vec<(String, i64)> {
    bench.account(member).await.expiring.iter().map(|ends| (ends.on.to_string(), ends.points.0)).collect()
}

async fn post(bench: &Bench, bill: InvoiceAccepted, count: usize) {
    bench.publish(&[bill], 1).await;
    let _: Vec<Earned> = bench.published(count).await;
}

async fn hold(bench: &Bench, operation: &str, points: i64) -> Uuid {
    let request = HoldCreateRequest {
        operation_id: operation.to_owned(),
        member_no: "M1".to_owned(),
        points: Points(points),
        store: "SH01".to_owned(),
        expires_in_s: None,
    };
    asked::<HoldCreate>(bench, request).await.expect("held").hold_id
}

/// A lot, as it doesn't depend on whose it is.
type Shown = (String, i64, String, Vec<(LotChangeKind, String, String)>);

async fn lots(bench: &Bench, member: usize) -> Vec<Shown> {
    let lots = asked::<LotsList>(bench, MemberRequest { member_no: format!("M{member}") }).await.expect("lots").lots;
    let shown = lots.into_iter().map(|lot| {
        let (document, _) = lot.document.split_once('-').expect("of a member");
        let changes = lot.changes.iter().map(|change| (change.kind, change.before.to_string(), change.after.to_string())).collect();
        (document.to_owned(), lot.remaining.0, lot.expires_on.to_string(), changes)
    });
    let mut shown: Vec<Shown> = shown.collect();
    shown.sort_by(|one, other| one.0.cmp(&other.0));
    shown
}

#[tokio::test(flavor = "multi_thread")]
async fn however_visits_are_batched_the_lots_are_the_same() {
    let bench = Bench::start().await;
    let mut rules = sliding();
    rules.program.expiry.revival = Some(Revival { within_days: 90, live_days: 60 });
    let time = clock("2028-08-25");
    let copy = bench.copy_at(&time, &[rules.clone()]).await;
    bench.day_done("expiry", "2028-08-25").await;
    // In how many parts the six visits of each member come.
    let parts: [&[usize]; 4] = [&[1, 1, 1, 1, 1, 1], &[6], &[2, 4], &[3, 1, 2]];
    let who = |member: usize| u128::try_from(member).expect("a member") + 1;
    for member in 0..parts.len() {
        let bill = |number: &str, amount: &str| invoice(&format!("{number}-{member}"), who(member), "repair", amount);
        bench.publish(&[on(bill("live", "10.00"), "2027-01-15"), on(bill("old", "100.00"), "2026-09-30")], 1).await;
    }
    let _: Vec<Earned> = bench.published(2 * parts.len()).await;
    time.set(at("2028-10-05"));
    bench.day_done("expiry", "2028-10-05").await;
    let _: Vec<Expired> = bench.published(parts.len()).await;
    assert!(copy.stop().await);
    // In stream order: some are late, and some are of one day.
    let visits = ["2028-09-20", "2028-10-05", "2028-09-25", "2028-07-10", "2028-10-05", "2028-10-01"];
    let mut count = 2 * parts.len();
    for round in 0..6 {
        let mut bills = Vec::new();
        for (member, parts) in parts.iter().enumerate() {
            let before: usize = parts.iter().take(round).sum();
            let next = visits.iter().enumerate().skip(before).take(parts.get(round).copied().unwrap_or_default());
            bills.extend(next.map(|(number, day)| {
                let amount = format!("{}.00", number + 1);
                on(invoice(&format!("V{number}-{member}"), who(member), "repair", &amount), day)
            }));
        }
        count += bills.len();
        bench.publish(&bills, 1).await;
        let copy = bench.copy_at(&time, &[rules.clone()]).await;
        let _: Vec<Earned> = bench.published(count).await;
        assert!(copy.stop().await);
    }
    let copy = bench.copy_at(&time, &[rules]).await;
    let alone = lots(&bench, 1).await;
    assert_eq!(alone.len(), 8);
    let old = (LotChangeKind::Revival, "2028-09-30".to_owned(), "2028-12-04".to_owned());
    assert_eq!(alone[7], ("old".to_owned(), 100, "2028-12-04".to_owned(), vec![old]), "once, with an end of its own");
    for member in 2..=parts.len() {
        assert_eq!(lots(&bench, member).await, alone, "{:?}", parts[member - 1]);
    }
    bench.assert_sound().await;
    assert!(copy.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn points_that_are_held_just_then_live_on_too() {
    let bench = Bench::start().await;
    let time = clock("2026-10-01");
    let copy = bench.copy_at(&time, &[sliding()]).await;
    post(&bench, invoice("R1", 1, "repair", "100.00"), 1).await;
    time.set(at("2027-03-15"));
    let hold_id = hold(&bench, "H1", 200).await;
    post(&bench, on(invoice("R2", 1, "repair", "7.00"), "2027-03-15"), 2).await;
    let release = HoldReleaseRequest { operation_id: "L1".to_owned(), store: None, hold_id };
    asked::<HoldRelease>(&bench, release).await.expect("released");
    assert_eq!(ends(&bench, "M1").await, [("2029-03-15".to_owned(), 207)]);
    bench.assert_sound().await;
    assert!(copy.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_an_end_of_its_own_keeps_it() {
    let bench = Bench::start().await;
    let time = clock("2026-10-01");
    bench.stand_in_for_member(&[]).await;
    let copy = bench.copy_at(&time, &[sliding()]).await;
    post(&bench, invoice("R1", 1, "repair", "100.00"), 1).await;
    // All of it is spent for a bill, which is voided when its end is over: the days of grace.
    let hold_id = hold(&bench, "H1", 200).await;
    let document = Some("R9".to_owned());
    let capture = HoldCaptureRequest { operation_id: "C1".to_owned(), store: None, hold_id, points: None, document };
    asked::<HoldCapture>(&bench, capture).await.expect("captured");
    time.set(at("2028-10-02"));
    let bill = invoice("R9", 1, "repair", "10.00");
    let voided = InvoiceVoided {
        store: store(),
        void_no: "V1".to_owned(),
        invoice_no: "R9".to_owned(),
        member_id: bill.member_id,
        member_no: bill.member_no.clone(),
        voided_at: at("2028-10-02"),
        business_date: day("2028-10-02"),
        program_version: 1,
        received_at: at("2028-10-02"),
        replaced: false,
    };
    bench.publish(&[voided], 1).await;
    let _: Vec<Returned> = bench.published(1).await;
    let imported = ImportedLot {
        line: "1".to_owned(),
        nth: None,
        member_no: "M1".to_owned(),
        store: store(),
        points: Points(1_000),
        expires_on: day("2029-06-30"),
        earned_on: None,
        qualifying: false,
    };
    let import = LotsImportRequest { operation_id: "I1".to_owned(), source: token("old_system"), dry_run: false, lots: vec![imported] };
    asked::<LotsImport>(&bench, import).await.expect("imported");
    let before = ends(&bench, "M1").await;
    assert_eq!(before.len(), 2, "{before:?}");
    post(&bench, on(invoice("R2", 1, "repair", "7.00"), "2028-10-02"), 2).await;
    let after = ends(&bench, "M1").await;
    assert_eq!((&after[..2], &after[2]), (&before[..], &("2030-10-02".to_owned(), 7)));
    bench.assert_sound().await;
    assert!(copy.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_ended_is_not_extended_before_the_daily_run_either() {
    let bench = Bench::start().await;
    let time = clock("2026-10-01");
    let copy = bench.copy_at(&time, &[sliding()]).await;
    post(&bench, invoice("R1", 1, "repair", "100.00"), 1).await;
    bench.day_done("expiry", "2026-10-01").await;
    // As between midnight and the run of the day.
    sqlx::query("update points.lot set expires_on = '2026-09-30'").execute(bench.env.admin_pool()).await.expect("aged");
    let lot_id = asked::<LotsList>(&bench, MemberRequest { member_no: "M1".to_owned() }).await.expect("lots").lots[0].lot_id;
    let extend = |id: &str, lots: Vec<Uuid>| LotsExtendRequest {
        operation_id: id.to_owned(),
        member_no: "M1".to_owned(),
        lots,
        until: day("2027-12-31"),
        by: Staff { staff_id: "A017".to_owned(), role: "manager".to_owned() },
        reason: "停业顺延".to_owned(),
    };
    assert_eq!(asked::<LotsExtend>(&bench, extend("E1", Vec::new())).await.expect("answered").lots, []);
    assert_eq!(asked::<LotsExtend>(&bench, extend("E2", vec![lot_id])).await.err().as_deref(), Some("points.lot_unknown"));
    post(&bench, on(invoice("R2", 1, "repair", "7.00"), "2026-09-30"), 2).await;
    assert_eq!(ends(&bench, "M1").await[0], ("2026-09-30".to_owned(), 200));
    bench.assert_sound().await;
    assert!(copy.stop().await);
}
