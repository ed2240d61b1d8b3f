//! A running tier service, and what it is told.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use jifen_contracts::{
    KeyedHash,
    endpoint::MemberStatus,
    event::{AccrualSettled, Balance, CategoryBase, EntryKind, MemberActivated, MemberRegistered, PostedEntry, VehicleSold},
    program::AppliedProgram,
};
use jifen_kernel::{ManualClock, MemberId, Money, Points, StoreCode, Token};
use jifen_runtime::{Running, context::ClockHandle};
use jifen_testkit::{Schema, TestEnv, samples, service_config};
use serde_json::{Value, json};
use uuid::Uuid;

pub const DURABLE: &str = "tier_accrual_settled";

pub async fn surroundings() -> TestEnv {
    TestEnv::start(&[Schema { service: "tier", migrator: &jifen_tier::MIGRATIONS }]).await
}

/// A copy whose time a test moves.
pub async fn copy_at(env: &TestEnv, clock: &Arc<ManualClock>, programs: &[AppliedProgram]) -> Running {
    samples::remember(env, "tier", programs).await;
    let mut config = service_config(env, "tier");
    config.clock = ClockHandle(Arc::clone(clock) as _);
    jifen_tier::service().start(config).await.expect("tier starts")
}

pub fn instant(text: &str) -> DateTime<Utc> {
    text.parse().expect("instant")
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

fn way(metric: &str, at_least: Value) -> Value {
    json!({ "all": [{ "metric": metric, "at_least": at_least }] })
}

fn step(code: &str, changes: Value) -> Value {
    let mut tier = json!({ "code": code, "name": { "zh": code, "en": code } });
    if let (Some(tier), Value::Object(changes)) = (tier.as_object_mut(), changes) {
        tier.extend(changes);
    }
    tier
}

fn countable(kind: &str, count: u32, once: bool) -> Value {
    json!({ "kind": kind, "text": { "zh": kind, "en": kind }, "count": count, "once": once })
}

/// The yearly ladder of `annual-spend`.
pub fn annual(version: u32) -> AppliedProgram {
    let gold = json!({ "any": [way("spend_12m", json!("5000.00"))], "benefits": [countable("wash", 6, false)] });
    let tiers = json!([
        step("silver", json!({ "from": 0, "benefits": [countable("inspection", 1, true)] })),
        step("gold", gold),
        step("diamond", json!({ "any": [way("spend_12m", json!("50000.00")), way("invitation_12m", json!(1))] })),
    ]);
    samples::program(version, json!({ "tiers": tiers, "ladder": { "kind": "yearly" } }))
}

/// A ladder of points alone, whose upper tier brings washes and, once in a life, an inspection.
pub fn bringing() -> AppliedProgram {
    let benefits = [countable("wash", 6, false), countable("inspection", 1, true)];
    let tiers = json!([step("regular", json!({ "from": 0 })), step("silver", json!({ "from": 5_000, "benefits": benefits }))]);
    samples::program(1, json!({ "tiers": tiers }))
}

/// The ladder of `handbook`.
pub fn handbook() -> AppliedProgram {
    let silver = json!({ "from": 5_000, "any": [way("vehicle_amount_12m", json!("50000.00")), way("paid_visits", json!(3))] });
    let tiers = json!([
        step("regular", json!({ "from": 0 })),
        step("silver", silver),
        step("gold", json!({ "from": 15_000, "any": [way("approval", json!(1))] })),
    ]);
    samples::program(1, json!({ "tiers": tiers }))
}

/// A registration, which may await its activation.
pub fn registered(number: u128, status: MemberStatus) -> MemberRegistered {
    MemberRegistered {
        member_id: member(number),
        member_no: format!("M{number}"),
        store: StoreCode::try_new("SH01").expect("store"),
        registered_at: instant("2026-05-01T02:00:00Z"),
        phone: KeyedHash("1:00".to_owned()),
        vehicles: Vec::new(),
        birthday: None,
        status,
    }
}

/// An activation on 20 May 2026.
pub fn activated(number: u128) -> MemberActivated {
    let store = StoreCode::try_new("SH01").expect("store");
    MemberActivated { member_id: member(number), member_no: format!("M{number}"), store, at: instant("2026-05-20T02:00:00Z") }
}

/// An invoice for which the customer paid so much on a day.
pub fn spent(document: &str, number: u128, on: &str, yuan: &str) -> AccrualSettled {
    let mut settled = settled(document, number, 100);
    settled.business_date = on.parse().expect("date");
    settled.issued_at = instant(&format!("{on}T04:00:00Z"));
    settled.categories[0].paid = Money::try_new(yuan).expect("money");
    settled
}

/// A car delivered on 10 May 2026.
pub fn sold(sale_no: &str, number: u128, yuan: &str) -> VehicleSold {
    VehicleSold {
        store: StoreCode::try_new("SH01").expect("store"),
        sale_no: sale_no.to_owned(),
        member_id: member(number),
        member_no: format!("M{number}"),
        delivered_at: instant("2026-05-10T04:00:00Z"),
        business_date: "2026-05-10".parse().expect("date"),
        received_at: instant("2026-05-10T04:00:00Z"),
        program_version: 1,
        vehicle: KeyedHash("1:01".to_owned()),
        vin_sealed: String::new(),
        series: None,
        price: Money::try_new(yuan).expect("money"),
    }
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

/// The days' run has nothing to do for a long time: it would make statements of its own.
pub async fn without_run(env: &TestEnv) {
    let done = "insert into job_day (job, day, done_at) values ('tier_year', '2100-01-01', now())";
    sqlx::query(done).execute(&env.pool("tier")).await.expect("a day");
}
