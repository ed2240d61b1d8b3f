//! The handbook's exact defaults, case by case, from outside: documents are published, time passes, endpoints answer.

use chrono::{DateTime, Utc};
use jifen_e2e::{Client, PATIENCE, System, alone, until};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::documents::{invoice, phone, registration, vin};

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant")
}

/// Members of these tests by what they stand for.
mod who {
    pub const CAP: usize = 1;
    pub const GOLD: usize = 2;
    pub const WEEK: usize = 3;
    pub const AFTER: usize = 4;
    pub const HALF: usize = 5;
    pub const BUDGET: usize = 6;
    pub const SHARE: usize = 7;
    pub const DELAYED: usize = 8;
    pub const IN_TIME: usize = 9;
    pub const TOO_LATE: usize = 10;
    pub const PENDING: usize = 11;
    pub const LEAP: usize = 12;
    pub const A: usize = 13;
    pub const B: usize = 14;
    pub const INSURED: usize = 15;
    pub const FREE: usize = 16;
}

struct Group {
    system: System,
    client: Client,
}

impl Group {
    async fn register(&self, who: usize, changes: Value) -> String {
        let mut request = registration(who, "SH01");
        if let (Some(request), Value::Object(changes)) = (request.as_object_mut(), changes) {
            request.extend(changes);
        }
        let reply = self.client.ask("api.member.member.register", &request).await.expect("registered");
        reply["member_no"].as_str().expect("a number").to_owned()
    }

    /// Publishes a bill of one line and gives its receipt.
    async fn bill(&self, who: usize, store: &str, number: &str, at: &str, (category, yuan): (&str, &str)) -> Value {
        self.bill_of(&json!({ "phone": phone(who) }), store, number, at, (category, yuan)).await
    }

    async fn bill_of(&self, customer: &Value, store: &str, number: &str, at: &str, (category, yuan): (&str, &str)) -> Value {
        let sha256 = self.client.send_invoice(&invoice(store, number, at, customer, category, yuan)).await;
        self.client.receipt(&sha256).await
    }

    async fn at(&self, at: &str) {
        self.system.travel_and_work(instant(at), &self.client).await;
    }

    async fn account(&self, member_no: &str) -> Value {
        self.system.quiet(&self.client).await;
        self.client.ask("api.points.account.get", &json!({ "member_no": member_no })).await.expect("an account")
    }

    async fn active(&self, member_no: &str) -> i64 {
        self.account(member_no).await["active"].as_i64().expect("points")
    }

    /// Visits, and those that the customer paid for.
    async fn visits(&self, member_no: &str) -> (i64, i64) {
        self.system.quiet(&self.client).await;
        let standing = self.client.ask("api.tier.standing.get", &json!({ "member_no": member_no })).await.expect("a standing");
        let of = |metric: &str| {
            let found = standing["metrics"].as_array().expect("metrics").iter().find(|one| one["metric"] == metric);
            found.map_or(0, |one| one["value"].as_i64().expect("a count"))
        };
        (of("visits"), of("paid_visits"))
    }

    async fn tier(&self, member_no: &str) -> String {
        self.system.quiet(&self.client).await;
        let standing = self.client.ask("api.tier.standing.get", &json!({ "member_no": member_no })).await.expect("a standing");
        standing["tier"].as_str().expect("a tier").to_owned()
    }
}

/// Applies the program in force with these files changed: what stands there gets `append`ed, or (as `old => new`) replaced.
async fn apply(system: &System, from: &str, change: impl Fn(&str, String) -> String) {
    let folder = system.folder().join("program");
    let path = folder.to_str().expect("a path");
    system.run(&["program", "get", "--into", path]).await.ok();
    for name in ["earn.toml", "campaigns.toml", "tiers.toml", "messages.toml"] {
        let file = folder.join(name);
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        std::fs::write(&file, change(name, text)).expect("written");
    }
    system.run(&["program", "check", path]).await.ok();
    system.run(&["program", "apply", path, "--effective-from", from]).await.ok();
}

const CAMPAIGNS: &str = r#"
[[campaign]]
code = "national_week"
name = { zh = "国庆双倍", en = "National Day week" }
factor = "2"
from = 2026-10-01
to = 2026-10-07
stores = ["SH01"]

[[campaign]]
code = "birthday"
name = { zh = "生日双倍", en = "Birthday month" }
factor = "2"
from = 2026-09-01
to = 2027-12-31
birthday_month = true

