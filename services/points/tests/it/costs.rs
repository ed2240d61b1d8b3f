//! What a batch costs: as many statements with one row as with sixty-four, on every way that points take. (Earning's own are pinned where
//! earning is tested, by their names.)

use std::cell::Cell;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use jifen_contracts::{
    endpoint::{
        AccountFreeze, AccountUnfreeze, AdjustmentApprove, AdjustmentCreateRequest, AdjustmentDecisionRequest, AdjustmentReject,
        FreezeRequest, HoldCaptureRequest, HoldCreateRequest, HoldExtendRequest, HoldReleaseRequest, ImportedLot, LotsImportRequest,
        PendingRejectRequest, PendingReleaseRequest, Staff,
    },
    event::{AccrualSource, BonusGranted, DocumentRef, InvoiceAccepted, InvoiceRefunded, InvoiceVoided, RefundedLine},
    program::{AppliedProgram, PendingRule},
};
use jifen_kernel::{Clock, Money, Points};
use jifen_points::{
    AccrualAssessedHandler, BonusGrantedHandler, CaptureHold, Closing, CreateAdjustment, CreateHold, Decide, ExtendHold, Freeze,
    ImportLots, InteractionRecordedHandler, InvoiceAcceptedHandler, InvoiceRefundedHandler, InvoiceVoidedHandler, MemberActivatedHandler,
    PartnerPurchaseRecordedHandler, RejectPending, ReleaseHold, ReleasePending, Sealer, Summing,
    jobs::{correct::Correct, expiry::Expiry, holds::ExpireHolds, lapse::Lapse, release::Release},
};
use jifen_runtime::{DailyJob, Job, daily::run_due};
use jifen_testkit::statements;
use uuid::Uuid;

use crate::{
    batches::Ledger,
    support::{activated, answer, awaiting, double, grant, interaction, invoice, member, program, purchase, store, token},
};

fn rules() -> AppliedProgram {
    let mut applied = program(1);
    applied.program.earn.pending = [(token("parts"), PendingRule::Days(15))].into();
    applied
}

/// One size after the other, each with members of its own.
struct Costs {
    ledger: Ledger,
    members: Cell<u128>,
    round: Cell<u64>,
}

/// The members of a way.
type Members = std::ops::Range<u128>;

fn staff(id: &str) -> Staff {
    Staff { staff_id: id.to_owned(), role: "group_manager".to_owned() }
}

fn documents(of: &Members, prefix: &str, category: &str) -> Vec<InvoiceAccepted> {
    of.clone().map(|number| invoice(&format!("{prefix}{number:06}"), number, category, "1000.00")).collect()
}

fn refund(of: &InvoiceAccepted) -> InvoiceRefunded {
    InvoiceRefunded {
        store: store(),
        refund_no: format!("C{}", of.invoice_no),
        invoice_no: of.invoice_no.clone(),
        member_id: of.member_id,
        member_no: of.member_no.clone(),
        refunded_at: of.issued_at,
        business_date: of.business_date,
        received_at: of.received_at,
        program_version: 1,
        refunded: vec![RefundedLine { line: 1, amount: Money::from_fen(40_000) }],
        lines: of.lines.clone(),
        reductions: Vec::new(),
    }
}

fn void(of: &InvoiceAccepted) -> InvoiceVoided {
    InvoiceVoided {
        store: store(),
        void_no: format!("V{}", of.invoice_no),
        invoice_no: of.invoice_no.clone(),
        member_id: of.member_id,
        member_no: of.member_no.clone(),
        voided_at: of.issued_at,
        business_date: of.business_date,
        received_at: of.received_at,
        program_version: 1,
        replaced: false,
    }
}

impl Costs {
    fn some(&self, size: u128) -> Members {
        let first = self.members.replace(self.members.get() + size);
        first..first + size
    }

    fn operation(&self, name: &str, number: u128) -> String {
        format!("{name}-{}-{number}", self.round.get())
    }

    /// New members with a bill each, of which they have 1,100 points.
    async fn with_points(&self, size: u128, prefix: &str) -> (Members, Vec<InvoiceAccepted>) {
        let members = self.some(size);
        let bills = documents(&members, prefix, "repair");
        self.ledger.handle(InvoiceAcceptedHandler, &bills).await;
        (members, bills)
    }

