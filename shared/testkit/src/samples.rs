//! Programs for tests.

use chrono::DateTime;
use jifen_contracts::program::AppliedProgram;
use serde_json::{Value, json};

use crate::TestEnv;

/// A version of a small program, in force since 2000: store SH01 in Shanghai's time, no rates, tiers or campaigns. The members
/// of `changes` take the places of the program's own (`stores`, `earn`, `tiers`, …).
///
/// ```
/// let applied = jifen_testkit::samples::program(3, serde_json::json!({ "time_zone": "Asia/Tokyo" }));
/// assert_eq!((applied.version, applied.program.time_zone.as_str()), (3, "Asia/Tokyo"));
/// ```
pub fn program(version: u32, changes: Value) -> AppliedProgram {
    let mut program = json!({
        "name": "test",
        "time_zone": "Asia/Shanghai",
        "stores": [store("SH01")],
        "earn": { "rates": {}, "first_spending": 100 },
        "expiry": { "months": 24, "mode": "end_of_month", "min_days_after_posting": 30 },
        "tiers": [],
        "campaigns": [],
        "messages": { "sign": "积分", "templates": [] },
    });
    if let (Some(program), Value::Object(changes)) = (program.as_object_mut(), changes) {
        program.extend(changes);
    }
    AppliedProgram {
        version,
        hash: String::new(),
        effective_from: "2000-01-01".parse().expect("date"),
        applied_at: DateTime::UNIX_EPOCH,
        program: serde_json::from_value(program).expect("program"),
    }
}

/// A store of a program, named after its code.
pub fn store(code: &str) -> Value {
    json!({ "code": code, "name": { "zh": code, "en": code } })
}

/// Lets every later copy of a service know these programs from its start, as one that was told them before.
pub async fn remember(env: &TestEnv, service: &str, programs: &[AppliedProgram]) {
    let pool = env.pool(service);
    for applied in programs {
        sqlx::query("insert into program_version (version, applied) values ($1, $2) on conflict do nothing")
            .bind(i32::try_from(applied.version).expect("version"))
            .bind(serde_json::to_value(applied).expect("program"))
            .execute(&pool)
            .await
            .expect("remembered");
    }
}
