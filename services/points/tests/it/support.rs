//! A running points service, what others would publish to it, and what it publishes.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use jifen_contracts::{
    EventType,
    document::Payer,
    endpoint::{
        AccountGet, AccountReply, Empty, Endpoint, EntriesList, EntriesRequest, EntryExplain, ExplainReply, ExplainRequest, MemberList,
        MemberListReply, MemberListRequest, MemberRequest, MemberState, MemberStatus, PointsCounts,
    },
    event::{
        AcceptedLine, AccrualAssessed, AccrualSettled, AccrualSource, Bonus, BonusGranted, BonusRule, Earned, InteractionRecorded,
        InvoiceAccepted, MemberActivated, PartnerPurchaseRecorded,
    },
    program::AppliedProgram,
    subject::STREAM_EVENTS,
};
use jifen_kernel::{ManualClock, MemberId, Money, Points, StoreCode, Token};
use jifen_runtime::{Running, ServiceConfig, ask, context::ClockHandle};
use jifen_testkit::{DEADLINE, Schema, TestEnv, bus, eventually, samples, service_config};
use serde_json::json;
use uuid::Uuid;

/// Everything that points reads.
const DURABLES: [&str; 8] = [
    "points_invoice_accepted",
    "points_accrual_assessed",
    "points_invoice_refunded",
    "points_invoice_voided",
    "points_interaction_recorded",
    "points_partner_purchase_recorded",
    "points_bonus_granted",
    "points_member_activated",
];

pub struct Bench {
    pub env: TestEnv,
}

pub fn store() -> StoreCode {
    StoreCode::try_new("SH01").expect("store")
}

pub fn token(text: &str) -> Token {
    Token::try_new(text).expect("token")
}

pub fn program(version: u32) -> AppliedProgram {
    let rates = json!({ "maintenance": "1.5", "repair": "1.0", "parts": "1.2", "pass_through": "0" });
    let interaction = |kind: &str, points: i64, count: u32, per: &str| json!({ "kind": kind, "name": { "zh": kind, "en": kind }, "points": points, "limit": { "count": count, "per": per } });
    let mut review = interaction("review", 50, 1, "about");
    review["within_days"] = json!(30);
    let interactions = [review, interaction("share", 100, 1, "week"), interaction("check_in", 5, 1, "day")];
    let partner = |code: &str, budget: Option<i64>| {
        let mut partner = json!({ "code": code, "name": { "zh": code, "en": code }, "rate": "0.5" });
        if let Some(budget) = budget {
            partner["budget"] = json!(budget);
        }
        partner
    };
    let partners = [partner("fuel-1", Some(900)), partner("wash", None)];
    samples::program(
        version,
        json!({ "earn": { "rates": rates, "first_spending": 100, "interactions": interactions, "partners": partners } }),
    )
}

/// The same with caps.
pub fn capped(version: u32, invoice_cap: i64, daily_cap: i64) -> AppliedProgram {
    let mut applied = program(version);
    (applied.program.earn.invoice_cap, applied.program.earn.daily_cap) = (Some(Points(invoice_cap)), Some(Points(daily_cap)));
    applied
}

/// An interaction at noon, Shanghai's time, of this day.
pub fn interaction(number: &str, member_number: u128, kind: &str, day: &str, about: Option<&str>) -> InteractionRecorded {
    let occurred_at: DateTime<Utc> = format!("{day}T04:00:00Z").parse().expect("instant");
    InteractionRecorded {
        store: store(),
        interaction_no: number.to_owned(),
        member_id: member(member_number),
        member_no: format!("M{member_number}"),
        kind: token(kind),
        occurred_at,
        business_date: day.parse().expect("date"),
        received_at: occurred_at,
        program_version: 1,
        about: about.map(str::to_owned),
        awaiting_activation: false,
    }
}

