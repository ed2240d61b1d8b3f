//! What the tests of the rules are given.

use std::sync::{Arc, LazyLock};

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::{
    KeyedHash,
    event::{CategoryBase, Earned, VehicleKeys},
    program::{AppliedProgram, Campaign},
};
use jifen_kernel::{MemberId, Money, Points, StoreCode, Token, clock};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    accrual::Accrual,
    offer::{Offers, list_offers},
    person::Person,
    rulebook::Rulebook,
};

/// The office's arrangement of 2026, computed once: it takes a second.
static HOLIDAYS: LazyLock<Value> = LazyLock::new(|| json!(jifen_rules::seed::holidays(2026..=2026)));

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

/// Version 3 of a program of Shanghai time with these campaigns, holidays of 2026 and a ladder from regular to gold.
pub fn program(campaigns: Vec<Campaign>) -> AppliedProgram {
    program_with(campaigns, json!({}))
}

/// The same with other members in the places of its own.
pub fn program_with(campaigns: Vec<Campaign>, more: Value) -> AppliedProgram {
    let tier = |code: &str, from| json!({ "code": code, "name": { "zh": code, "en": code }, "from": from });
    let mut program = json!({
        "name": "given", "time_zone": "Asia/Shanghai", "stores": [],
        "earn": { "rates": {}, "first_spending": 100 },
        "expiry": { "months": 24, "mode": "end_of_month", "min_days_after_posting": 30 },
        "tiers": [tier("regular", 0), tier("silver", 5_000), tier("gold", 20_000)],
        "campaigns": campaigns, "holidays": *HOLIDAYS, "messages": { "sign": "given", "templates": [] },
    });
    let Value::Object(more) = more else { panic!("an object") };
    program.as_object_mut().expect("object").extend(more);
    AppliedProgram {
        version: 3,
        hash: String::new(),
        effective_from: day("2000-01-01"),
        applied_at: DateTime::UNIX_EPOCH,
        program: serde_json::from_value(program).expect("program"),
    }
}

/// A version, ready to be asked.
pub fn rulebook(program: AppliedProgram) -> Rulebook {
    Rulebook::new(Arc::new(program))
}

/// What a version offers for an accrual of a member.
pub fn offers<'a>(rules: &'a Rulebook, accrual: &'a Accrual, person: &'a Person) -> Offers<'a> {
    list_offers(rules, rules.day(accrual.business_date).of(&accrual.store), accrual, person)
}

/// A member of this tier, born in this month.
pub fn person(tier: &str, birthday_month: u32) -> Person {
    Person { birthday_month: Some(birthday_month), tier: Some(token(tier)), cars: Vec::new() }
}

/// A car by the hash of its VIN; its plate's is `plate of …`.
pub fn car(vin: &str, series: Option<&str>, new_on: Option<&str>) -> VehicleKeys {
    VehicleKeys {
        vin: Some(KeyedHash(vin.to_owned())),
        plate: Some(KeyedHash(format!("plate of {vin}"))),
        owned_since: day("2023-10-31"),
        series: series.map(str::to_owned),
        new_on: new_on.map(day),
    }
}

/// A campaign of the October week; `more` adds or replaces keys, `null` takes one away.
pub fn campaign(code: &str, factor: &str, more: Value) -> Campaign {
    let mut campaign = json!({
        "code": code, "name": { "zh": code, "en": code }, "factor": factor, "from": "2026-10-01", "to": "2026-10-07",
    });
    let Value::Object(more) = more else { panic!("an object") };
    let fields = campaign.as_object_mut().expect("object");
    fields.extend(more);
    fields.retain(|_, value| !value.is_null());
    serde_json::from_value(campaign).expect("campaign")
}

/// What `SH01` issued at noon of a local day and sent at once; each point of base was a yuan.
pub fn earned(document: &str, business_date: &str, bases: &[(&str, i64)]) -> Earned {
    let at = clock::start_of_day(day(business_date), chrono_tz::Asia::Shanghai) + chrono::Duration::hours(12);
    let categories = bases.iter().map(|(category, base)| CategoryBase {
        category: token(category),
        paid: Money::from_fen(base * 100),
        base: Points(*base),
    });
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
        replaces: None,
        vehicle: None,
        visit: true,
        paid_visit: true,
    }
}

/// The same as an accrual.
pub fn accrual(document: &str, business_date: &str, bases: &[(&str, i64)]) -> Accrual {
    Accrual::try_new(&earned(document, business_date, bases)).expect("accrual")
}
