//! The figures of the handbook, asked by a client that knows only the wire contract; and that no personal value stands where
//! it has no business.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Datelike, Days, Months, NaiveDate};
use jifen_e2e::{Client, Heard, PATIENCE, System, alone, ledger::Account, now, system::SERVICES, today, traces, until};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::documents::{invoice, phone, plate, register, registration, vin};

/// The days of this test. The double-points week is the handbook's first week of October, moved to where it is over but
/// late documents still count.
struct Days7 {
    /// No campaign, and still the rules of the first start.
    plain: NaiveDate,
    /// First day of double points.
    from: NaiveDate,
    /// The last.
    to: NaiveDate,
}

/// What a customer's bill must come to.
struct Case {
    /// The customer.
    who: usize,
    /// What the handbook says of it.
    name: &'static str,
    /// Settlement.
    at: String,
    /// Category, payer, amount.
    lines: &'static [(&'static str, &'static str, &'static str)],
    /// Kind, amount.
    reductions: &'static [(&'static str, &'static str)],
    /// Points by category.
    base: &'static [(&'static str, i64)],
    /// Each base comes again.
    double: bool,
    /// The rules in force then.
    version: u32,
}

impl Case {
    fn number(&self) -> String {
        format!("R20261001-{:04}", self.who)
    }

    fn invoice(&self) -> Value {
        let lines = self.lines.iter().zip(1..).map(|((category, payer, amount), line)| {
            json!({ "line": line, "category": category, "payer": payer, "amount": amount, "description": "工时及配件" })
        });
        let reductions = self.reductions.iter().map(|(kind, amount)| json!({ "kind": kind, "amount": amount }));
        // All the ways in which a store may name its customer.
        let customer = match self.who % 4 {
            0 => json!({ "phone": phone(self.who) }),
            1 => json!({ "phone": format!("+86 {}", phone(self.who)), "vin": vin(self.who) }),
            2 => json!({ "vin": vin(self.who) }),
            _ => json!({ "plate": plate(self.who), "phone": "" }),
        };
        json!({
            "store": "SH01", "invoice_no": self.number(), "issued_at": self.at, "work_order": "W-77", "replaces": null,
            "customer": customer, "odometer_km": 30_210, "advisor": "A017", "currency": "CNY",
            "lines": lines.collect::<Vec<_>>(), "reductions": reductions.collect::<Vec<_>>(),
        })
    }

    fn base_points(&self) -> i64 {
        self.base.iter().map(|(_, points)| points).sum()
    }

    /// (kind, category, points), sorted.
    fn entries(&self) -> Vec<(String, String, i64)> {
        let of =
            |kind: &str| self.base.iter().map(|(category, points)| (kind.to_owned(), (*category).to_owned(), *points)).collect::<Vec<_>>();
        let mut entries = of("accrual");
        if self.double {
            entries.extend(of("bonus"));
        }
        if !entries.is_empty() {
            entries.push(("first_spending".to_owned(), String::new(), 100));
        }
        entries.sort();
        entries
    }

    fn points(&self) -> i64 {
        self.entries().iter().map(|(_, _, points)| points).sum()
    }
}