pub fn purchase(number: &str, member_number: u128, partner: &str, amount: &str) -> PartnerPurchaseRecorded {
    let occurred_at: DateTime<Utc> = "2026-10-01T04:00:00Z".parse().expect("instant");
    PartnerPurchaseRecorded {
        store: store(),
        purchase_no: number.to_owned(),
        member_id: member(member_number),
        member_no: format!("M{member_number}"),
        partner: partner.to_owned(),
        occurred_at,
        business_date: "2026-10-01".parse().expect("date"),
        received_at: occurred_at,
        program_version: 1,
        amount: Money::try_new(amount).expect("money"),
        awaiting_activation: false,
    }
}

pub fn grant(participation: &str, member_number: u128, points: i64) -> BonusGranted {
    BonusGranted {
        campaign: token("task"),
        version: 1,
        participation: participation.to_owned(),
        ordinal: 1,
        member_id: member(member_number),
        member_no: format!("M{member_number}"),
        store: store(),
        points: Points(points),
        qualifying: false,
        at: "2026-10-01T04:00:00Z".parse().expect("instant"),
        business_date: "2026-10-01".parse().expect("date"),
        documents: Vec::new(),
        bonuses: Vec::new(),
    }
}

pub fn activated(member_number: u128) -> MemberActivated {
    MemberActivated {
        member_id: member(member_number),
        member_no: format!("M{member_number}"),
        store: store(),
        at: "2026-10-02T04:00:00Z".parse().expect("instant"),
    }
}

pub fn awaiting(mut invoice: InvoiceAccepted) -> InvoiceAccepted {
    invoice.awaiting_activation = true;
    invoice
}

pub fn member(number: u128) -> MemberId {
    MemberId(Uuid::from_u128(number))
}

pub fn invoice(number: &str, member_number: u128, category: &str, amount: &str) -> InvoiceAccepted {
    let issued_at: DateTime<Utc> = "2026-10-01T02:21:33Z".parse().expect("instant");
    InvoiceAccepted {
        awaiting_activation: false,
        store: store(),
        invoice_no: number.to_owned(),
        member_id: member(member_number),
        member_no: format!("M{member_number}"),
        issued_at,
        business_date: "2026-10-01".parse().expect("date"),
        received_at: issued_at,
        program_version: 1,
        replaces: None,
        vehicle: None,
        advisor: None,
        lines: vec![AcceptedLine {
            line: 1,
            category: token(category),
            payer: Payer::Customer,
            amount: Money::try_new(amount).expect("money"),
            principal: None,
        }],
        reductions: Vec::new(),
    }
}

pub fn answer(number: &str, member_number: u128, bonuses: Vec<Bonus>) -> AccrualAssessed {
    AccrualAssessed { store: store(), document: number.to_owned(), member_id: member(member_number), bonuses }
}

pub fn double(category: &str, points: i64) -> Bonus {
    let rule = BonusRule::Multiplier { category: token(category), factor_basis_points: 20_000 };
    Bonus { campaign: token("double_week"), version: 1, points: Points(points), rule }
}

impl Bench {
    pub async fn start() -> Self {
        let env = TestEnv::start(&[Schema { service: "points", migrator: &jifen_points::MIGRATIONS }]).await;
        Self { env }
    }

    pub fn config(&self) -> ServiceConfig {
        service_config(&self.env, "points")
    }

    /// A copy that knows the rules from its first batch on.
    pub async fn copy(&self) -> Running {
        self.copy_with(&[program(1)]).await
    }

    /// A copy that knows these rules from its first batch on.
    pub async fn copy_with(&self, programs: &[AppliedProgram]) -> Running {
        samples::remember(&self.env, "points", programs).await;
        jifen_points::service().start(self.config()).await.expect("points starts")
    }

    /// A copy that lives at this time.
    pub async fn copy_at(&self, clock: &Arc<ManualClock>, programs: &[AppliedProgram]) -> Running {
        samples::remember(&self.env, "points", programs).await;
        let mut config = self.config();
        config.clock = ClockHandle(clock.clone());
        jifen_points::service().start(config).await.expect("points starts")
    }

