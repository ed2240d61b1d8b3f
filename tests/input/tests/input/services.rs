//! All services on real servers, in one process.

use std::{collections::BTreeMap, sync::atomic::Ordering};

use jifen_contracts::{receipt::Receipt, subject::STREAM_RECEIPTS};
use jifen_infra::rights::SERVICES;
use jifen_runtime::Running;
use jifen_testkit::{DEADLINE, Schema, TestEnv, bus, eventually, service_config, wire::Wire};
use serde_json::{Value, json};

/// Every durable of the services, with its stream.
fn durables() -> Vec<(&'static str, &'static str)> {
    SERVICES.iter().flat_map(|service| service.durables).copied().collect()
}

macro_rules! services {
    ($($name:literal => $krate:ident),* $(,)?) => {
        fn schemas() -> Vec<Schema> {
            vec![$(Schema { service: $name, migrator: &$krate::MIGRATIONS }),*]
        }

        async fn start_all(env: &TestEnv) -> Vec<Running> {
            vec![$($krate::service().start(service_config(env, $name)).await.expect($name)),*]
        }
    };
}

services! {
    "program" => jifen_program,
    "member" => jifen_member,
    "ingest" => jifen_ingest,
    "points" => jifen_points,
    "campaign" => jifen_campaign,
    "tier" => jifen_tier,
    "notification" => jifen_notification,
}

pub struct System {
    pub env: TestEnv,
    running: Vec<Running>,
}

impl System {
    /// All services, each of which knows the first program.
    pub async fn start() -> Self {
        let env = TestEnv::start(&schemas()).await;
        let running = start_all(&env).await;
        let system = Self { env, running };
        system.know(1).await;
        system
    }

    /// Waits until every service knows this version of the program.
    pub async fn know(&self, version: u32) {
        eventually(DEADLINE, || async {
            let all = self.running.iter().all(|running| running.cx().programs.newest().is_some_and(|applied| applied.version >= version));
            all.then_some(())
        })
        .await;
    }

    pub async fn idle(&self) {
        bus::idle(&self.env, &durables()).await;
        for running in &self.running {
            bus::all_published(&self.env, running.cx().service).await;
        }
    }

    /// Receipts by the SHA-256 of what they are about, once there are so many.
    pub async fn receipts(&self, count: usize) -> BTreeMap<String, Receipt> {
        let read = bus::read::<Receipt>(&self.env, STREAM_RECEIPTS, "receipt.v1.>", count).await;
        read.into_iter().map(|(_, receipt)| (receipt.data.sha256.clone(), receipt.data)).collect()
    }

    /// Registers a member with this phone by a good request.
    pub async fn register(&self, wire: &mut Wire, phone: &str) {
        let request = json!({ "operation_id": phone, "store": "SH01", "name": "王小明", "phone": phone, "store_confirmed": true });
        let answer = wire.ask(b"api.member.member.register", None, request.to_string().as_bytes()).await;
        let reply: Value = serde_json::from_slice(&answer.payload).expect("JSON");
        assert!(reply["member_no"].is_string(), "a good request is answered: {reply}");
    }

    /// What must hold whatever was sent: nothing waits, nobody's connection broke, nothing but this was set aside.
    pub async fn sound(self, dead_letters: usize) {
        self.idle().await;
        let mut found = Vec::new();
        for running in &self.running {
            let sql =
                sqlx::AssertSqlSafe(format!("select consumer || ': ' || code || ': ' || reason from {}.dead_letter", running.cx().service));
            found.extend(sqlx::query_scalar::<_, String>(sql).fetch_all(self.env.admin_pool()).await.expect("dead letters"));
            let connects = running.cx().nats.statistics().connects.load(Ordering::Relaxed);
            assert_eq!(connects, 1, "{} lost its connection", running.cx().service);
        }
        assert_eq!(found.len(), dead_letters, "dead letters: {found:#?}");
        for running in self.running {
            assert!(running.stop().await, "every service stops in time");
        }
    }
}