fn cases(days: &Days7) -> Vec<Case> {
    let plain = format!("{}T10:21:33+08:00", days.plain);
    let double = format!("{}T10:21:33+08:00", days.from + Days::new(3));
    let mut cases: Vec<Case> = Vec::new();
    let mut case = |name, at: &str, lines, reductions, base, double| {
        // The week's rules begin a day before the week.
        let version = if at == plain { 1 } else { 2 };
        cases.push(Case { who: cases.len(), name, at: at.to_owned(), lines, reductions, base, double, version });
    };
    case("1000.00 maintenance", &plain, &[("maintenance", "customer", "1000.00")], &[], &[("maintenance", 1_500)], false);
    let mixed: &[_] = &[("repair", "customer", "333.33"), ("parts", "customer", "333.33")];
    case("333.33 repair and parts", &plain, mixed, &[], &[("parts", 399), ("repair", 333)], false);
    let warranty: &[_] = &[("maintenance", "customer", "500.00"), ("maintenance", "warranty", "300.00")];
    case("800 maintenance of which 300 warranty", &plain, warranty, &[], &[("maintenance", 750)], false);
    let halves: &[_] = &[("repair", "customer", "0.50"), ("repair", "customer", "0.50")];
    case("two halves of a yuan", &plain, halves, &[], &[("repair", 1)], false);
    let spread: &[_] = &[("maintenance", "customer", "600"), ("parts", "customer", "400")];
    case("a discount is spread", &plain, spread, &[("discount", "100.00")], &[("maintenance", 810), ("parts", 432)], false);
    let job: &[_] = &[("maintenance", "customer", "400.00"), ("maintenance", "customer", "600.00")];
    case("parts of a maintenance job are maintenance", &plain, job, &[], &[("maintenance", 1_500)], false);
    let accident: &[_] = &[("repair", "insurance", "20000.00"), ("repair", "customer", "500.00")];
    case("an accident earns on the own share", &plain, accident, &[], &[("repair", 500)], false);
    let stored: &[_] = &[("other", "internal", "100.00"), ("pass_through", "customer", "300.00"), ("vehicle", "customer", "186000.00")];
    case("what earns nothing is no first spending", &plain, stored, &[], &[], false);
    case("double points", &double, &[("maintenance", "customer", "1000.00")], &[], &[("maintenance", 1_500)], true);
    case("double points by category", &double, mixed, &[], &[("parts", 399), ("repair", 333)], true);
    // Half-open local days, in UTC: 16:00Z is midnight in Shanghai.
    let (eve, last) = (days.from - Days::new(1), days.to);
    let one: &[_] = &[("maintenance", "customer", "100.00")];
    case("the second before the week", &format!("{eve}T15:59:59Z"), one, &[], &[("maintenance", 150)], false);
    case("the week begins", &format!("{eve}T16:00:00Z"), one, &[], &[("maintenance", 150)], true);
    case("the last second of the week", &format!("{last}T23:59:59+08:00"), one, &[], &[("maintenance", 150)], true);
    case("the week is over", &format!("{last}T16:00:00Z"), one, &[], &[("maintenance", 150)], false);
    // With the first spending: 5,000 and 4,999.
    case("silver", &plain, &[("repair", "customer", "4900.00")], &[], &[("repair", 4_900)], false);
    case("one point below silver", &plain, &[("repair", "customer", "4899.99")], &[], &[("repair", 4_899)], false);
    cases
}

