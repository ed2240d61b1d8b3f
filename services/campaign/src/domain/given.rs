//! What the tests of the rules are given.

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::{
    event::{CategoryBase, Earned},
    program::{AppliedProgram, Campaign},
};
use jifen_kernel::{MemberId, Money, Points, StoreCode, Token, clock};
use serde_json::{Value, json};
use uuid::Uuid;

/// A code.
pub fn token(text: &str) -> Token {
    Token::try_new(text).expect("token")
}

/// A day.
pub fn day(text: &str) -> NaiveDate {
    text.parse().expect("date")
}

/// An instant.
pub fn instant(text: &str) -> DateTime<Utc> {
    text.parse().expect("instant")
}

/// Version 3 of a program of Shanghai time with these campaigns.
pub fn program(campaigns: Vec<Campaign>) -> AppliedProgram {
    let program = json!({
        "name": "given", "time_zone": "Asia/Shanghai", "stores": [],
        "earn": { "rates": {}, "first_spending": 100 },
        "expiry": { "months": 24, "mode": "end_of_month", "min_days_after_posting": 30 },
        "tiers": [], "campaigns": campaigns, "messages": { "sign": "given", "templates": [] },
    });
    AppliedProgram {
        version: 3,
        hash: String::new(),
        effective_from: day("2000-01-01"),
        applied_at: DateTime::UNIX_EPOCH,
        program: serde_json::from_value(program).expect("program"),
    }
}

/// A campaign of the October week; `more` adds or replaces keys.
pub fn campaign(code: &str, factor: &str, more: Value) -> Campaign {
    let mut campaign = json!({
        "code": code, "name": { "zh": code, "en": code }, "factor": factor, "from": "2026-10-01", "to": "2026-10-07",
    });
    let Value::Object(more) = more else { panic!("an object") };
    campaign.as_object_mut().expect("object").extend(more);
    serde_json::from_value(campaign).expect("campaign")
}

/// What `SH01` issued at noon of a local day and sent at once.
pub fn earned(document: &str, business_date: &str, bases: &[(&str, i64)]) -> Earned {
    let at = clock::start_of_day(day(business_date), chrono_tz::Asia::Shanghai) + chrono::Duration::hours(12);
    let categories =
        bases.iter().map(|(category, base)| CategoryBase { category: token(category), paid: Money::ZERO, base: Points(*base) });
    Earned {
        store: StoreCode::try_new("SH01").expect("store"),
        document: document.to_owned(),
        member_id: MemberId(Uuid::from_u128(1)),
        member_no: "80000001".to_owned(),
        issued_at: at,
        business_date: day(business_date),
        received_at: at,
        program_version: 3,
        categories: categories.collect(),
        first_spending: Points::ZERO,
        vehicle: None,
        visit: true,
        paid_visit: true,
    }
}

/// The same as an accrual.
pub fn accrual(document: &str, business_date: &str, bases: &[(&str, i64)]) -> super::accrual::Accrual {
    super::accrual::Accrual::try_new(&earned(document, business_date, bases)).expect("accrual")
}