    async fn held(&self, members: &Members, name: &str) -> (usize, Vec<Uuid>) {
        let request = |number: u128| HoldCreateRequest {
            operation_id: self.operation(name, number),
            store: "SH01".to_owned(),
            member_no: format!("M{number}"),
            points: Points(500),
            expires_in_s: None,
        };
        let (cost, held) = self.ledger.ask(CreateHold, members.clone().map(request).collect()).await;
        (cost, held.into_iter().map(|held| held.hold_id).collect())
    }

    async fn job(&self, job: impl Job) -> usize {
        self.ledger.run(&job).await
    }

    /// A day's work of a job that has done all days before.
    async fn day<J: DailyJob>(&self, job: J) -> usize {
        let yesterday = self.today() - Days::new(1);
        let done = format!(
            "insert into points.job_day (job, day, done_at) values ('{}', '{yesterday}', now())
             on conflict (job, day) do update set done_at = now(), cursor = null",
            J::NAME
        );
        self.ledger.sql(&done).await;
        statements::within(Box::pin(async { run_due(self.ledger.cx(), &job).await.expect("done") })).await
    }

    fn today(&self) -> NaiveDate {
        (self.ledger.clock.now() + TimeDelta::hours(8)).date_naive()
    }

    async fn at_the_till(&self, size: u128) -> Vec<(&'static str, usize)> {
        let (members, bills) = self.with_points(size, "T").await;
        let mut costs = Vec::new();
        let (cost, held) = self.held(&members, "hold").await;
        costs.push(("hold", cost));
        let extend = |(number, hold_id): (u128, &Uuid)| HoldExtendRequest {
            operation_id: self.operation("extend", number),
            store: None,
            hold_id: *hold_id,
            expires_in_s: Some(1_200),
        };
        let requests = members.clone().zip(&held).map(extend).collect();
        costs.push(("extend", self.ledger.ask(ExtendHold, requests).await.0));
        let capture = |((number, hold_id), bill): ((u128, &Uuid), &InvoiceAccepted)| HoldCaptureRequest {
            operation_id: self.operation("capture", number),
            store: None,
            hold_id: *hold_id,
            points: Some(Points(300)),
            document: Some(bill.invoice_no.clone()),
        };
        let requests = members.clone().zip(&held).zip(&bills).map(capture).collect();
        costs.push(("capture", self.ledger.ask(CaptureHold, requests).await.0));
        let voids: Vec<InvoiceVoided> = bills.iter().map(void).collect();
        costs.push(("void", self.ledger.handle(InvoiceVoidedHandler, &voids).await));
        let (members, _) = self.with_points(size, "U").await;
        let (_, held) = self.held(&members, "again").await;
        let release = |(number, hold_id): (u128, &Uuid)| HoldReleaseRequest {
            operation_id: self.operation("release", number),
            store: None,
            hold_id: *hold_id,
        };
        let requests = members.clone().zip(&held).map(release).collect();
        costs.push(("release", self.ledger.ask(ReleaseHold, requests).await.0));
        self.held(&members, "forgotten").await;
        self.ledger.clock.set(self.ledger.clock.now() + TimeDelta::seconds(601));
        costs.push(("expiry of holds", self.job(ExpireHolds::default()).await));
        costs
    }