[[campaign]]
code = "half"
name = { zh = "一倍半", en = "Half as much again" }
factor = "1.5"
from = 2026-11-01
to = 2026-11-30
stores = ["SH03"]

[[campaign]]
code = "small"
name = { zh = "小预算", en = "A small budget" }
factor = "2"
from = 2026-11-01
to = 2026-11-30
stores = ["SH02"]
budget = 900

[[campaign]]
code = "delayed"
name = { zh = "节后发放", en = "Posted after the holiday" }
factor = "2"
from = 2026-10-01
to = 2026-10-07
stores = ["SH02"]
post_after_days = 5
"#;

#[tokio::test(flavor = "multi_thread")]
async fn earning_follows_the_exact_defaults() {
    let _alone = alone().await;
    let mut system = System::new().at(instant("2026-09-01T04:00:00Z"));
    system.start().await;
    apply(&system, "2026-09-01", |name, text| match name {
        "earn.toml" => {
            let text = text.replace("not_qualifying", "invoice_cap = 5_000\nnot_qualifying").replace("off = true", "off = false");
            format!("{text}\n[tier_factors]\ngold = \"1.2\"\n")
        }
        "campaigns.toml" => format!("{text}{CAMPAIGNS}"),
        _ => text,
    })
    .await;
    let client = system.client().await;
    let mut group = Group { system, client };
    let born = |month: u32| json!({ "birthday": format!("1990-{month:02}-15") });
    let mut cards = std::collections::BTreeMap::new();
    for person in
        [who::CAP, who::WEEK, who::AFTER, who::HALF, who::BUDGET, who::SHARE, who::DELAYED, who::A, who::B, who::INSURED, who::FREE]
    {
        cards.insert(person, group.register(person, born(6)).await);
    }
    cards.insert(who::GOLD, group.register(who::GOLD, born(10)).await);
    cards.insert(who::LEAP, group.register(who::LEAP, json!({ "birthday": "1992-02-29" })).await);
    // A bill finds its member from here on.
    group.system.quiet(&group.client).await;
    for number in 0..4 {
        let receipt = group.bill(who::GOLD, "SH03", &format!("G{number}"), "2026-09-01T10:00:00+08:00", ("repair", "5000.00")).await;
        assert_eq!(receipt["status"], "accepted", "{receipt}");
    }
    assert_eq!(group.tier(&cards[&who::GOLD]).await, "gold");

    group.at("2026-10-03T04:00:00Z").await;
    cards.insert(who::PENDING, group.register(who::PENDING, json!({ "store_confirmed": false, "birthday": null })).await);
    group.system.quiet(&group.client).await;
    group.bill(who::CAP, "SH01", "D2", "2026-10-02T10:00:00+08:00", ("maintenance", "4000.00")).await;
    group.bill(who::GOLD, "SH01", "D3", "2026-10-03T10:00:00+08:00", ("maintenance", "1000.00")).await;
    group.bill(who::WEEK, "SH01", "D6", "2026-09-30T16:00:00Z", ("maintenance", "100.00")).await;
    group.bill(who::DELAYED, "SH02", "D18", "2026-10-02T10:00:00+08:00", ("maintenance", "1000.00")).await;
    group.bill(who::PENDING, "SH03", "D11", "2026-10-03T10:00:00+08:00", ("maintenance", "1000.00")).await;
    for (person, number) in [(who::IN_TIME, "D8a"), (who::TOO_LATE, "D8b")] {
        let receipt = group.bill(person, "SH03", number, "2026-10-01T10:00:00+08:00", ("maintenance", "1000.00")).await;
        assert_eq!(receipt["status"], "parked", "{receipt}");
    }
    let both = json!({ "phone": phone(who::A), "vin": vin(who::B) });
    let receipt = group.bill_of(&both, "SH03", "D7", "2026-10-03T10:00:00+08:00", ("maintenance", "1000.00")).await;
    assert_eq!(receipt["code"], "document.keys_disagree", "{receipt}");
    assert_eq!(group.active(&cards[&who::CAP]).await, 10_100, "default 2: base 5,000 by the cap, doubled, and the first spending");
    assert_eq!(group.active(&cards[&who::GOLD]).await, 20_100 + 3_000, "default 3: the best of day, birthday and tier");
    assert_eq!(group.active(&cards[&who::WEEK]).await, 150 + 150 + 100, "default 6: the week begins at local midnight");
    assert_eq!(group.active(&cards[&who::A]).await + group.active(&cards[&who::B]).await, 0, "default 7: neither earns");
    let pending = group.account(&cards[&who::PENDING]).await;
    assert_eq!((&pending["active"], &pending["pending"]), (&json!(0), &json!(1_600)), "default 8: not activated yet");
    assert_eq!(group.active(&cards[&who::DELAYED]).await, 1_600, "default 18: posted later");

    let assign = json!({ "operation_id": "assign-1", "store": "SH03", "kind": "invoice", "document": "D7", "member_no": cards[&who::B] });
    group.client.ask("api.ingest.document.assign", &assign).await.expect("assigned");
    assert_eq!(group.active(&cards[&who::B]).await, 1_600, "default 7: the one chosen earns");
    assert_eq!(group.active(&cards[&who::A]).await, 0);

    let visit = async |who: usize, number: &str, lines: Value| {
        let bill = json!({
            "store": "SH03", "invoice_no": number, "issued_at": "2026-10-03T10:00:00+08:00",
            "customer": { "phone": phone(who), "vin": vin(who) }, "lines": lines,
        });
        let sha256 = group.client.send_invoice(&bill).await;
        assert_eq!(group.client.receipt(&sha256).await["status"], "accepted");
    };
    let line = |line: u32, payer: &str, yuan: &str| json!({ "line": line, "category": "repair", "payer": payer, "amount": yuan });
    visit(who::INSURED, "D13a", json!([line(1, "insurance", "8000.00"), line(2, "customer", "500.00")])).await;
    visit(who::INSURED, "D13b", json!([line(1, "insurance", "300.00")])).await;
    let gift = json!([{ "line": 1, "category": "maintenance", "payer": "goodwill", "amount": "600.00" }]);
    visit(who::FREE, "D13c", gift).await;
    assert_eq!(
        group.visits(&cards[&who::INSURED]).await,
        (1, 1),
        "default 13: insurer 8,000 and customer 500, whatever the bills of the day"
    );
    assert_eq!(group.active(&cards[&who::INSURED]).await, 600, "default 19: an accident earns on the customer's own share");
    assert_eq!(group.visits(&cards[&who::FREE]).await, (1, 0), "default 13: the first maintenance for nothing");
    assert_eq!(group.active(&cards[&who::FREE]).await, 0);

    group.at("2026-10-08T04:00:00Z").await;
    group.bill(who::AFTER, "SH01", "D6b", "2026-10-07T16:00:00Z", ("maintenance", "100.00")).await;
    assert_eq!(group.active(&cards[&who::AFTER]).await, 150 + 100, "default 6: the week ends at local midnight");
    group.at("2026-10-12T15:00:00Z").await;
    assert_eq!(group.active(&cards[&who::DELAYED]).await, 1_600, "default 18: the 12th is the fourth working day");
    group.at("2026-10-13T04:00:00Z").await;
    assert_eq!(group.active(&cards[&who::DELAYED]).await, 3_100, "default 18: the 13th is the fifth working day");

    group.at("2026-11-09T04:00:00Z").await;
    group.bill(who::HALF, "SH03", "D3b", "2026-11-05T10:00:00+08:00", ("repair", "733.00")).await;
    assert_eq!(group.active(&cards[&who::HALF]).await, 733 + 366 + 100, "default 3: 733 at 1.5");
    group.bill(who::BUDGET, "SH02", "D17", "2026-11-05T10:00:00+08:00", ("maintenance", "1000.00")).await;
    assert_eq!(group.active(&cards[&who::BUDGET]).await, 1_500 + 900 + 100, "default 17: the grant that meets the budget is cut");
    for (number, at) in [("S1", "2026-11-08T23:50:00+08:00"), ("S2", "2026-11-09T00:10:00+08:00"), ("S3", "2026-11-09T00:20:00+08:00")] {
        let customer = json!({ "member_no": cards[&who::SHARE] });
        let share = json!({ "store": "SH01", "interaction_no": number, "kind": "share", "occurred_at": at, "customer": customer });
        let sha256 = group.client.publish("pos.v1.SH01.interaction", share.to_string()).await;
        assert_eq!(group.client.receipt(&sha256).await["status"], "accepted");
    }
    assert_eq!(group.active(&cards[&who::SHARE]).await, 200, "default 17: one a week, from Monday to Sunday");

    group.at("2026-12-30T15:00:00Z").await;
    let in_time = group.register(who::IN_TIME, born(6)).await;
    assert_eq!(group.active(&in_time).await, 1_600, "default 8: until 30 December");
    let pending = group.account(&cards[&who::PENDING]).await;
    assert_eq!(pending["pending"], 1_600, "default 11: a lapsed registration keeps its pending points");
    group.at("2026-12-31T04:00:00Z").await;
    let too_late = group.register(who::TOO_LATE, born(6)).await;
    assert_eq!(group.active(&too_late).await, 0, "default 8: not from the 31st");

    group.at("2027-02-10T04:00:00Z").await;
    let lapsed = group.account(&cards[&who::PENDING]).await;
    assert_eq!((&lapsed["pending"], &lapsed["lifetime"]), (&json!(0), &json!(0)), "default 11: reversed 90 days after its business date");
    group.bill(who::LEAP, "SH03", "D16", "2027-02-10T10:00:00+08:00", ("maintenance", "1000.00")).await;
    assert_eq!(group.active(&cards[&who::LEAP]).await, 1_500 + 1_500 + 100, "default 16: February is the month of 29 February");
    let greeted = |commands: &[jifen_e2e::Heard]| {
        let to = format!("+86{}", phone(who::LEAP));
        commands.iter().filter(|heard| heard.data()["kind"] == "birthday" && heard.data()["to"]["phone"] == to.as_str()).count()
    };
    group.at("2027-02-20T15:00:00Z").await;
    assert_eq!(greeted(&group.client.all("NOTIFY").await), 0);
    group.at("2027-02-21T04:00:00Z").await;
    // Advertising goes out on its own, when its hour has come.
    until("default 16: a greeting seven days before the 28th", PATIENCE, async || {
        (greeted(&group.client.all("NOTIFY").await) == 1).then_some(())
    })
    .await;
    let doctor = group.system.run(&["doctor"]).await.ok();
    assert!(doctor.contains("well"), "{doctor}");
    group.system.stop(Signal::SIGTERM).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_year_of_a_tier_ends_as_the_handbook_says() {
    let _alone = alone().await;
    let mut system = System::new().at(instant("2026-05-10T04:00:00Z"));
    system.start().await;
    let preset = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/programs/annual-spend");
    system.run(&["program", "apply", preset, "--effective-from", "2026-05-10"]).await.ok();
    let client = system.client().await;
    let mut group = Group { system, client };
    let loses = group.register(1, json!({})).await;
    let keeps = group.register(2, json!({})).await;
    group.system.quiet(&group.client).await;
    for person in [1, 2] {
        group.bill(person, "SH01", &format!("R{person}"), "2026-05-10T10:00:00+08:00", ("repair", "5000.00")).await;
    }
    assert_eq!((group.tier(&loses).await, group.tier(&keeps).await), ("gold".to_owned(), "gold".to_owned()));
    group.at("2026-12-01T04:00:00Z").await;
    for person in [1, 2] {
        group.bill(person, "SH01", &format!("Y{person}"), "2026-12-01T10:00:00+08:00", ("repair", "4999.99")).await;
    }
    let warned = |commands: &[jifen_e2e::Heard]| commands.iter().filter(|heard| heard.data()["kind"] == "downgrade_warning").count();
    group.at("2027-04-08T15:00:00Z").await;
    assert_eq!(warned(&group.client.all("NOTIFY").await), 0);
    group.at("2027-04-09T04:00:00Z").await;
    assert_eq!(warned(&group.client.all("NOTIFY").await), 2, "default 12: warned on 9 April");
    group.at("2027-06-08T04:00:00Z").await;
    assert_eq!(group.tier(&loses).await, "gold", "default 12: still in grace");
    group.bill(2, "SH01", "Z2", "2027-06-08T11:00:00+08:00", ("repair", "0.01")).await;
    group.at("2027-06-09T04:00:00Z").await;
    assert_eq!(group.tier(&loses).await, "silver", "default 12: one step down on 9 June");
    assert_eq!(group.tier(&keeps).await, "gold", "default 12: kept by 0.01 more on 8 June");
    group.system.stop(Signal::SIGTERM).await;
}
