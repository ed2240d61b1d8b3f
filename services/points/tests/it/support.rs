//! A running points service, what others would publish to it, and what it publishes.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use jifen_contracts::{
    Envelope, EventType,
    code::Text,
    document::Payer,
    event::{AcceptedLine, AccrualAssessed, AccrualSettled, Bonus, BonusRule, Earned, InvoiceAccepted},
    program::{AppliedProgram, Earn, Expiry, ExpiryMode, Messages, Program, Store},
};
use jifen_kernel::{Ids, MemberId, Money, Points, Rate, StoreCode, Token};
use jifen_runtime::{Running, ServiceConfig};
use jifen_testkit::{Schema, TestEnv, eventually, service_config};
use uuid::Uuid;

pub const DEADLINE: Duration = Duration::from_mins(1);

pub struct Bench {
    pub env: TestEnv,
    ids: Ids,
}

pub fn store() -> StoreCode {
    StoreCode::try_new("SH01").expect("store")
}

pub fn token(text: &str) -> Token {
    Token::try_new(text).expect("token")
}

pub fn program(version: u32) -> AppliedProgram {
    let rates: BTreeMap<Token, Rate> = [("maintenance", "1.5"), ("repair", "1.0"), ("parts", "1.2"), ("pass_through", "0")]
        .map(|(category, rate)| (token(category), Rate::try_new(rate).expect("rate")))
        .into();
    AppliedProgram {
        version,
        hash: String::new(),
        effective_from: "2000-01-01".parse().expect("date"),
        applied_at: DateTime::UNIX_EPOCH,
        program: Program {
            name: "test".to_owned(),
            time_zone: "Asia/Shanghai".to_owned(),
            stores: vec![Store { code: store(), name: Text::new("一店", "One"), brand: None }],
            earn: Earn { rates, first_spending: Points(100) },
            expiry: Expiry { months: 24, mode: ExpiryMode::EndOfMonth, min_days_after_posting: 30 },
            tiers: Vec::new(),
            campaigns: Vec::new(),
            messages: Messages { sign: "积分".to_owned(), templates: Vec::new() },
        },
    }
}

pub fn member(number: u128) -> MemberId {
    MemberId(Uuid::from_u128(number))
}

pub fn invoice(number: &str, member_number: u128, category: &str, amount: &str) -> InvoiceAccepted {
    let issued_at: DateTime<Utc> = "2026-10-01T02:21:33Z".parse().expect("instant");
    InvoiceAccepted {
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
        Self { env, ids: Ids::system() }
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
        let js = self.env.js(T::SERVICE).await;
        let mut acks = Vec::new();
        for event in events {
            let now = DateTime::from_timestamp_millis(1_790_000_000_000).expect("instant");
            let envelope = Envelope {
                specversion: "1.0".to_owned(),
                id: self.ids.next(now),
                source: format!("/jifen/{}", T::SERVICE),
                kind: T::type_name(),
                time: now,
                datacontenttype: None,
                sequence: None,
                causationid: None,
                correlationid: None,
                storeid: None,
                traceparent: None,
                data: event,
            };
            let payload = serde_json::to_vec(&envelope).expect("json");
            for _ in 0..times {
                acks.push(js.publish(event.subject(), payload.clone().into()).await.expect("publish"));
            }
        }
        for ack in acks {
            ack.await.expect("ack");
        }
    }

    /// Waits until `count` events of a kind are published; gives all of them.
    pub async fn published<T: EventType>(&self, count: usize) -> Vec<T> {
        let js = self.env.js("local").await;
        let stream = js.get_stream("EVENTS").await.expect("stream");
        let config = async_nats::jetstream::consumer::pull::OrderedConfig { filter_subject: T::filter(), ..Default::default() };
        let consumer = stream.create_consumer(config).await.expect("consumer");
        let mut messages = consumer.messages().await.expect("messages");
        let mut events = Vec::new();
        while events.len() < count {
            let message = tokio::time::timeout(DEADLINE, messages.next()).await.expect("in time").expect("open").expect("message");
            let event: Envelope<T> = serde_json::from_slice(&message.payload).expect("event");
            events.push(event.data);
        }
        events
    }

    /// Waits until nothing is left to do in the stream for the service's consumers.
    pub async fn settled(&self) {
        let js = self.env.js("provisioner").await;
        eventually(DEADLINE, || {
            let js = js.clone();
            async move {
                let stream = js.get_stream("EVENTS").await.ok()?;
                for durable in ["points_invoice_accepted", "points_accrual_assessed"] {
                    let info = stream.consumer_info(durable).await.ok()?;
                    if info.num_pending > 0 || info.num_ack_pending > 0 {
                        return None;
                    }
                }
                Some(())
            }
        })
        .await;
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
