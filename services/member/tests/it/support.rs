//! A running member service and what others ask it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use jifen_contracts::{
    Envelope, EventType, Problem,
    endpoint::{
        ActivateReply, ActivateRequest, CodeSend, CodeSendReply, CodeSendRequest, Endpoint, MemberActivate, Register, RegisterReply,
        RegisterRequest, VehicleInput,
    },
    event::{MemberCodeIssued, MemberRegistered},
    program::AppliedProgram,
};
use jifen_kernel::clock::{ManualClock, local_date};
use jifen_runtime::{Running, ServiceConfig, ask, context::ClockHandle, daily};
use jifen_testkit::{DEADLINE, Schema, TestEnv, eventually, samples, service_config};
use serde_json::{Value, json};

/// A service, its surroundings, and somebody who asks.
pub struct Bench {
    pub env: TestEnv,
    pub caller: async_nats::Client,
    /// The time of every copy that is started after it was set.
    pub clock: Option<Arc<ManualClock>>,
    pub program: AppliedProgram,
}

pub fn program() -> AppliedProgram {
    program_with(&json!({}))
}

/// The program with these rules of membership.
pub fn program_with(membership: &Value) -> AppliedProgram {
    samples::program(1, json!({ "stores": [samples::store("SH01"), samples::store("SH02")], "membership": membership }))
}

pub fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("instant")
}

/// Somebody who applies in order, with the phone `13800000000 + number`.
pub fn application(operation: &str, number: u64) -> RegisterRequest {
    RegisterRequest {
        operation_id: operation.to_owned(),
        store: "SH01".to_owned(),
        name: "王小明".to_owned(),
        phone: (13_800_000_000 + number).to_string(),
        birthday: "1990-05-01".parse().ok(),
        consents: None,
        vehicles: Vec::new(),
        store_confirmed: true,
        wechat_openid: None,
        language: None,
    }
}

/// Somebody whom no store has confirmed.
pub fn unconfirmed(operation: &str, number: u64) -> RegisterRequest {
    RegisterRequest { store_confirmed: false, ..application(operation, number) }
}

pub fn vehicle(vin: Option<&str>, plate: Option<&str>) -> VehicleInput {
    VehicleInput { vin: vin.map(str::to_owned), plate: plate.map(str::to_owned), owned_since: None, series: None, new_on: None }
}

impl Bench {
    pub async fn start() -> Self {
        let env = TestEnv::start(&[Schema { service: "member", migrator: &jifen_member::MIGRATIONS }]).await;
        let caller = env.nats("operator").await;
        Self { env, caller, clock: None, program: program() }
    }

    /// With a clock that stands at `now`, and these rules of membership.
    pub async fn start_at(now: &str, membership: Value) -> Self {
        let clock = Some(Arc::new(ManualClock::new(at(now))));
        Self { clock, program: program_with(&membership), ..Self::start().await }
    }

    /// Moves the clock.
    pub fn set(&self, now: &str) {
        self.clock.as_ref().expect("a clock of the test's").set(at(now));
    }

    fn config(&self) -> ServiceConfig {
        let config = service_config(&self.env, "member");
        match &self.clock {
            Some(clock) => ServiceConfig { clock: ClockHandle(Arc::clone(clock) as Arc<_>), ..config },
            None => config,
        }
    }

    /// A copy that knows no program.
    pub async fn bare_copy(&self) -> Running {
        jifen_member::service().start(self.config()).await.expect("member starts")
    }

    pub async fn copy(&self) -> Running {
        let running = self.bare_copy().await;
        running.cx().programs.learn([self.program.clone()]);
        running
    }

    pub async fn register(&self, request: &RegisterRequest) -> Result<RegisterReply, Problem> {
        ask::<Register>(&self.caller, request).await
    }

    pub async fn must_register(&self, request: &RegisterRequest) -> RegisterReply {
        self.register(request).await.expect("registered")
    }