    async fn of_staff(&self, size: u128) -> Vec<(&'static str, usize)> {
        let (members, _) = self.with_points(size, "S").await;
        let adjust = |name: &'static str, points: i64| {
            let request = move |number: u128| AdjustmentCreateRequest {
                operation_id: self.operation(name, number),
                store: "SH01".to_owned(),
                member_no: format!("M{number}"),
                points: Points(points),
                reason: "correction".to_owned(),
                note: None,
                by: staff("S001"),
            };
            members.clone().map(request).collect::<Vec<_>>()
        };
        let mut costs = Vec::new();
        for (name, points) in [("adjustment that gives", 10), ("adjustment that takes", -10)] {
            let requests = adjust(name, points);
            costs.push((name, self.ledger.ask(CreateAdjustment, requests).await.0));
        }
        let ids = async |name: &'static str| -> Vec<AdjustmentDecisionRequest> {
            let (_, waiting) = self.ledger.ask(CreateAdjustment, adjust(name, 20_000)).await;
            let decision = |(number, waiting): (usize, &jifen_contracts::endpoint::AdjustmentReply)| AdjustmentDecisionRequest {
                operation_id: format!("{name}-decided-{}-{number}", self.round.get()),
                adjustment_id: waiting.adjustment_id,
                by: staff("S002"),
            };
            waiting.iter().enumerate().map(decision).collect()
        };
        let requests = ids("to be approved").await;
        let approve = Decide::<AdjustmentApprove>::default();
        costs.push(("approval", self.ledger.ask(approve, requests).await.0));
        let requests = ids("to be rejected").await;
        let reject = Decide::<AdjustmentReject>::default();
        costs.push(("rejection", self.ledger.ask(reject, requests).await.0));
        let change = |name: &'static str| {
            let request = move |number: u128| FreezeRequest {
                operation_id: self.operation(name, number),
                member_no: format!("M{number}"),
                reason: "many bills in a day".to_owned(),
                by: staff("S001"),
            };
            members.clone().map(request).collect::<Vec<_>>()
        };
        let (freeze, unfreeze) = (Freeze::<AccountFreeze>::default(), Freeze::<AccountUnfreeze>::default());
        costs.push(("freeze", self.ledger.ask(freeze, change("freeze")).await.0));
        costs.push(("unfreeze", self.ledger.ask(unfreeze, change("unfreeze")).await.0));
        let lot = |number: u128| ImportedLot {
            line: self.operation("line", number),
            nth: None,
            member_no: format!("M{number}"),
            store: store(),
            points: Points(100),
            expires_on: self.today() + Days::new(100),
            earned_on: None,
            qualifying: false,
        };
        let import = |name: &str, lots: Vec<ImportedLot>| LotsImportRequest {
            operation_id: self.operation(name, 0),
            source: token("old_system"),
            dry_run: false,
            lots,
        };
        let request = vec![import("import", members.clone().map(lot).collect())];
        costs.push(("import", self.ledger.ask(ImportLots, request).await.0));
        let each =
            |number: u128| import(&format!("import-{number}"), vec![ImportedLot { line: self.operation("own", number), ..lot(number) }]);
        let requests = members.clone().map(each).collect();
        costs.push(("imports", self.ledger.ask(ImportLots, requests).await.0));
        costs
    }

    async fn corrections(&self, size: u128) -> Vec<(&'static str, usize)> {
        let (members, bills) = self.with_points(size, "B").await;
        let answers = |bills: &[InvoiceAccepted]| -> Vec<_> {
            let doubled = |(number, bill): (u128, &InvoiceAccepted)| answer(&bill.invoice_no, number, vec![double("repair", 1_000)]);
            members.clone().zip(bills).map(doubled).collect()
        };
        let mut costs = Vec::new();
        costs.push(("answer", self.ledger.handle(AccrualAssessedHandler, &answers(&bills)).await));
        let refunds: Vec<InvoiceRefunded> = bills.iter().map(refund).collect();
        costs.push(("refund", self.ledger.handle(InvoiceRefundedHandler, &refunds).await));
        let reward = |(number, bill): (u128, &InvoiceAccepted)| BonusGranted {
            documents: vec![DocumentRef { store: store(), document: bill.invoice_no.clone() }],
            bonuses: vec![double("repair", 1_000)],
            ..grant(&format!("G{number}"), number, 1_000)
        };
        let rewards: Vec<BonusGranted> = members.clone().zip(&bills).map(reward).collect();
        costs.push(("reward of a refunded bill", self.ledger.handle(BonusGrantedHandler, &rewards).await));
        let late = documents(&members, "L", "repair");
        let refunds: Vec<InvoiceRefunded> = late.iter().map(refund).collect();
        costs.push(("refund that waits", self.ledger.handle(InvoiceRefundedHandler, &refunds).await));
        costs.push(("bill", self.ledger.handle(InvoiceAcceptedHandler, &late).await));
        costs.push(("refund that waited", self.job(Correct::default()).await));
        costs.push(("answer to a refunded bill", self.ledger.handle(AccrualAssessedHandler, &answers(&late)).await));
        costs
    }

    async fn without_an_invoice(&self, size: u128) -> Vec<(&'static str, usize)> {
        let (members, _) = self.with_points(size, "N").await;
        let day = "2026-10-01";
        let reviews: Vec<_> = members
            .clone()
            .map(|number| interaction(&format!("I{number}"), number, "review", day, Some(&format!("O{number:06}"))))
            .collect();
        let mut costs = Vec::new();
        costs.push(("review that waits", self.ledger.handle(InteractionRecordedHandler, &reviews).await));
        self.ledger.handle(InvoiceAcceptedHandler, &documents(&members, "O", "repair")).await;
        costs.push(("review that waited", self.job(Release::default()).await));
        for (name, partner) in [("purchase", "wash"), ("purchase from a budget", "fuel-1")] {
            let purchases: Vec<_> =
                members.clone().map(|number| purchase(&format!("{partner}{number}"), number, partner, "10.00")).collect();
            costs.push((name, self.ledger.handle(PartnerPurchaseRecordedHandler, &purchases).await));
        }
        costs
    }

    async fn what_waits(&self, size: u128) -> Vec<(&'static str, usize)> {
        let (waiting, lapsing) = (self.some(size), self.some(size));
        let bills: Vec<InvoiceAccepted> = documents(&waiting, "W", "repair").into_iter().map(awaiting).collect();
        let mut costs = vec![("bill that waits", self.ledger.handle(InvoiceAcceptedHandler, &bills).await)];
        let activations: Vec<_> = waiting.map(activated).collect();
        costs.push(("activation", self.ledger.handle(MemberActivatedHandler, &activations).await));
        let old: Vec<InvoiceAccepted> = documents(&lapsing, "Y", "repair")
            .into_iter()
            .map(|bill| awaiting(InvoiceAccepted { business_date: self.today() - Days::new(100), ..bill }))
            .collect();
        self.ledger.handle(InvoiceAcceptedHandler, &old).await;
        costs.push(("lapse", self.day(Lapse::default()).await));
        assert_eq!(self.ledger.bench.number("select count(*) FROM pending_lot where awaits_activation").await, 0);
        costs
    }

    /// Points that somebody has to look at.
    async fn reviews(&self, size: u128) -> Vec<(&'static str, usize)> {
        let (good, bad) = (self.some(size), self.some(size));
        for (members, prefix) in [(&good, "Q"), (&bad, "Z")] {
            let bills: Vec<InvoiceAccepted> = documents(members, prefix, "parts")
                .into_iter()
                .map(|bill| InvoiceAccepted { business_date: self.today(), ..bill })
                .collect();
            self.ledger.handle(InvoiceAcceptedHandler, &bills).await;
        }
        self.ledger
            .sql("update points.pending_lot set awaits_review = true, until = null where document like 'Q%' or document like 'Z%'")
            .await;
        let release = |number: u128| PendingReleaseRequest {
            operation_id: self.operation("let-go", number),
            member_no: format!("M{number}"),
            source: AccrualSource::Invoice,
            store: store(),
            document: format!("Q{number:06}"),
            by: staff("S001"),
            reason: "已核对".to_owned(),
        };
        let reject = |number: u128| PendingRejectRequest {
            operation_id: self.operation("refuse", number),
            member_no: format!("M{number}"),
            source: AccrualSource::Invoice,
            store: store(),
            document: format!("Z{number:06}"),
            by: staff("S001"),
            reason: "abuse".to_owned(),
            note: None,
        };
        let mut costs = vec![("review let go", self.ledger.ask(ReleasePending, good.map(release).collect()).await.0)];
        costs.push(("review refused", self.ledger.ask(RejectPending, bad.map(reject).collect()).await.0));
        costs
    }

    /// A day on which as many lots become spendable, end, and are about to end.
    async fn a_day_of_lots(&self, size: u128) -> Vec<(&'static str, usize)> {
        let (ending, _) = self.with_points(size, "E").await;
        let (soon, _) = self.with_points(size, "F").await;
        let today = self.today();
        for (members, day) in [(&ending, today - Days::new(1)), (&soon, today + Days::new(7))] {
            let ids: Vec<String> = members.clone().map(|number| format!("'{}'", member(number))).collect();
            self.ledger.sql(&format!("update points.lot set expires_on = '{day}' where member_id in ({})", ids.join(","))).await;
        }
        let due: Vec<InvoiceAccepted> = documents(&self.some(size), "D", "parts")
            .into_iter()
            .map(|bill| InvoiceAccepted { business_date: today - Days::new(14), ..bill })
            .collect();
        self.ledger.handle(InvoiceAcceptedHandler, &due).await;
        self.ledger.sql(&format!("update points.pending_lot set until = '{today}' where until = '{}'", today + Days::new(1))).await;
        let count = async |sql| self.ledger.bench.number(sql).await;
        let (ended, told) =
            ("select count(*) FROM entry where kind = 'expiry'", "select count(*) FROM outbox where subject like 'evt.points.expiring%'");
        let activated = "select count(*) FROM entry where kind = 'activation' and document like 'D%'";
        let before = [count(ended).await, count(told).await, count(activated).await];
        let cost = self.day(Expiry::default()).await;
        let size = i64::try_from(size).expect("few");
        let done = [count(ended).await - before[0], count(told).await - before[1], count(activated).await - before[2]];
        // A first spending is in the lot of its bill.
        assert_eq!(done, [size, size, 2 * size]);
        // So that nothing of it ends in the next round.
        self.ledger.sql("update points.lot set expires_on = '2036-01-01' where remaining > 0").await;
        vec![("a day of lots", cost)]
    }

    async fn proofs(&self, size: u128) -> Vec<(&'static str, usize)> {
        // What the other ways left is sealed and summed first.
        let minute = || self.ledger.clock.set(self.ledger.clock.now() + TimeDelta::seconds(61));
        for _ in 0..2 {
            minute();
            self.job(Sealer).await;
            self.job(Summing).await;
        }
        self.with_points(size, "P").await;
        minute();
        let mut costs = vec![("seal", self.job(Sealer).await)];
        costs.push(("sums of settlement", self.job(Summing).await));
        let months = self.ledger.bench.number("select count(*) FROM settlement_month").await;
        costs.push(("close of a month", self.day(Closing).await));
        // In the first round there is no month before.
        let closed = i64::from(self.round.get() > 1);
        assert_eq!(self.ledger.bench.number("select count(*) FROM settlement_month").await, months + closed);
        costs
    }

    /// All ways, with so many rows each.
    async fn of(&self, size: u128) -> Vec<(&'static str, usize)> {
        // A month later than before, on a day on which the month before is closed.
        let round = self.round.replace(self.round.get() + 1);
        let at: DateTime<Utc> = "2026-10-05T02:00:00Z".parse().expect("instant");
        self.ledger.clock.set(at + chrono::Months::new(u32::try_from(round).expect("few")));
        let ways = [
            Box::pin(self.at_the_till(size)).await,
            Box::pin(self.of_staff(size)).await,
            Box::pin(self.corrections(size)).await,
            Box::pin(self.without_an_invoice(size)).await,
            Box::pin(self.what_waits(size)).await,
            Box::pin(self.reviews(size)).await,
            Box::pin(self.a_day_of_lots(size)).await,
            Box::pin(self.proofs(size)).await,
        ];
        ways.concat()
    }
}

/// On one thread, whose statements are this test's.
#[tokio::test]
async fn every_way_costs_the_same_statements_whatever_the_size_of_its_batch() {
    let ledger = Ledger::start("2026-10-01T02:00:00Z".parse().expect("instant"), &[rules()]).await;
    ledger.bench.stand_in_for_member(&[]).await;
    let costs = Costs { ledger, members: Cell::new(1), round: Cell::new(0) };
    // The first time something is met that later rounds find: a month to be closed, a round of the sealer's.
    costs.of(2).await;
    let (one, many) = (costs.of(1).await, costs.of(64).await);
    assert_eq!(one, many);
    let most = one.iter().max_by_key(|(_, cost)| *cost).expect("some");
    assert!(most.1 <= 60, "{one:?}");
    costs.ledger.close().await;
}