    /// Answers in place of member: everybody is activated but these, and nobody has the number M0. Counts the questions.
    pub async fn stand_in_for_member(&self, registered: &'static [u128]) -> Arc<AtomicUsize> {
        let (nats, questions) = (self.env.nats("member").await, Arc::new(AtomicUsize::new(0)));
        let mut requests = nats.subscribe(MemberList::SUBJECT).await.expect("subscription");
        nats.flush().await.expect("flush");
        let counted = questions.clone();
        tokio::spawn(async move {
            while let Some(request) = requests.next().await {
                counted.fetch_add(1, Ordering::Relaxed);
                let asked: MemberListRequest = serde_json::from_slice(&request.payload).expect("request");
                let state = |member_no: String| {
                    let number: u128 = member_no.strip_prefix('M')?.parse().ok()?;
                    let status = if registered.contains(&number) { MemberStatus::Registered } else { MemberStatus::Active };
                    (number > 0).then(|| MemberState { member_id: member(number), member_no, status })
                };
                let reply = MemberListReply { members: asked.member_nos.into_iter().filter_map(state).collect() };
                nats.publish(request.reply.expect("reply"), serde_json::to_vec(&reply).expect("json").into()).await.expect("replied");
            }
        });
        questions
    }

    /// Waits until a job has done a day.
    pub async fn day_done(&self, job: &str, day: &str) {
        let done = format!("select count(*) from points.job_day where job = '{job}' and day = '{day}' and done_at is not null");
        let looked = || async {
            let done: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(done.as_str())).fetch_one(self.env.admin_pool()).await.ok()?;
            (done == 1).then_some(())
        };
        eventually(DEADLINE, looked).await;
    }

    /// Publishes events as their services would, each `times` times, as different messages of one event.
    pub async fn publish<T: EventType>(&self, events: &[T], times: usize) {
        bus::publish_times(&self.env, events, times).await;
    }

    /// Waits until `count` events of a kind are published; gives all of them.
    pub async fn published<T: EventType>(&self, count: usize) -> Vec<T> {
        bus::published(&self.env, count).await.into_iter().map(|event| event.data).collect()
    }

    /// Waits until nothing is left to do in the stream for the service's consumers.
    pub async fn settled(&self) {
        bus::idle(&self.env, &DURABLES.map(|durable| (STREAM_EVENTS, durable))).await;
    }

    pub async fn number(&self, sql: &'static str) -> i64 {
        let sql = sqlx::AssertSqlSafe(sql.replace("FROM ", "from points."));
        sqlx::query_scalar(sql).fetch_one(self.env.admin_pool()).await.expect("number")
    }

    pub async fn account(&self, member_no: &str) -> AccountReply {
        let nats = self.env.nats("local").await;
        ask::<AccountGet>(&nats, &MemberRequest { member_no: member_no.to_owned() }).await.expect("account")
    }

    pub async fn counts(&self) -> BTreeMap<String, i64> {
        let nats = self.env.nats("local").await;
        ask::<PointsCounts>(&nats, &Empty {}).await.expect("counts").counts
    }

    /// Asks how a document came about.
    pub async fn explain(&self, member_no: &str, source: AccrualSource, document: &str) -> ExplainReply {
        let nats = self.env.nats("local").await;
        let (store, document) = (Some(store()), Some(document.to_owned()));
        let request = ExplainRequest { member_no: member_no.to_owned(), entry_id: None, source: Some(source), store, document };
        ask::<EntryExplain>(&nats, &request).await.expect("explained")
    }

    /// Every entry of a member can be computed again, and comes to the same; gives what was explained, newest first.
    pub async fn explain_all(&self, member_no: &str) -> Vec<ExplainReply> {
        let nats = self.env.nats("local").await;
        let page = EntriesRequest { member_no: member_no.to_owned(), limit: Some(200), before: None };
        let mut all = Vec::new();
        for entry in ask::<EntriesList>(&nats, &page).await.expect("entries").entries {
            let request = ExplainRequest { member_no: member_no.to_owned(), entry_id: Some(entry.entry_id), ..ExplainRequest::default() };
            let reply = ask::<EntryExplain>(&nats, &request).await.expect("explained");
            assert!(reply.equal && reply.points == entry.points && reply.recomputed == entry.points, "{reply:?}");
            assert_eq!(reply.entry.as_ref(), Some(&entry));
            all.push(reply);
        }
        all
    }

    /// What must hold of every ledger: chains, sums, lots.
    pub async fn assert_sound(&self) {
        for (wrong, why) in [
            (
                "select count(*) FROM account a where (active, pending, reserved, debt) <> (
                     select coalesce(sum(case 'active' when credit then points when debit then -points else 0 end), 0)::bigint,
                            coalesce(sum(case 'pending' when credit then points when debit then -points else 0 end), 0)::bigint,
                            coalesce(sum(case 'reserved' when credit then points when debit then -points else 0 end), 0)::bigint,
                            coalesce(sum(case 'debt' when debit then points when credit then -points else 0 end), 0)::bigint
                     from points.entry e where e.member_id = a.member_id)",
                "balances are sums of entries",
            ),
            (
                "select count(*) FROM account a where
                     active <> (select coalesce(sum(remaining), 0) from points.lot l where l.member_id = a.member_id)
                     or pending <> (select coalesce(sum(points), 0) from points.pending_lot l where l.member_id = a.member_id)",
                "lots sum to the balances",
            ),
            (
                "select count(*) FROM lot l where remaining <> (
                     select coalesce(sum(case 'active' when credit then points when debit then -points else 0 end), 0)
                     from points.entry e where e.member_id = l.member_id and e.lot_id = l.lot_id)",
                "what is left of a lot is what its entries leave",
            ),
            ("select count(*) FROM account where debt > 0 and active > 0", "a debt is repaid by whatever is spendable"),
            (
                "select count(*) FROM account a where reserved <> (
                     select coalesce(sum(points), 0) from points.hold h where h.member_id = a.member_id and state = 'open')",
                "what is reserved is what open holds hold",
            ),
            (
                "select count(*) FROM hold h where (points, case state when 'open' then points else 0 end, captured) <> (
                     select coalesce(sum(points) filter (where kind = 'hold'), 0)::bigint,
                            coalesce(sum(case 'reserved' when credit then points when debit then -points end), 0)::bigint,
                            coalesce(sum(points) filter (where kind = 'capture'), 0)::bigint
                     from points.entry e where e.member_id = h.member_id and kind in ('hold', 'capture', 'release')
                     and (e.document = h.hold_id::text or e.rule like 'hold:' || h.hold_id || '@%'))",
                "what a hold reserved is captured, released or still held",
            ),
            (
                "select count(*) FROM hold h where case when returned_at is null then 0 else captured end <> (
                     select coalesce(sum(points), 0) from points.entry e
                     where e.member_id = h.member_id and kind = 'return' and e.rule like 'hold:' || h.hold_id || '@%')",
                "what was captured for a voided invoice came back, once",
            ),
            (
                "select count(*) FROM account a where sequence <> (select count(*) from points.entry e where e.member_id = a.member_id)",
                "chains have no gap",
            ),
            (
                "select count(*) FROM direct_accrual d where points <> (
                     select coalesce(sum(points), 0) from points.entry e
                     where (e.source, e.store, e.document) = (d.source, d.store, d.document) and e.of_entry is null)",
                "accruals without an invoice are sums of their entries",
            ),
        ] {
            assert_eq!(self.number(wrong).await, 0, "{why}");
        }
    }
}

pub fn earned_points(event: &Earned) -> i64 {
    event.categories.iter().map(|category| category.base.0).sum::<i64>() + event.first_spending.0
}

pub fn by_document(events: Vec<AccrualSettled>) -> BTreeMap<String, AccrualSettled> {
    events.into_iter().map(|event| (event.document.clone(), event)).collect()
}