/// Adds the double-points week to the rules in force, by the operator's own way.
async fn apply_double_week(system: &System, days: &Days7) {
    let folder = system.folder().join("program");
    let folder = folder.to_str().expect("a path");
    system.run(&["program", "get", "--into", folder]).await.ok();
    let campaigns = format!(
        "[[campaign]]\ncode = \"double_week\"\nname = {{ zh = \"双倍积分周\", en = \"Double-points week\" }}\nfactor = \"2\"\nfrom = {}\nto = {}\n",
        days.from, days.to
    );
    std::fs::write(format!("{folder}/campaigns.toml"), campaigns).expect("written");
    assert!(system.run(&["program", "check", folder]).await.ok().contains("the program is good"));
    let from = (days.from - Days::new(1)).to_string();
    let applied = system.run(&["program", "apply", folder, "--effective-from", &from]).await.ok();
    assert!(applied.contains("version 2 is in force"), "{applied}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_figure_is_right_for_a_client_that_knows_only_the_contract() {
    let _alone = alone().await;
    let day = today();
    let days = Days7 { plain: day - Days::new(20), from: day - Days::new(10), to: day - Days::new(4) };
    let mut system = System::new();
    system.start().await;
    let client = system.client().await;
    services_introduce_themselves(&client).await;
    apply_double_week(&system, &days).await;

    let cases = cases(&days);
    let mut numbers = Vec::new();
    for case in &cases {
        numbers.push(register(&client, case.who, "SH01").await);
    }
    registration_is_remembered(&client, &numbers[0]).await;
    for case in &cases {
        receipts_tell_each_fate(&client, case).await;
    }
    second_bill(&client, &days).await;
    let late = parked_until_registered(&client, &days, cases.len()).await;
    system.quiet(&client).await;

    for (case, member_no) in cases.iter().zip(&numbers) {
        let mut account = Account::read(&client, member_no).await;
        account.check(member_no);
        if case.who == 0 {
            // The second bill has been added to this one.
            assert_eq!(account.entries.pop().map(|entry| entry["points"].clone()), Some(json!(150)), "{}", case.name);
            assert_eq!(account.account["active"], 1_750, "{}", case.name);
        } else {
            assert_eq!(account.account["active"], case.points(), "{}", case.name);
        }
        assert_eq!(entries(&account), case.entries(), "{}", case.name);
        check_entries(case, &account);
        check_standing(case, &account);
    }
    let late_account = Account::read(&client, &late).await;
    late_account.check(&late);
    assert_eq!(late_account.account["active"], 3_100, "a parked invoice earns with its campaign");

    let commands = client.all("NOTIFY").await;
    check_messages(&cases, &numbers, &late, &commands);
    gateway_reports(&client, &commands[0]).await;
    unknown_member(&client).await;
    no_personal_value_in_streams(&client, cases.len() + 1).await;
    let account = system.run(&["account", &numbers[8]]).await.ok();
    assert!(account.contains("可用 active 3100") && account.contains("campaign:double_week@2"), "{account}");
    system.stop(Signal::SIGTERM).await;
    no_personal_value_in_files(&system, &cases);
}

/// The NATS micro protocol: every service answers $SRV.INFO with its endpoints.
async fn services_introduce_themselves(client: &Client) {
    let infos = client.ask_all("$SRV.INFO").await;
    let names: BTreeSet<&str> = infos.iter().filter_map(|info| info["name"].as_str()).collect();
    assert_eq!(names, SERVICES.into());
    let subjects: BTreeSet<&str> = infos
        .iter()
        .flat_map(|info| info["endpoints"].as_array().expect("a list"))
        .filter_map(|endpoint| endpoint["subject"].as_str())
        .collect();
    for subject in ["api.member.member.register", "api.points.account.get", "api.points.entries.list", "api.tier.standing.get"] {
        assert!(subjects.contains(subject), "{subject}: {subjects:?}");
    }
    assert_eq!(client.ask_all("$SRV.PING").await.len(), 7);
}

/// The same operation again is answered alike, other content under its id is refused, and a known phone is its member.
async fn registration_is_remembered(client: &Client, member_no: &str) {
    let register = "api.member.member.register";
    let again = client.ask(register, &registration(0, "SH01")).await.expect("the same answer");
    assert_eq!((again["member_no"].as_str(), again.get("existing")), (Some(member_no), None));
    let mut other = registration(0, "SH01");
    other["name"] = json!("王小明");
    let problem = client.ask(register, &other).await.expect_err("another request");
    assert_eq!((problem["code"].as_str(), problem["status"].as_u64()), (Some("operation.conflict"), Some(409)), "{problem}");
    other["operation_id"] = json!("e2e-0-again");
    let existing = client.ask(register, &other).await.expect("the member");
    assert_eq!((existing["member_no"].as_str(), existing["existing"].as_bool()), (Some(member_no), Some(true)), "{existing}");
}

/// Accepted, then (sent in the other form) a duplicate, then (with other content) a conflict; a receipt for each.
async fn receipts_tell_each_fate(client: &Client, case: &Case) {
    let mut invoice = case.invoice();
    let receipt = client.receipt(&client.send_invoice(&invoice).await).await;
    assert_eq!((receipt["status"].as_str(), receipt["code"].as_str()), (Some("accepted"), None), "{}: {receipt}", case.name);
    assert_eq!((receipt["kind"].as_str(), receipt["document"].as_str()), (Some("invoice"), Some(&*case.number())), "{receipt}");
    let event_id = format!("dms-{}", case.who);
    let structured = json!({ "specversion": "1.0", "id": event_id, "type": "pos.invoice", "source": "/dms/SH01", "data": invoice });
    let receipt = client.receipt(&client.publish("pos.v1.SH01.invoice", structured.to_string()).await).await;
    assert_eq!((receipt["status"].as_str(), receipt["event_id"].as_str()), (Some("duplicate"), Some(&*event_id)), "{receipt}");
    invoice["lines"][0]["amount"] = json!("99999.00");
    let receipt = client.receipt(&client.send_invoice(&invoice).await).await;
    assert_eq!((receipt["status"].as_str(), receipt["code"].as_str()), (Some("rejected"), Some("document.conflict")), "{receipt}");
    let text = &receipt["text"];
    assert!(text["zh"].as_str().is_some_and(|zh| !zh.is_empty()) && text["en"].as_str().is_some_and(|en| !en.is_empty()), "{receipt}");
}

/// The first spending is rewarded once.
async fn second_bill(client: &Client, days: &Days7) {
    let at = format!("{}T18:00:00+08:00", days.plain);
    let second = invoice("SH02", "R2", &at, &json!({ "phone": phone(0) }), "maintenance", "100.00");
    assert_eq!(client.receipt(&client.send_invoice(&second).await).await["status"], "accepted");
}

/// An invoice of a stranger waits, and earns with its campaign when the customer registers. Gives the new member's number.
async fn parked_until_registered(client: &Client, days: &Days7, who: usize) -> String {
    let at = format!("{}T09:00:00+08:00", days.from);
    let bill = invoice("SH03", "R-PARKED", &at, &json!({ "phone": phone(who) }), "maintenance", "1000.00");
    let sha256 = client.send_invoice(&bill).await;
    let first = client.receipt(&sha256).await;
    assert_eq!((first["status"].as_str(), first["code"].as_str()), (Some("parked"), Some("document.parked")), "{first}");
    let number = register(client, who, "SH03").await;
    let receipts = client.receipts(&sha256, 2).await;
    assert_eq!(receipts[1]["status"], "accepted", "{receipts:?}");
    number
}

fn entries(account: &Account) -> Vec<(String, String, i64)> {
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let read = |entry: &Value| (text(entry, "kind"), text(entry, "category"), entry["points"].as_i64().expect("points"));
    let mut entries: Vec<_> = account.entries.iter().map(read).collect();
    entries.sort();
    entries
}

/// Every entry names its rule and version, its document, and explains itself; it lives 24 months to the end of the month.
fn check_entries(case: &Case, account: &Account) {
    let settled: DateTime<chrono::FixedOffset> = case.at.parse().expect("an instant");
    let day = settled.with_timezone(&chrono::FixedOffset::east_opt(8 * 3600).expect("an offset")).date_naive();
    let month = (day + Months::new(25)).with_day(1).expect("a first day");
    let expires_on = (month - Days::new(1)).to_string();
    let version = case.version;
    for entry in &account.entries {
        let rule = match entry["kind"].as_str() {
            Some("accrual") => format!("earn@{version}"),
            Some("first_spending") => format!("first_spending@{version}"),
            _ => format!("campaign:double_week@{version}"),
        };
        assert_eq!((entry["rule"].as_str(), entry["expires_on"].as_str()), (Some(&*rule), Some(&*expires_on)), "{}: {entry}", case.name);
        assert_eq!((entry["store"].as_str(), entry["document"].as_str()), (Some("SH01"), Some(&*case.number())), "{}: {entry}", case.name);
        assert!(entry["why"]["zh"].as_str().is_some_and(|why| !why.is_empty()), "{entry}");
    }
    if let Some(lot) = account.account["expiring"].as_array().and_then(|lots| lots.first()) {
        assert_eq!(lot["on"], expires_on, "{}: {}", case.name, account.account);
    }
}

fn check_standing(case: &Case, account: &Account) {
    let standing = &account.standing;
    match case.name {
        "silver" => {
            assert_eq!(standing["tier"], "silver", "{standing}");
            assert_eq!(standing["next"], json!({ "tier": "gold", "missing": { "points": 15_000 } }), "{standing}");
        }
        "one point below silver" => {
            assert_eq!(standing["tier"], "regular", "{standing}");
            assert_eq!(standing["next"], json!({ "tier": "silver", "missing": { "points": 1 } }), "{standing}");
        }
        _ => assert_eq!(standing["tier"], "regular", "{}: {standing}", case.name),
    }
}

/// One welcome a member, one message an accrual with base and bonus in one, one upgrade; nothing else.
fn check_messages(cases: &[Case], numbers: &[String], late: &str, commands: &[Heard]) {
    let mut by_phone: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for command in commands {
        let data = command.data();
        assert!(command.subject.starts_with("notify.v1.sms.SH0"), "{}", command.subject);
        by_phone.entry(data["to"]["phone"].as_str().expect("a phone").to_owned()).or_default().push(data);
        let text = data["text"].as_str().expect("a text");
        assert!(text.starts_with("【会员中心】") && !text.contains("{{"), "{text}");
        assert_eq!((data["class"].as_str(), data["sign"].as_str()), (Some("service"), Some("会员中心")), "{data}");
        let not_after: DateTime<chrono::Utc> = data["not_after"].as_str().and_then(|at| at.parse().ok()).expect("an instant");
        assert!(not_after > now() && data["template"].is_string(), "{data}");
    }
    assert_eq!(by_phone.len(), cases.len() + 1, "only members hear anything");
    for case in cases {
        let mut expected = vec![json!({ "member_no": numbers[case.who], "store_name": "浦东旗舰店" })];
        if case.points() > 0 {
            let (points, bonus) = (case.points(), if case.double { case.base_points() } else { 0 });
            expected.push(earned(points, bonus, points, "浦东旗舰店"));
        }
        if case.who == 0 {
            expected.push(earned(150, 0, 1_750, "虹桥店"));
        }
        if case.name == "silver" {
            expected.push(json!({ "tier_name": "银卡会员", "store_name": "浦东旗舰店" }));
        }
        assert_eq!(told(&by_phone, case.who), sorted(&expected), "{}", case.name);
    }
    let expected = [json!({ "member_no": late, "store_name": "嘉定店" }), earned(3_100, 1_500, 3_100, "嘉定店")];
    assert_eq!(told(&by_phone, cases.len()), sorted(&expected), "the late customer");
    let ids: BTreeSet<&str> = commands.iter().filter_map(|command| command.data()["notification_id"].as_str()).collect();
    assert_eq!(ids.len(), commands.len(), "every message has an id of its own");
}

/// The parameters of all that a customer was told. In no order: messages of different kinds may overtake each other.
fn told(by_phone: &BTreeMap<String, Vec<&Value>>, who: usize) -> Vec<String> {
    sorted(by_phone[&format!("+86{}", phone(who))].iter().map(|data| &data["params"]))
}

fn sorted<'a>(params: impl IntoIterator<Item = &'a Value>) -> Vec<String> {
    let mut params: Vec<String> = params.into_iter().map(Value::to_string).collect();
    params.sort();
    params
}

