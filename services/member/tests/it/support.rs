//! A running member service and what others ask it.

use jifen_contracts::{
    Envelope, Problem,
    endpoint::{Register, RegisterReply, RegisterRequest, VehicleInput},
    event::MemberRegistered,
    program::AppliedProgram,
};
use jifen_runtime::{Running, ask};
use jifen_testkit::{Schema, TestEnv, samples, service_config};
use serde_json::json;

/// A service, its surroundings, and somebody who asks.
pub struct Bench {
    pub env: TestEnv,
    pub caller: async_nats::Client,
}

pub fn program() -> AppliedProgram {
    samples::program(1, json!({ "stores": [samples::store("SH01"), samples::store("SH02")] }))
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
    }
}

pub fn vehicle(vin: Option<&str>, plate: Option<&str>) -> VehicleInput {
    VehicleInput { vin: vin.map(str::to_owned), plate: plate.map(str::to_owned), owned_since: None }
}

impl Bench {
    pub async fn start() -> Self {
        let env = TestEnv::start(&[Schema { service: "member", migrator: &jifen_member::MIGRATIONS }]).await;
        let caller = env.nats("operator").await;
        Self { env, caller }
    }

    /// A copy that knows no program.
    pub async fn bare_copy(&self) -> Running {
        jifen_member::service().start(service_config(&self.env, "member")).await.expect("member starts")
    }

    pub async fn copy(&self) -> Running {
        let running = self.bare_copy().await;
        running.cx().programs.learn([program()]);
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

    /// The events announced so far: read where they wait, which is the transaction of the registration.
    pub async fn announced(&self) -> Vec<Envelope<MemberRegistered>> {
        let payloads: Vec<Vec<u8>> =
            sqlx::query_scalar("select payload from member.outbox order by id").fetch_all(self.env.admin_pool()).await.expect("outbox");
        payloads.iter().map(|payload| serde_json::from_slice(payload).expect("event")).collect()
    }
}

/// A refusal's code and place.
pub fn refusal(answer: Result<RegisterReply, Problem>) -> (String, String) {
    let problem = answer.expect_err("refused");
    (problem.code, problem.pointer.unwrap_or_default())
}