    /// All at once, in no order.
    pub async fn register_all(&self, requests: &[RegisterRequest]) -> Vec<Result<RegisterReply, Problem>> {
        futures_util::future::join_all(requests.iter().map(|request| self.register(request))).await
    }

    pub async fn number(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(self.env.admin_pool()).await.expect("number")
    }

    pub async fn members(&self) -> i64 {
        self.number("select count(*) from member.member").await
    }

    /// The registrations announced so far.
    pub async fn announced(&self) -> Vec<Envelope<MemberRegistered>> {
        self.events().await
    }

    /// The events of a kind so far, by time and sequence: read where they wait, which is the transaction of what they tell.
    pub async fn events<T: EventType>(&self) -> Vec<Envelope<T>> {
        let payloads = self.outbox().await;
        let of_kind = payloads.iter().filter(|payload| payload["type"] == T::type_name().as_str());
        let mut events: Vec<Envelope<T>> = of_kind.map(|payload| serde_json::from_value(payload.clone()).expect("event")).collect();
        // Ids of one instant have no order; a member's events have their own.
        events.sort_by(|a, b| (a.time, &a.sequence).cmp(&(b.time, &b.sequence)));
        events
    }

    /// Everything that was published so far.
    pub async fn outbox(&self) -> Vec<Value> {
        let payloads: Vec<Vec<u8>> =
            sqlx::query_scalar("select payload from member.outbox order by id").fetch_all(self.env.admin_pool()).await.expect("outbox");
        payloads.iter().map(|payload| serde_json::from_slice(payload).expect("json")).collect()
    }

    /// The last code that was sent to a member, opened as its sender does. Two of one instant have no order.
    pub async fn code(&self, running: &Running, member_no: &str) -> String {
        let events = self.events::<MemberCodeIssued>().await;
        let last = events.into_iter().rfind(|event| event.data.member_no == member_no).expect("a code was sent").data;
        let opened = running.cx().seal_to("notification").open_text(&last.code_sealed, &MemberCodeIssued::bound(last.member_id));
        String::from_utf8(opened.expect("opens")).expect("digits")
    }

    pub async fn ask<E: Endpoint>(&self, request: Value) -> Result<E::Reply, Problem> {
        ask::<E>(&self.caller, &serde_json::from_value(request).expect("request")).await
    }

    pub async fn activate(&self, operation: &str, member_no: &str, code: &str) -> Result<ActivateReply, Problem> {
        let (operation_id, member_no) = (operation.to_owned(), Some(member_no.to_owned()));
        ask::<MemberActivate>(&self.caller, &ActivateRequest { operation_id, member_no, phone: None, code: code.to_owned() }).await
    }

    pub async fn send_code(&self, operation: &str, member_no: &str) -> Result<CodeSendReply, Problem> {
        let (operation_id, member_no) = (operation.to_owned(), Some(member_no.to_owned()));
        ask::<CodeSend>(&self.caller, &CodeSendRequest { operation_id, store: None, member_no, phone: None }).await
    }

    /// The day's work up to now, whether it is done here or the copy is at it already.
    pub async fn run_days(&self, running: &Running) {
        let today = local_date(running.cx().clock.now(), self.program.program.time_zone());
        eventually(DEADLINE, || async {
            daily::run_due(running.cx(), &jifen_member::Lapse).await.expect("done");
            let done = "select count(*) > 0 from member.job_day where job = 'lapse' and day = $1 and done_at is not null";
            let done: bool = sqlx::query_scalar(done).bind(today).fetch_one(self.env.admin_pool()).await.expect("looked up");
            done.then_some(())
        })
        .await;
    }
}

/// A refusal's code and place.
pub fn refusal(answer: Result<RegisterReply, Problem>) -> (String, String) {
    let problem = answer.expect_err("refused");
    (problem.code, problem.pointer.unwrap_or_default())
}
