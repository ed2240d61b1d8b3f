//! Holds at the till: many clients on one balance, on one hold, on one operation; voids; time.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use jifen_contracts::{
    Problem, code,
    endpoint::{
        AccountGet, HoldCapture, HoldCaptureRequest, HoldCreate, HoldCreateRequest, HoldExtend, HoldExtendRequest, HoldRelease,
        HoldReleaseRequest, HoldReply, HoldState, MemberRequest, QuoteGet, QuoteReply, QuoteRequest,
    },
    event::{AccrualSettled, Captured, Earned, Held, InvoiceAccepted, InvoiceVoided, ReleaseCause, Released, Returned, Reversed},
};
use jifen_kernel::{Money, Points, StoreCode, clock::ManualClock};
use jifen_points::{CaptureHold, CreateHold, InvoiceAcceptedHandler, InvoiceVoidedHandler, jobs::expiry::Expiry};
use jifen_runtime::{Running, ask, context::ClockHandle, daily::run_due};
use jifen_testkit::{DEADLINE, bus, eventually, samples, statements};
use uuid::Uuid;

use crate::{
    batches::Ledger,
    support::{Bench, grant, invoice, program},
};

/// Clients at once.
const CLIENTS: usize = 64;

type Answer = Result<HoldReply, Problem>;

/// A running system in which time stands still unless it is set.
struct Tills {
    bench: Bench,
    nats: async_nats::Client,
    clock: Arc<ManualClock>,
    copies: Vec<Running>,
}

fn now() -> DateTime<Utc> {
    "2026-10-09T02:20:00Z".parse().expect("instant")
}

impl Tills {
    /// With so many copies, and so many points for member 1.
    async fn open(copies: usize, points: i64) -> Self {
        let bench = Bench::start().await;
        let mut rules = program(1);
        rules.program.stores = serde_json::from_value(serde_json::json!([samples::store("SH01"), samples::store("SH02")])).expect("stores");
        samples::remember(&bench.env, "points", &[rules]).await;
        let clock = Arc::new(ManualClock::new(now()));
        let nats = bench.env.nats("local").await;
        let mut tills = Self { bench, nats, clock, copies: Vec::new() };
        for _ in 0..copies {
            tills.start().await;
        }
        tills.give("p1", points).await;
        tills
    }

    async fn start(&mut self) {
        let mut config = self.bench.config();
        config.clock = ClockHandle(self.clock.clone());
        self.copies.push(jifen_points::service().start(config).await.expect("points starts"));
    }

    async fn give(&self, participation: &str, points: i64) {
        let before = bus::count(&self.bench.env, "EVENTS", "evt.points.accrual_settled.>").await;
        self.bench.publish(&[grant(participation, 1, points)], 1).await;
        let _: Vec<AccrualSettled> = self.bench.published(before + 1).await;
    }

    async fn hold(&self, operation: &str, points: i64) -> Answer {
        let request = HoldCreateRequest {
            operation_id: operation.to_owned(),
            store: "SH02".to_owned(),
            member_no: "M1".to_owned(),
            points: Points(points),
            expires_in_s: None,
        };
        ask::<HoldCreate>(&self.nats, &request).await
    }

    async fn capture(&self, operation: &str, hold_id: Uuid, points: Option<i64>, document: Option<&str>) -> Answer {
        let (points, document) = (points.map(Points), document.map(str::to_owned));
        ask::<HoldCapture>(&self.nats, &HoldCaptureRequest { operation_id: operation.to_owned(), store: None, hold_id, points, document })
            .await
    }

    async fn release(&self, operation: &str, hold_id: Uuid) -> Answer {
        ask::<HoldRelease>(&self.nats, &HoldReleaseRequest { operation_id: operation.to_owned(), store: None, hold_id }).await
    }

