//! What the tests of the rules are given.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::{
    event::{AccrualSettled, Balance, CategoryBase, EntryKind, PostedEntry},
    program::AppliedProgram,
};
use jifen_kernel::{MemberId, Money, Points, StoreCode, Token};
use serde_json::json;
use uuid::Uuid;

use super::contribution::{Fact, Source};

/// A code.
pub fn token(text: &str) -> Token {
    Token::try_new(text).expect("token")
}

/// An instant.
pub fn instant(text: &str) -> DateTime<Utc> {
    text.parse().expect("instant")
}

/// A program with this ladder.
pub fn ladder(version: u32, steps: &[(&str, i64)]) -> AppliedProgram {
    let tiers: Vec<_> =
        steps.iter().map(|(code, from)| json!({ "code": code, "name": { "zh": code, "en": code }, "from": from })).collect();
    let program = json!({
        "name": "given", "time_zone": "Asia/Shanghai", "stores": [],
        "earn": { "rates": {}, "first_spending": 100 },
        "expiry": { "months": 24, "mode": "end_of_month", "min_days_after_posting": 30 },
        "tiers": tiers, "campaigns": [], "messages": { "sign": "given", "templates": [] },
    });
    AppliedProgram {
        version,
        hash: String::new(),
        effective_from: "2000-01-01".parse().expect("date"),
        applied_at: DateTime::UNIX_EPOCH,
        program: serde_json::from_value(program).expect("program"),
    }
}

/// The preset `points` of DOMAIN.
pub fn preset() -> AppliedProgram {
    ladder(1, &[("regular", 0), ("silver", 5_000), ("gold", 20_000), ("diamond", 50_000)])
}

/// An accrual with these entries, all of them qualifying.
pub fn settled(document: &str, points: &[i64]) -> AccrualSettled {
    let at = instant("2026-10-01T04:00:00Z");
    let entries = points.iter().map(|points| PostedEntry {
        entry_id: Uuid::from_u128(7),
        kind: EntryKind::Accrual,
        rule: "earn@1".to_owned(),
        category: Some(token("maintenance")),
        points: Points(*points),
        qualifying: true,
        pending: false,
    });
    AccrualSettled {
        source: jifen_contracts::event::AccrualSource::Invoice,
        store: StoreCode::try_new("SH01").expect("store"),
        document: document.to_owned(),
        member_id: MemberId(Uuid::from_u128(1)),
        member_no: "80000001".to_owned(),
        issued_at: at,
        business_date: "2026-10-01".parse().expect("date"),
        program_version: 1,
        vehicle: None,
        visit: true,
        paid_visit: true,
        categories: vec![CategoryBase { category: token("maintenance"), paid: Money::from_fen(100_000), base: Points(1_500) }],
        entries: entries.collect(),
        balance: Balance::default(),
    }
}

/// A day.
pub fn day(text: &str) -> NaiveDate {
    text.parse().expect("day")
}

fn tier(code: &str, from: Option<i64>, any: serde_json::Value, benefits: serde_json::Value) -> serde_json::Value {
    let mut tier = json!({ "code": code, "name": { "zh": code, "en": code }, "any": any, "benefits": benefits });
    if let Some(from) = from {
        tier["from"] = json!(from);
    }
    tier
}

fn way(metric: &str, at_least: serde_json::Value) -> serde_json::Value {
    json!({ "all": [{ "metric": metric, "at_least": at_least }] })
}

fn countable(kind: &str, count: u32, once: bool) -> serde_json::Value {
    json!({ "kind": kind, "text": { "zh": kind, "en": kind }, "count": count, "once": once })
}

/// A program with these tiers and this ladder.
pub fn with_ladder(version: u32, tiers: &serde_json::Value, ladder: &serde_json::Value) -> AppliedProgram {
    let mut applied = self::ladder(version, &[]);
    applied.program.tiers = serde_json::from_value(tiers.clone()).expect("tiers");
    applied.program.ladder = serde_json::from_value(ladder.clone()).expect("ladder");
    applied
}

/// The preset `annual-spend` of DOMAIN.
pub fn annual_spend() -> AppliedProgram {
    let gold = json!([way("spend_12m", json!("5000.00")), way("referrals_purchase_12m", json!(1))]);
    let platinum = json!([way("spend_12m", json!("15000.00")), way("referrals_purchase_12m", json!(3))]);
    let diamond = json!([way("spend_12m", json!("50000.00")), way("invitation_12m", json!(1))]);
    let tiers = json!([
        tier("silver", Some(0), json!([]), json!([countable("inspection", 1, true)])),
        tier("gold", None, gold, json!([])),
        tier("platinum", None, platinum, json!([countable("wash", 6, false)])),
        tier("diamond", None, diamond, json!([])),
    ]);
    with_ladder(1, &tiers, &json!({ "kind": "yearly" }))
}

/// The preset `handbook` of DOMAIN.
pub fn handbook() -> AppliedProgram {
    let silver = json!([way("vehicle_amount_12m", json!("50000.00")), way("paid_visits", json!(3)), way("invitation", json!(1))]);
    let gold = json!([
        way("vehicle_amount", json!("150000.00")),
        way("high_spend_years", json!(3)),
        way("listed_models", json!(1)),
        way("approval", json!(1)),
    ]);
    let tiers = json!([
        tier("regular", Some(0), json!([]), json!([])),
        tier("silver", Some(5_000), silver, json!([])),
        tier("gold", Some(15_000), gold, json!([])),
    ]);
    with_ladder(1, &tiers, &json!({ "high_spend": "20000.00", "listed_series": ["X1"] }))
}

/// The preset `companion` of DOMAIN.
pub fn companion() -> AppliedProgram {
    let companion = json!([way("vehicles", json!(2)), way("referrals_purchase", json!(1)), way("referrals_service", json!(1))]);
    let tiers = json!([
        tier("explorer", Some(0), json!([]), json!([])),
        tier("companion", None, companion, json!([])),
        tier("co_creator", None, json!([way("participation", json!(3))]), json!([])),
    ]);
    with_ladder(1, &tiers, &json!({ "participation": ["suggestion", "event"] }))
}

/// A fact that counts for nothing yet.
pub fn fact(source: Source, document: &str, on: &str) -> Fact {
    Fact {
        source,
        store: StoreCode::try_new("SH01").expect("store"),
        document: document.to_owned(),
        business_date: day(on),
        at: None,
        qualifying: Points::ZERO,
        paid: BTreeMap::new(),
        visit: false,
        paid_visit: false,
        vehicle: None,
        amount: Money::ZERO,
        detail: None,
    }
}

/// An invoice of maintenance for which the customer paid so much.
pub fn spent(document: &str, on: &str, yuan: &str) -> Fact {
    let paid = BTreeMap::from([(token("maintenance"), Money::try_new(yuan).expect("money"))]);
    Fact { paid, ..fact(Source::Invoice, document, on) }
}

/// A car that was delivered.
pub fn bought(document: &str, on: &str, yuan: &str) -> Fact {
    Fact { amount: Money::try_new(yuan).expect("money"), ..fact(Source::VehicleSale, document, on) }
}
