//! A running campaign service, and what it is told.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use jifen_contracts::{
    event::{AccrualAssessed, BonusRule, CategoryBase, Earned},
    program::AppliedProgram,
};
use jifen_kernel::{ManualClock, MemberId, Money, Points, StoreCode, Token};
use jifen_runtime::{Running, context::ClockHandle};
use jifen_testkit::{Schema, TestEnv, samples, service_config};
use serde_json::{Value, json};
use uuid::Uuid;

pub const DURABLE: &str = "campaign_earned";

pub async fn surroundings() -> TestEnv {
    TestEnv::start(&[Schema { service: "campaign", migrator: &jifen_campaign::MIGRATIONS }]).await
}

/// A copy that takes so many messages at once and knows these programs from its start, as one that was told them before.
pub async fn copy(env: &TestEnv, batch: usize, programs: &[AppliedProgram]) -> Running {
    samples::remember(env, "campaign", programs).await;
    let mut config = service_config(env, "campaign");
    config.limits.batch_messages = batch;
    jifen_campaign::service().start(config).await.expect("campaign starts")
}

/// A clock that stands at an instant.
pub fn at(instant: &str) -> Arc<ManualClock> {
    Arc::new(ManualClock::new(instant.parse().expect("instant")))
}

/// A copy whose time is a test's, with the programs that were remembered before.
pub async fn copy_at(env: &TestEnv, clock: &Arc<ManualClock>) -> Running {
    let mut config = service_config(env, "campaign");
    config.clock = ClockHandle(Arc::clone(clock) as _);
    jifen_campaign::service().start(config).await.expect("campaign starts")
}

/// A version with these campaigns, each `{"code", "factor", …}` of the October week.
pub fn program(version: u32, campaigns: &[Value]) -> AppliedProgram {
    program_with(version, campaigns, json!({}))
}

/// The same with other members in the places of the program's own.
pub fn program_with(version: u32, campaigns: &[Value], more: Value) -> AppliedProgram {
    let campaigns: Vec<Value> = campaigns
        .iter()
        .map(|more| {
            let mut campaign = json!({ "name": { "zh": "活动", "en": "offer" }, "from": "2026-10-01", "to": "2026-10-07" });
            campaign.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
            campaign
        })
        .collect();
    let mut changes = more;
    changes.as_object_mut().expect("object").insert("campaigns".to_owned(), json!(campaigns));
    samples::program(version, changes)
}

/// What a member earned on 1 October under version 1.
pub fn earned(document: &str, member: u128, bases: &[(&str, i64)]) -> Earned {
    let at: DateTime<Utc> = "2026-10-01T02:21:33Z".parse().expect("instant");
    let categories = bases.iter().map(|(category, base)| CategoryBase {
        category: Token::try_new(*category).expect("category"),
        paid: Money::from_fen(base * 100),
        base: Points(*base),
    });
    Earned {
        store: StoreCode::try_new("SH01").expect("store"),
        document: document.to_owned(),
        member_id: MemberId(Uuid::from_u128(member)),
        member_no: format!("M{member}"),
        issued_at: at,
        business_date: "2026-10-01".parse().expect("date"),
        received_at: at,
        program_version: 1,
        categories: categories.collect(),
        first_spending: Points::ZERO,
        replaces: None,
        vehicle: None,
        visit: true,
        paid_visit: true,
    }
}

/// Many invoices of a few members, 100 base points each.
pub fn many(count: usize) -> Vec<Earned> {
    (0..count).map(|number| earned(&format!("R{number:04}"), number as u128 % 30, &[("maintenance", 100)])).collect()
}

/// An answer as `(document, campaign@version category points, …)`.
pub fn read(answer: &AccrualAssessed) -> (String, Vec<String>) {
    let bonuses = answer.bonuses.iter().map(|bonus| {
        let rule = match &bonus.rule {
            BonusRule::Multiplier { category, factor_basis_points } => format!("{category} x{factor_basis_points}"),
            BonusRule::Fixed { keep_from, .. } => format!("from {keep_from}"),
        };
        format!("{}@{} {rule} {}", bonus.campaign, bonus.version, bonus.points)
    });
    (answer.document.clone(), bonuses.collect())
}

/// A number from the service's own tables.
pub async fn number(env: &TestEnv, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&env.pool("campaign")).await.expect("number")
}