    async fn extend(&self, operation: &str, hold_id: Uuid, seconds: u32) -> Answer {
        let request =
            HoldExtendRequest { operation_id: operation.to_owned(), store: Some("SH02".to_owned()), hold_id, expires_in_s: Some(seconds) };
        ask::<HoldExtend>(&self.nats, &request).await
    }

    /// active, reserved, debt.
    async fn balance(&self) -> (i64, i64, i64) {
        let account = ask::<AccountGet>(&self.nats, &MemberRequest { member_no: "M1".to_owned() }).await.expect("account");
        (account.active.0, account.reserved.0, account.debt.0)
    }

    /// The last day of all lots so far.
    async fn end_lots(&self, day: &'static str) {
        sqlx::query("update points.lot set expires_on = $1::date")
            .bind(day.parse::<chrono::NaiveDate>().expect("date"))
            .execute(self.bench.env.admin_pool())
            .await
            .expect("aged");
    }

    async fn void(&self, document: &str, by: &str, replaced: bool) {
        let bill = InvoiceAccepted { store: StoreCode::try_new("SH02").expect("store"), ..invoice(document, 1, "repair", "10.00") };
        let voided = InvoiceVoided { void_no: by.to_owned(), replaced, ..voided_of(&bill) };
        self.bench.publish(&[voided], 2).await;
        self.bench.settled().await;
    }

    async fn close(self) {
        self.bench.assert_sound().await;
        self.bench.explain_all("M1").await;
        for copy in self.copies {
            assert!(copy.stop().await);
        }
    }
}