fn earned(points: i64, bonus: i64, balance: i64, store: &str) -> Value {
    json!({ "points": points.to_string(), "bonus": bonus.to_string(), "balance": balance.to_string(), "store_name": store })
}

/// A gateway's report is heard: the member has the message.
async fn gateway_reports(client: &Client, command: &Heard) {
    let id = &command.data()["notification_id"];
    let report = json!({ "notification_id": id, "status": "delivered", "provider_id": "P-1", "code": "OK", "at": now() });
    client.publish("gateway.v1.sms.receipt", report.to_string()).await;
    until("the delivery is announced", PATIENCE, async || {
        let events = client.all("EVENTS").await;
        events
            .iter()
            .any(|event| event.subject == "evt.notification.delivered.v1._" && event.data()["notification_id"] == *id)
            .then_some(())
    })
    .await;
}

/// Errors are problem documents with a stable code and a text in two languages.
async fn unknown_member(client: &Client) {
    for member_no in ["M9999999990", "", "\u{0}", "'; drop table account; --"] {
        for subject in ["api.points.account.get", "api.points.entries.list", "api.tier.standing.get", "api.member.member.get"] {
            let problem = client.ask(subject, &json!({ "member_no": member_no })).await.expect_err("nobody");
            assert_eq!(
                (problem["code"].as_str(), problem["status"].as_u64()),
                (Some("member.unknown"), Some(404)),
                "{subject} {member_no:?}: {problem}"
            );
            assert!(problem["text"]["zh"].is_string() && problem["text"]["en"].is_string(), "{problem}");
        }
    }
    let problem = client.ask("api.points.account.get", &json!({})).await.expect_err("no member");
    assert_eq!((problem["code"].as_str(), problem["pointer"].as_str()), (Some("request.malformed"), Some("/member_no")), "{problem}");
}

fn values(count: usize) -> Vec<String> {
    (0..count).flat_map(|number| [phone(number), vin(number)]).collect()
}

/// Events, receipts, every subject and every header.
async fn no_personal_value_in_streams(client: &Client, members: usize) {
    let mut values = values(members);
    values.extend((0..members).map(plate));
    values.push("欧阳".to_owned());
    for stream in ["EVENTS", "RECEIPTS", "NOTIFY"] {
        for message in client.all(stream).await {
            let open = format!("{}\n{}", message.subject, message.headers);
            let text = if stream == "NOTIFY" { open } else { format!("{open}\n{}", message.text) };
            let found: Vec<&String> = values.iter().filter(|value| text.contains(value.as_str())).collect();
            assert!(found.is_empty(), "{found:?} in {}", message.subject);
        }
    }
}

/// The whole home with the servers' data, their logs and ours, after everything has been written.
fn no_personal_value_in_files(system: &System, cases: &[Case]) {
    let values = values(cases.len() + 1);
    assert_eq!(traces::find(system.folder(), &values), [] as [String; 0]);
    // The search finds what stands there in clear: the ledger's categories.
    assert_ne!(traces::find(&system.home().join("postgres"), &["maintenance".to_owned()]), [] as [String; 0]);
}
