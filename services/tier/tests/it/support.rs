//! A running tier service, and what it is told.

use chrono::{DateTime, Utc};
use jifen_contracts::{
    event::{AccrualSettled, Balance, CategoryBase, EntryKind, PostedEntry},
    program::AppliedProgram,
};
use jifen_kernel::{MemberId, Money, Points, StoreCode, Token};
use jifen_runtime::Running;
use jifen_testkit::{Schema, TestEnv, samples, service_config};
use serde_json::{Value, json};
use uuid::Uuid;

pub const DURABLE: &str = "tier_accrual_settled";

pub async fn surroundings() -> TestEnv {
    TestEnv::start(&[Schema { service: "tier", migrator: &jifen_tier::MIGRATIONS }]).await
}

/// A copy that takes so many messages at once and knows these programs from its start, as one that was told them before.
pub async fn copy(env: &TestEnv, batch: usize, programs: &[AppliedProgram]) -> Running {
    samples::remember(env, "tier", programs).await;
    let mut config = service_config(env, "tier");
    config.limits.batch_messages = batch;
    jifen_tier::service().start(config).await.expect("tier starts")
}

/// The preset `points`.
pub fn preset() -> AppliedProgram {
    program(1, &[("regular", "普通", 0), ("silver", "银卡", 5_000), ("gold", "金卡", 20_000), ("diamond", "钻石", 50_000)])
}

/// A version with this ladder.
pub fn program(version: u32, ladder: &[(&str, &str, i64)]) -> AppliedProgram {
    let tiers: Vec<Value> =
        ladder.iter().map(|(code, name, from)| json!({ "code": code, "name": { "zh": name, "en": code }, "from": from })).collect();
    samples::program(version, json!({ "tiers": tiers }))
}

pub fn member(number: u128) -> MemberId {
    MemberId(Uuid::from_u128(number))
}

/// A settled invoice of a member, of so many qualifying points, under version 1.
pub fn settled(document: &str, number: u128, points: i64) -> AccrualSettled {
    let at: DateTime<Utc> = "2026-10-01T02:21:33Z".parse().expect("instant");
    let category = || Token::try_new("maintenance").expect("category");
    let entry = PostedEntry {
        entry_id: Uuid::from_u128(7),
        kind: EntryKind::Accrual,
        rule: "earn@1".to_owned(),
        category: Some(category()),
        points: Points(points),
        qualifying: true,
        pending: false,
    };
    AccrualSettled {
        source: jifen_contracts::event::AccrualSource::Invoice,
        store: StoreCode::try_new("SH01").expect("store"),
        document: document.to_owned(),
        member_id: member(number),
        member_no: format!("M{number}"),
        issued_at: at,
        business_date: "2026-10-01".parse().expect("date"),
        program_version: 1,
        vehicle: None,
        visit: true,
        paid_visit: true,
        categories: vec![CategoryBase { category: category(), paid: Money::from_fen(80_000), base: Points(points) }],
        entries: vec![entry],
        balance: Balance::default(),
    }
}

/// A number from the service's own tables.
pub async fn number(env: &TestEnv, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&env.pool("tier")).await.expect("number")
}
