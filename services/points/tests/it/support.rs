//! A running points service, what others would publish to it, and what it publishes.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use jifen_contracts::{
    EventType,
    document::Payer,
    event::{AcceptedLine, AccrualAssessed, AccrualSettled, Bonus, BonusRule, Earned, InvoiceAccepted},
    program::AppliedProgram,
    subject::STREAM_EVENTS,
};
use jifen_kernel::{MemberId, Money, Points, StoreCode, Token};
use jifen_runtime::{Running, ServiceConfig};
use jifen_testkit::{Schema, TestEnv, bus, samples, service_config};
use serde_json::json;
use uuid::Uuid;

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
    samples::program(version, json!({ "earn": { "rates": rates, "first_spending": 100 } }))
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

    pub async fn copy(&self) -> Running {
        let running = jifen_points::service().start(self.config()).await.expect("points starts");
        running.cx().programs.learn([program(1)]);
        running
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
        bus::idle(&self.env, &["points_invoice_accepted", "points_accrual_assessed"].map(|durable| (STREAM_EVENTS, durable))).await;
    }

    pub async fn number(&self, sql: &'static str) -> i64 {
        let sql = sqlx::AssertSqlSafe(sql.replace("FROM ", "from points."));
        sqlx::query_scalar(sql).fetch_one(self.env.admin_pool()).await.expect("number")
    }

    /// What must hold of every ledger: chains, sums, lots.
    pub async fn assert_sound(&self) {
        assert_eq!(self.number("select count(*) FROM account a where active <> (select coalesce(sum(points), 0) from points.entry e where e.member_id = a.member_id)").await, 0, "balances are sums of entries");
        assert_eq!(self.number("select count(*) FROM account a where active <> (select coalesce(sum(remaining), 0) from points.lot l where l.member_id = a.member_id)").await, 0, "lots sum to the balance");
        assert_eq!(
            self.number(
                "select count(*) FROM account a where sequence <> (select count(*) from points.entry e where e.member_id = a.member_id)"
            )
            .await,
            0,
            "chains have no gap"
        );
    }
}

pub fn earned_points(event: &Earned) -> i64 {
    event.categories.iter().map(|category| category.base.0).sum::<i64>() + event.first_spending.0
}

pub fn by_document(events: Vec<AccrualSettled>) -> BTreeMap<String, AccrualSettled> {
    events.into_iter().map(|event| (event.document.clone(), event)).collect()
}