fn refusals(answers: &[Answer]) -> Vec<&str> {
    let mut codes: Vec<&str> = answers.iter().filter_map(|answer| answer.as_ref().err()).map(|problem| problem.code.as_str()).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

fn names(prefix: &str) -> Vec<String> {
    (0..CLIENTS).map(|number| format!("{prefix}-{number}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tills_one_balance_one_wins() {
    let tills = Tills::open(2, 1_500).await;
    let operations = names("hold");
    let answers = join_all(operations.iter().map(|operation| tills.hold(operation, 1_000))).await;
    let won: Vec<&HoldReply> = answers.iter().flatten().collect();
    assert_eq!((won.len(), won[0].reserved.0, won[0].active.0), (1, 1_000, 500));
    assert_eq!(refusals(&answers), [code::POINTS_INSUFFICIENT.code]);
    // Every repeat gets its own answer again, also when there are enough points meanwhile.
    tills.give("p2", 5_000).await;
    let repeated = join_all(operations.iter().map(|operation| tills.hold(operation, 1_000))).await;
    assert_eq!(repeated, answers);
    let held: Vec<Held> = tills.bench.published(1).await;
    assert_eq!((held.len(), held[0].points.0, held[0].expires_at), (1, 1_000, now() + TimeDelta::seconds(600)));
    assert_eq!(tills.balance().await, (5_500, 1_000, 0));
    tills.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_operation_of_many_clients_counts_once() {
    let tills = Tills::open(2, 64_000).await;
    let answers = join_all((0..CLIENTS).map(|_| tills.hold("the-one", 1_000))).await;
    assert!(answers.iter().all(|answer| answer == &answers[0] && answer.is_ok()), "one answer for all: {answers:?}");
    assert_eq!(tills.balance().await, (63_000, 1_000, 0));
    let other = tills.hold("the-one", 999).await.expect_err("other content");
    assert_eq!(other.code, code::OPERATION_CONFLICT.code);
    let hold_id = answers[0].as_ref().expect("held").hold_id;
    let answers = join_all((0..CLIENTS).map(|_| tills.capture("capture", hold_id, Some(400), None))).await;
    assert!(answers.iter().all(|answer| answer == &answers[0] && answer.is_ok()), "{answers:?}");
    assert_eq!(tills.balance().await, (63_600, 0, 0));
    tills.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_capture_release_and_expiry_one_happens() {
    for round in 0..3 {
        let tills = Tills::open(2, 1_000).await;
        let hold_id = tills.hold("hold", 1_000).await.expect("held").hold_id;
        // Its time ends while they ask.
        let (captures, releases) = (names("capture"), names("release"));
        let asked = async {
            let asked = captures.iter().zip(&releases).map(|(capture, release)| async {
                let both = tokio::join!(tills.capture(capture, hold_id, Some(600), Some("R9")), tills.release(release, hold_id));
                [both.0, both.1]
            });
            join_all(asked).await.into_iter().flatten().collect::<Vec<_>>()
        };
        let ends = async {
            if round > 0 {
                tills.clock.set(now() + TimeDelta::seconds(601));
            }
        };
        let answers = if round == 1 { tokio::join!(ends, asked).1 } else { tokio::join!(asked, ends).0 };
        let won: Vec<&HoldReply> = answers.iter().flatten().collect();
        assert!(won.len() <= 1, "{won:?}");
        let allowed = [code::HOLD_EXPIRED.code, code::HOLD_RESOLVED.code];
        assert!(refusals(&answers).iter().all(|code| allowed.contains(code)), "{:?}", refusals(&answers));
        let state = eventually(DEADLINE, || async {
            let state: String =
                sqlx::query_scalar("select state from points.hold").fetch_one(tills.bench.env.admin_pool()).await.expect("state");
            (state != "open").then_some(state)
        })
        .await;
        let expected = won.first().map_or(HoldState::Expired, |won| won.state);
        assert_eq!(state, expected.as_str());
        let balance = if expected == HoldState::Captured { (400, 0, 0) } else { (1_000, 0, 0) };
        assert_eq!(tills.balance().await, balance);
        assert_eq!(tills.bench.number("select count(*) FROM entry where kind = 'hold'").await, 1);
        let resolved = tills
            .bench
            .number("select count(*) FROM outbox where subject like 'evt.points.captured%' or subject like 'evt.points.released%'");
        assert_eq!(resolved.await, 1);
        tills.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_too_long_comes_back_once_whatever_the_number_of_copies() {
    let tills = Tills::open(3, 64_000).await;
    let operations = names("hold");
    let held = join_all(operations.iter().map(|operation| tills.hold(operation, 500))).await;
    assert_eq!(held.iter().flatten().count(), CLIENTS);
    let first = held[0].as_ref().expect("held").hold_id;
    let extended = tills.extend("longer", first, 1_200).await.expect("extended");
    assert_eq!(extended.expires_at, now() + TimeDelta::seconds(1_200));
    assert_eq!(tills.extend("too-long", first, 86_401).await.expect_err("a limit").code, code::HOLD_TOO_LONG.code);
    tills.clock.set(now() + TimeDelta::seconds(600));
    let released: Vec<Released> = tills.bench.published(CLIENTS - 1).await;
    assert!(released.iter().all(|released| released.cause == ReleaseCause::Expired && released.points == Points(500)));
    assert_eq!(tills.balance().await, (63_500, 500, 0));
    let last = held[1].as_ref().expect("held").hold_id;
    assert_eq!(tills.capture("late", last, None, None).await.expect_err("over").code, code::HOLD_EXPIRED.code);
    assert_eq!(tills.extend("late", last, 60).await.expect_err("over").code, code::HOLD_EXPIRED.code);
    tills.capture("in-time", first, None, None).await.expect("captured");
    assert_eq!(tills.balance().await, (63_500, 0, 0));
    assert_eq!(tills.bench.number("select count(*) FROM entry where kind = 'release'").await, i64::try_from(CLIENTS - 1).expect("few"));
    tills.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voided_invoice_gives_back_what_paid_for_it_once() {
    let tills = Tills::open(2, 1_000).await;
    let hold_id = tills.hold("hold", 1_000).await.expect("held").hold_id;
    let captured = tills.capture("capture", hold_id, Some(800), Some("R9")).await.expect("captured");
    assert_eq!((captured.captured.0, captured.active.0, captured.reserved.0), (800, 200, 0));
    // Reopened: it counts for the bill that took its place. Then that one is voided.
    tills.void("R9", "R10", true).await;
    assert_eq!(tills.balance().await, (200, 0, 0));
    tills.void("R10", "V1", false).await;
    let returned: Vec<Returned> = tills.bench.published(1).await;
    assert_eq!((returned[0].points.0, returned[0].document.as_str(), returned[0].expired.0), (800, "R9", 0));
    assert_eq!(tills.balance().await, (1_000, 0, 0));
    assert_eq!(tills.bench.number("select count(*) FROM lot").await, 1, "it came back to its own lot");
    // A till that is late is told.
    let hold_id = tills.hold("hold-2", 100).await.expect("held").hold_id;
    for (operation, document) in [("late-1", "R9"), ("late-2", "R10")] {
        let refused = tills.capture(operation, hold_id, None, Some(document)).await.expect_err("voided");
        assert_eq!(refused.code, code::HOLD_DOCUMENT_VOIDED.code);
    }
    assert_eq!(tills.balance().await, (900, 100, 0));
    let _: Vec<Captured> = tills.bench.published(1).await;
    tills.close().await;
}

/// The void and the capture are under way at once: whichever is second, the points are spent or back, never lost and never both.
#[tokio::test(flavor = "multi_thread")]
async fn a_void_meets_a_capture_that_is_under_way() {
    let tills = Tills::open(2, 8_000).await;
    let mut holds = Vec::new();
    for number in 0..8 {
        holds.push(tills.hold(&format!("hold-{number}"), 1_000).await.expect("held").hold_id);
    }
    let captures = holds.iter().enumerate().map(|(number, hold)| {
        let tills = &tills;
        async move { tills.capture(&format!("capture-{number}"), *hold, None, Some(&format!("R{number}"))).await }
    });
    let voids = (0..8).map(|number| {
        let tills = &tills;
        async move { tills.void(&format!("R{number}"), &format!("V{number}"), false).await }
    });
    let (answers, _) = tokio::join!(join_all(captures), join_all(voids));
    assert!(refusals(&answers).iter().all(|code| *code == code::HOLD_DOCUMENT_VOIDED.code), "{:?}", refusals(&answers));
    let captured = answers.iter().flatten().count();
    let returned: Vec<Returned> = tills.bench.published(captured).await;
    assert_eq!(returned.len(), captured);
    let refused = i64::try_from(8 - captured).expect("few") * 1_000;
    assert_eq!(tills.balance().await, (8_000 - refused, refused, 0));
    tills.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_too_late_ends_or_lives_by_grace() {
    let tills = Tills::open(1, 900).await;
    let hold_id = tills.hold("hold", 600).await.expect("held").hold_id;
    tills.capture("capture", hold_id, None, Some("R9")).await.expect("captured");
    let held = tills.hold("hold-2", 300).await.expect("held").hold_id;
    tills.end_lots("2026-10-08").await;
    // Held points outlive their end and die on release.
    let released = tills.release("release", held).await.expect("released");
    assert_eq!((released.active.0, released.reserved.0), (0, 0));
    tills.void("R9", "V1", false).await;
    let returned: Vec<Returned> = tills.bench.published(1).await;
    assert_eq!((returned[0].points.0, returned[0].expired.0), (600, 0));
    assert_eq!(tills.balance().await, (600, 0, 0));
    let graced = "select count(*) FROM lot where remaining = 600 and expires_on = '2026-11-08' and store = 'SH01'";
    assert_eq!(tills.bench.number(graced).await, 1);
    tills.close().await;
}

/// Between midnight and the daily run a lot whose last day is over is there and can't be spent: nobody is promised what a hold refuses.
#[tokio::test(flavor = "multi_thread")]
async fn what_has_ended_is_neither_promised_nor_held() {
    let tills = Tills::open(1, 800).await;
    tills.bench.day_done("expiry", "2026-10-09").await;
    let quote = async || {
        let bill = Money::try_new("12.50").expect("money");
        let quote = QuoteRequest { store: None, bill, member_no: Some("M1".to_owned()), points: None, offset: None };
        let quote = ask::<QuoteGet>(&tills.nats, &quote).await.expect("a quote");
        (quote.active.map(|active| active.0), quote.points.0)
    };
    assert_eq!(quote().await, (Some(800), 800));
    let held = tills.hold("hold", 300).await.expect("held").hold_id;
    tills.end_lots("2026-10-08").await;
    assert_eq!(quote().await, (Some(0), 0));
    assert_eq!(tills.hold("late", 100).await.expect_err("over").code, code::POINTS_INSUFFICIENT.code);
    // What comes back ends at once, the rest is the daily run's: both can be computed again.
    tills.release("release", held).await.expect("released");
    assert_eq!(tills.balance().await, (500, 0, 0));
    tills.bench.explain_all("M1").await;
    tills.clock.set("2026-10-10T04:00:00Z".parse().expect("instant"));
    tills.bench.day_done("expiry", "2026-10-10").await;
    assert_eq!(tills.balance().await, (0, 0, 0));
    tills.close().await;
}

/// What came back when its lot was over, and ended again, has ended unspent as well: nothing else pays for it when it is taken back.
#[tokio::test(flavor = "multi_thread")]
async fn what_ended_in_its_days_of_grace_is_claimed_from_nobody() {
    let ledger = Ledger::start(now(), &[program(1)]).await;
    let (bill, paid) = (invoice("R1", 1, "repair", "1000.00"), invoice("R2", 1, "repair", "10.00"));
    ledger.handle(InvoiceAcceptedHandler, std::slice::from_ref(&bill)).await;
    let spend = async |operation: &str, points: i64, document: &str| {
        let request = HoldCreateRequest {
            operation_id: operation.to_owned(),
            store: "SH01".to_owned(),
            member_no: "M1".to_owned(),
            points: Points(points),
            expires_in_s: None,
        };
        let hold_id = ledger.ask(CreateHold, vec![request]).await.1[0].hold_id;
        let (operation_id, document) = (operation.to_owned(), Some(document.to_owned()));
        ledger.ask(CaptureHold, vec![HoldCaptureRequest { operation_id, store: None, hold_id, points: None, document }]).await;
    };
    // All of it is spent, comes back into a lot of its own, is spent from there, and comes back once more.
    for (round, number) in ["R2", "R3"].into_iter().enumerate() {
        spend(number, 1_100, number).await;
        ledger.sql("update points.lot set expires_on = '2026-10-08'").await;
        let void_no = format!("V{round}");
        ledger.handle(InvoiceVoidedHandler, &[InvoiceVoided { void_no, invoice_no: number.to_owned(), ..voided_of(&paid) }]).await;
    }
    assert_eq!(
        ledger.bench.number("select count(*) FROM grace_lot g join points.lot l on l.lot_id = g.of_lot where l.document = 'R1'").await,
        2
    );
    assert_eq!(ledger.bench.number("select count(distinct of_lot) FROM grace_lot").await, 1, "the first one");
    ledger.clock.set("2026-12-01T04:00:00Z".parse().expect("instant"));
    run_due(ledger.cx(), &Expiry::default()).await.expect("ended");
    assert_eq!(ledger.bench.number("select active FROM account").await, 0);
    ledger.handle(InvoiceAcceptedHandler, &[invoice("R9", 1, "repair", "500.00")]).await;
    ledger.handle(InvoiceVoidedHandler, &[InvoiceVoided { void_no: "V9".to_owned(), ..voided_of(&bill) }]).await;
    let left = ledger.bench.number("select active - 10000 * debt FROM account").await;
    assert_eq!(left, 500, "what was earned since stays; the first spending is its now");
    let ended = "select count(*) from (select sum(case when credit = 'expired' then points else -points end) as ended, lot_id
                 FROM entry where 'expired' in (credit, debit) group by lot_id) e where ended < 0";
    assert_eq!(ledger.bench.number(ended).await, 0, "no more is given back of a lot's end than ended in it");
    ledger.close().await;
}

/// DOMAIN exact default 10, with a real refund of what earned the points.
#[tokio::test(flavor = "multi_thread")]
async fn default_10_what_is_held_counts_as_spent_and_a_release_repays() {
    let tills = Tills::open(1, 1).await;
    let spent = tills.hold("first", 1).await.expect("held").hold_id;
    tills.capture("first", spent, None, None).await.expect("captured");
    let bill = invoice("R1", 1, "repair", "900.00");
    tills.bench.publish(std::slice::from_ref(&bill), 1).await;
    let _: Vec<Earned> = tills.bench.published(1).await;
    let hold_id = tills.hold("hold", 1_000).await.expect("held").hold_id;
    tills.bench.publish(&[voided_of(&bill)], 1).await;
    let _: Vec<Reversed> = tills.bench.published(1).await;
    assert_eq!(tills.balance().await, (0, 1_000, 1_000));
    let released = tills.release("release", hold_id).await.expect("released");
    assert_eq!((released.active.0, released.reserved.0, released.debt.0), (0, 0, 0));
    let events: Vec<Released> = tills.bench.published(1).await;
    assert_eq!((events[0].points.0, events[0].repaid.0), (1_000, 1_000));
    tills.close().await;
}

fn voided_of(bill: &InvoiceAccepted) -> InvoiceVoided {
    InvoiceVoided {
        store: bill.store.clone(),
        void_no: "V1".to_owned(),
        invoice_no: bill.invoice_no.clone(),
        member_id: bill.member_id,
        member_no: bill.member_no.clone(),
        voided_at: bill.issued_at,
        business_date: bill.business_date,
        received_at: bill.received_at,
        program_version: bill.program_version,
        replaced: false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_by_name_and_stays_refused() {
    let tills = Tills::open(1, 1_000).await;
    let refused = |answer: Answer| answer.expect_err("refused").code;
    assert_eq!(refused(tills.hold("a", 0).await), code::POINTS_BAD_AMOUNT.code);
    assert_eq!(refused(tills.hold("b", -5).await), code::POINTS_BAD_AMOUNT.code);
    assert_eq!(refused(tills.hold("c", 1_001).await), code::POINTS_INSUFFICIENT.code);
    let request = HoldCreateRequest {
        operation_id: "d".to_owned(),
        store: "SH99".to_owned(),
        member_no: "M1".to_owned(),
        points: Points(1),
        expires_in_s: None,
    };
    assert_eq!(refused(ask::<HoldCreate>(&tills.nats, &request).await), code::POINTS_UNKNOWN_STORE.code);
    let long = HoldCreateRequest { operation_id: "e".to_owned(), store: "SH02".to_owned(), expires_in_s: Some(86_401), ..request.clone() };
    assert_eq!(refused(ask::<HoldCreate>(&tills.nats, &long).await), code::HOLD_TOO_LONG.code);
    let nul = HoldCreateRequest { operation_id: "f".to_owned(), store: "SH02".to_owned(), member_no: "M\0".to_owned(), ..request };
    assert_eq!(refused(ask::<HoldCreate>(&tills.nats, &nul).await), code::MEMBER_UNKNOWN.code);
    assert_eq!(refused(tills.release("g", Uuid::nil()).await), code::HOLD_UNKNOWN.code);
    let hold_id = tills.hold("h", 1_000).await.expect("held").hold_id;
    assert_eq!(refused(tills.capture("i", hold_id, Some(1_001), None).await), code::HOLD_EXCEEDED.code);
    assert_eq!(refused(tills.capture("j", hold_id, None, Some("R\0")).await), code::POINTS_BAD_TEXT.code);
    // A store's own user asks at its own subject, and for its own holds alone.
    let own = tills.bench.env.nats("SH01").await;
    let body = serde_json::json!({ "operation_id": "k", "hold_id": hold_id }).to_string();
    let reply = own.request("api.points.hold.release.SH01", body.into()).await.expect("an answer");
    assert_eq!(serde_json::from_slice::<Problem>(&reply.payload).expect("a problem").code, code::HOLD_UNKNOWN.code);
    let body = serde_json::json!({ "store": "SH01", "bill": "12.50", "member_no": "M1" }).to_string();
    let reply = own.request("api.points.quote.get.SH01", body.into()).await.expect("an answer");
    assert_eq!(serde_json::from_slice::<QuoteReply>(&reply.payload).expect("a quote").points, Points::ZERO, "all of it is held");
    let quote = QuoteRequest { store: None, bill: Money::try_new("12.50").expect("money"), member_no: None, points: None, offset: None };
    let quote = ask::<QuoteGet>(&tills.nats, &quote).await.expect("a quote");
    assert_eq!((quote.points.0, quote.offset.to_string().as_str(), quote.payable.to_string().as_str()), (1_200, "12.00", "0.50"));
    tills.close().await;
}

/// On one thread, whose statements are this test's.
#[tokio::test]
async fn statements_do_not_grow_with_the_batch() {
    let tills = Tills::open(1, 64_000).await;
    let made = async |prefix: &str| {
        let operations = names(prefix);
        join_all(operations.iter().map(|operation| tills.hold(operation, 500))).await.into_iter().flatten().collect::<Vec<_>>()
    };
    statements::count();
    let held = made("hold").await;
    assert_once_a_batch("insert into hold", &["select member_no, member_id from"]);

    statements::count();
    let captures = names("capture");
    let asked = held.iter().zip(&captures).map(|(held, operation)| tills.capture(operation, held.hold_id, Some(300), Some("R1")));
    assert_eq!(join_all(asked).await.into_iter().flatten().count(), CLIENTS);
    assert_once_a_batch("insert into spent_document", &["select store, document, entry_id,", "update hold"]);
    assert_eq!(
        statements::of("with recursive"),
        3 * statements::of("update hold"),
        "what took their place, before and under the lock; what ended"
    );
    assert_eq!(statements::of("select hold_id, member_id, store,"), 2 * statements::of("update hold"), "before the lock, and under it");

    statements::count();
    tills.void("R1", "V1", false).await;
    let _: Vec<Returned> = tills.bench.published(CLIENTS).await;
    assert_once_a_batch("update hold", &["select store, document, entry_id,", "select hold_id, member_id, store,"]);

    let held = made("again").await;
    statements::count();
    let releases = names("release");
    assert_eq!(
        join_all(held.iter().zip(&releases).map(|(held, id)| tills.release(id, held.hold_id))).await.iter().flatten().count(),
        CLIENTS
    );
    assert_once_a_batch("update hold", &["select store, document, entry_id,"]);

    assert_eq!(tills.balance().await, (64_000, 0, 0));
    tills.close().await;
}

/// Every statement that moves points is run once a batch, and so are these; and there are few batches.
#[track_caller]
fn assert_once_a_batch(batch: &str, own: &[&str]) {
    let batches = statements::of(batch);
    assert!((1..=8).contains(&batches), "{:?}", statements::counted());
    let common = ["select member_id, member_no,", "select member_id from account_freeze", "select member_id, lot_id,"];
    let written = ["insert into entry", "update account", "update lot"];
    for statement in common.iter().chain(&written).chain(own) {
        assert_eq!(statements::of(statement), batches, "{statement}: {:?}", statements::counted());
    }
}
