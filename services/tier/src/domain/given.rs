//! What the tests of the rules are given.

use chrono::{DateTime, Utc};
use jifen_contracts::{
    event::{AccrualSettled, Balance, CategoryBase, EntryKind, PostedEntry},
    program::AppliedProgram,
};
use jifen_kernel::{MemberId, Money, Points, StoreCode, Token};
use serde_json::json;
use uuid::Uuid;

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
