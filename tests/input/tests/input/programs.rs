//! Programs of an operator who mistypes: each is refused with its findings, or every service can work with it.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use jifen_input::{Dice, good, seeds, spoil};
use jifen_kernel::{Clock, SystemClock};
use jifen_testkit::wire::Wire;
use serde_json::{Value, json};

use crate::{
    services::System,
    system::{KNOWN, problem_of},
};

/// The presets have none.
const CAMPAIGNS: &str = r#"
[[campaign]]
code = "double_week"
name = { zh = "双倍积分周", en = "Double points" }
factor = "2"
from = 2026-10-01
to = 2036-10-07
weekdays = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
stores = ["SH01"]
categories = ["maintenance", "repair"]
budget = 10_000
"#;

type Files = BTreeMap<String, String>;

/// Changes a line of one file, or the file.
fn mistype(dice: &mut Dice, files: &mut Files) {
    let names: Vec<String> = files.keys().cloned().collect();
    let name = dice.pick(&names).clone();
    let mut lines: Vec<String> = files[&name].lines().map(str::to_owned).collect();
    let said: Vec<usize> = (0..lines.len()).filter(|place| lines[*place].contains('=') || lines[*place].starts_with('[')).collect();
    let place = *dice.pick(&said);
    let value = value(dice);
    match dice.place(16) {
        0 => drop(lines.remove(place)),
        1 => lines.insert(place, lines[place].clone()),
        2 => lines.insert(place, format!("{} = {value}", dice.pick(&["unknown", "code", "from", "\"\"", "a.b", "name"]))),
        3 => lines[place] = spoil::text(dice, &lines[place]),
        4 => drop(files.remove(&name)),
        5 => drop(files.insert(spoil::tricky(dice), lines.join("\n"))),
        6..=12 => lines[place] = with_another_number(dice, &lines[place]),
        _ => {
            if let Some((key, _)) = lines[place].clone().split_once('=') {
                lines[place] = format!("{key}= {value}");
            }
        }
    }
    if files.contains_key(&name) {
        files.insert(name, lines.join("\n"));
    }
}

/// The line with its last number changed: mostly still a program.
fn with_another_number(dice: &mut Dice, line: &str) -> String {
    let Some(end) = line.rfind(|c: char| c.is_ascii_digit()) else { return line.to_owned() };
    let start = line[..end].rfind(|c: char| !c.is_ascii_digit()).map_or(0, |place| place + 1);
    let number = dice.pick(&["0", "1", "2", "7", "12", "100", "1000000", "2147483648", "4294967296", "9223372036854775807"]);
    format!("{}{number}{}", &line[..start], &line[end + 1..])
}

/// A value of TOML, with a liking for the edges.
fn value(dice: &mut Dice) -> String {
    let values = [
        "0",
        "1",
        "-1",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "1.5",
        "nan",
        "inf",
        "1e400",
        "true",
        "[]",
        "{}",
        "[[]]",
        "2026-10-01",
        "2026-02-30",
        "9999-12-31",
        "0001-01-01",
        "10:00:00",
        "\"\"",
        "\"0\"",
        "\"1\"",
        "\"0.0001\"",
        "\"-1\"",
        "\"1e9\"",
        "\"NaN\"",
        "\"99999999999999999999999999999\"",
        "\"Asia/Shanghai\"",
        "\"Mars/Olympus\"",
        "\"end_of_month\"",
        "\"{{ points }}\"",
        "\"{{ phone }}\"",
        "\"{{ 1 // 0 }}\"",
        "\"{% for a in range(1000000000) %}{% endfor %}\"",
        "\"{{ 'x' * 1000000000 }}\"",
        "\"{{\"",
        "\"{% include 'x' %}\"",
        "\"SH01\"",
        "\"double_week\"",
        "{ zh = \"一\", en = \"one\" }",
        "{ zh = \"\", en = \"\" }",
        "[\"SH01\", \"SH01\"]",
        "[\"SH99\"]",
        "[\"monday\"]",
    ];
    match dice.place(6) {
        0 => serde_json::to_string(&spoil::tricky(dice)).expect("a text"),
        1 => {
            let depth = *dice.pick(&[50, 100, 5_000]);
            format!("{}{}", "[".repeat(depth), "]".repeat(depth))
        }
        _ => (*dice.pick(&values)).to_owned(),
    }
}

fn preset_of(name: &str) -> Files {
    let mut files = jifen_program::preset(name).expect("a preset");
    files.insert("campaigns.toml".to_owned(), CAMPAIGNS.to_owned());
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_refused_or_works() {
    let system = System::start().await;
    let mut wire = Wire::connect(&system.env, "operator").await;
    system.register(&mut wire, KNOWN[0]).await;
    let today = (SystemClock.now() + TimeDelta::hours(8)).date_naive();
    let (mut applied, mut refused, mut version) = (0, 0, 1);
    for preset in jifen_program::PRESETS {
        let files = preset_of(preset);
        let check = wire.ask(b"api.program.version.check", None, json!({ "files": files }).to_string().as_bytes()).await;
        assert_eq!(String::from_utf8_lossy(&check.payload), r#"{"findings":[]}"#, "{preset}");
    }
    for seed in seeds(40) {
        let mut dice = Dice::new(seed);
        let mut files = preset_of(dice.pick::<&str>(&jifen_program::PRESETS));
        for _ in 0..*dice.pick(&[1, 1, 1, 2]) {
            mistype(&mut dice, &mut files);
        }
        let shown = || serde_json::to_string_pretty(&files).unwrap_or_default();
        let check = wire.ask(b"api.program.version.check", None, json!({ "files": files }).to_string().as_bytes()).await;
        assert!(problem_of(seed, "check", &check).is_none_or(|problem| problem.code == "request.too_large"), "SEED={seed}: {}", shown());
        let findings: Value = serde_json::from_slice(&check.payload).expect("JSON");
        let good = findings["findings"].as_array().is_some_and(|all| all.iter().all(|finding| finding["warning"] == true));
        let request = json!({ "operation_id": format!("fuzz-{seed}"), "effective_from": today, "files": files });
        let answer = wire.ask(b"api.program.version.apply", None, request.to_string().as_bytes()).await;
        let problem = problem_of(seed, "apply", &answer);
        assert_eq!(problem.is_none(), good, "SEED={seed}: check and apply differ: {problem:?}, {findings}\n{}", shown());
        if good {
            let reply: Value = serde_json::from_slice(&answer.payload).expect("JSON");
            version = version.max(u32::try_from(reply["version"].as_u64().expect("a version")).expect("a small one"));
            applied += 1;
            system.know(version).await;
            let mut bill = good::invoice(&mut dice, &format!("P{seed}"));
            bill["customer"] = json!({ "phone": KNOWN[0] });
            bill["issued_at"] = json!(SystemClock.now().to_rfc3339());
            wire.publish(b"pos.v1.SH01.invoice", "", None, bill.to_string().as_bytes()).await;
        } else {
            refused += 1;
        }
    }
    wire.flush().await;
    system.receipts(applied).await;
    assert!(applied > 5 && refused > 5, "both kinds: {applied} applied, {refused} refused");
    system.sound(0).await;
}
