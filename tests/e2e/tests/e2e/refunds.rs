//! Refunds, voids and reopened bills, from outside: what was earned by what was paid back is taken back, whatever comes first.

use chrono::{DateTime, Utc};
use jifen_e2e::{Client, Heard, PATIENCE, System, alone, until};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::documents::{invoice, phone, registration};

const AT: &str = "2026-10-02T10:00:00+08:00";

/// Bonuses in two stores: in SH02 as long as 900 points last.
const CAMPAIGNS: &str = r#"
[[campaign]]
code = "national_week"
name = { zh = "国庆双倍", en = "National Day week" }
factor = "2"
from = 2026-10-01
to = 2026-10-07
stores = ["SH01"]

[[campaign]]
code = "small"
name = { zh = "小预算", en = "A small budget" }
factor = "2"
from = 2026-10-01
to = 2026-10-07
stores = ["SH02"]
budget = 900
"#;

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant")
}

/// A line of a bill: category, who pays, how much, and the principal of what a card paid.
type Line<'a> = (&'a str, &'a str, &'a str, Option<&'a str>);

struct Till {
    system: System,
    client: Client,
    cards: Vec<String>,
}

impl Till {
    /// A running system, under the preset `points` or another one, and members of its first store.
    async fn open(at: &str, members: usize, preset: Option<&str>) -> Self {
        let mut system = System::new().at(instant(at));
        system.start().await;
        match preset {
            Some(preset) => {
                let path = format!("{}/../../deploy/programs/{preset}", env!("CARGO_MANIFEST_DIR"));
                system.run(&["program", "apply", &path, "--effective-from", "2026-05-01"]).await.ok();
            }
            None => with_campaigns(&system).await,
        }
        let client = system.client().await;
        let mut cards = Vec::new();
        for number in 0..members {
            let reply = client.ask("api.member.member.register", &registration(number, "SH01")).await.expect("registered");
            cards.push(reply["member_no"].as_str().expect("a number").to_owned());
        }
        // A bill finds its member from here on.
        system.quiet(&client).await;
        Self { system, client, cards }
    }

    async fn send(&self, store: &str, kind: &str, document: &Value) -> Value {
        let sha256 = self.client.publish(&format!("pos.v1.{store}.{kind}"), document.to_string()).await;
        self.client.receipt(&sha256).await
    }

    /// A bill of one line that the customer pays.
    async fn bill(&self, who: usize, store: &str, number: &str, category: &str, yuan: &str) {
        let document = invoice(store, number, AT, &json!({ "phone": phone(who) }), category, yuan);
        assert_eq!(self.send(store, "invoice", &document).await["status"], "accepted");
    }

    /// A bill of these lines.
    async fn lines(&self, who: usize, number: &str, lines: &[Line<'_>]) {
        let mut document = invoice("SH03", number, AT, &json!({ "phone": phone(who) }), "other", "0");
        let line = |(place, (category, payer, yuan, principal)): (usize, &Line<'_>)| json!({ "line": place + 1, "category": category, "payer": payer, "amount": yuan, "principal": principal });
        document["lines"] = lines.iter().enumerate().map(line).collect();
        assert_eq!(self.send("SH03", "invoice", &document).await["status"], "accepted");
    }

    async fn refund(&self, store: &str, number: &str, invoice_no: &str, yuan: &str) -> Value {
        let document = json!({
            "store": store, "refund_no": number, "invoice_no": invoice_no, "refunded_at": AT, "lines": [{ "line": 1, "amount": yuan }],
        });
        self.send(store, "refund", &document).await
    }

    async fn void(&self, store: &str, number: &str, invoice_no: &str) -> Value {
        let document = json!({ "store": store, "void_no": number, "invoice_no": invoice_no, "voided_at": AT });
        self.send(store, "void", &document).await
    }

    async fn active(&self, who: usize) -> i64 {
        self.system.quiet(&self.client).await;
        let asked = json!({ "member_no": self.cards[who] });
        let account = self.client.ask("api.points.account.get", &asked).await.expect("an account");
        assert_eq!(account["debt"], 0, "{account}");
        account["active"].as_i64().expect("points")
    }

    /// Waits until a member has so many points: of two messages that overtake each other on their way, one may wait for the other a
    /// moment although everybody else is at rest.
    async fn has(&self, who: usize, points: i64, why: &str) {
        until(why, PATIENCE, async || (self.active(who).await == points).then_some(())).await;
    }

    async fn tier(&self, who: usize) -> String {
        self.system.quiet(&self.client).await;
        let standing = self.client.ask("api.tier.standing.get", &json!({ "member_no": self.cards[who] })).await.expect("a standing");
        standing["tier"].as_str().expect("a tier").to_owned()
    }

    /// How many messages of a kind a member was sent.
    async fn told(&self, who: usize, kind: &str) -> usize {
        self.system.quiet(&self.client).await;
        let to = format!("+86{}", phone(who));
        let is = |heard: &&Heard| heard.data()["kind"] == kind && heard.data()["to"]["phone"] == to.as_str();
        self.client.all("NOTIFY").await.iter().filter(is).count()
    }

    async fn close(mut self) {
        let doctor = self.system.run(&["doctor"]).await.ok();
        assert!(doctor.contains("well"), "{doctor}");
        self.system.stop(Signal::SIGTERM).await;
    }
}

async fn with_campaigns(system: &System) {
    let folder = system.folder().join("program");
    let path = folder.to_str().expect("a path");
    system.run(&["program", "get", "--into", path]).await.ok();
    let change = |name: &str, change: &dyn Fn(String) -> String| {
        let file = folder.join(name);
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        std::fs::write(&file, change(text)).expect("written");
    };
    change("earn.toml", &|text| text.replace("not_qualifying", "invoice_cap = 2_000\nnot_qualifying"));
    change("campaigns.toml", &|text| format!("{text}{CAMPAIGNS}"));
    system.run(&["program", "apply", path, "--effective-from", "2026-09-01"]).await.ok();
}

/// The known trap: points of a double day, and then the money back. In one piece or in several, before the bill or behind it, by a
/// refund, a void or another bill in its place: of what the money had earned nothing stays, and the tier goes with it.
#[tokio::test(flavor = "multi_thread")]
async fn buy_refund_keep_the_bonus() {
    let _alone = alone().await;
    let till = Till::open("2026-10-02T04:00:00Z", 6, None).await;
    // In one piece.
    till.bill(0, "SH01", "T0", "maintenance", "1000.00").await;
    assert_eq!(till.active(0).await, 1_500 + 1_500 + 100);
    assert_eq!(till.refund("SH01", "CT0", "T0", "1000.00").await["status"], "accepted");
    assert_eq!(till.active(0).await, 0);
    assert_eq!(till.told(0, "points_reversed").await, 1);
    // The same refund again, and another one of the same money: there is nothing left to take.
    till.refund("SH01", "CT0", "T0", "1000.00").await;
    assert_eq!(till.refund("SH01", "CT0b", "T0", "1000.00").await["status"], "accepted");
    assert_eq!(till.active(0).await, 0);
    assert_eq!(till.told(0, "points_reversed").await, 1, "where no point moves nobody is told");
    // In pieces.
    till.bill(1, "SH01", "T1", "maintenance", "1000.00").await;
    for (number, yuan) in [("CT1a", "333.33"), ("CT1b", "333.33"), ("CT1c", "333.34")] {
        till.refund("SH01", number, "T1", yuan).await;
    }
    assert_eq!(till.active(1).await, 0);
    // Before its bill, which comes an hour later.
    assert_eq!(till.refund("SH01", "CT2", "T2", "1000.00").await["code"], "document.awaits_invoice");
    till.bill(2, "SH01", "T2", "maintenance", "1000.00").await;
    till.has(2, 0, "a refund ahead of its bill").await;
    assert_eq!(till.told(2, "points_reversed").await, 1);
    // By a void; and once more by a refund of what no longer counts.
    till.bill(3, "SH01", "T3", "maintenance", "1000.00").await;
    assert_eq!(till.active(3).await, 3_100);
    assert_eq!(till.void("SH01", "VT3", "T3").await["status"], "accepted");
    till.refund("SH01", "CT3", "T3", "1000.00").await;
    assert_eq!(till.active(3).await, 0);
    // Half of it.
    till.bill(4, "SH01", "T4", "maintenance", "1000.00").await;
    till.refund("SH01", "CT4", "T4", "500.00").await;
    assert_eq!(till.active(4).await, 750 + 750 + 100);
    // Exact default 11: 4,900 + 200 is silver, refund 200 is regular. (2,000 a bill at most, doubled.)
    for (number, yuan) in [("T5a", "2000.00"), ("T5b", "400.00")] {
        till.bill(5, "SH01", number, "repair", yuan).await;
    }
    assert_eq!((till.active(5).await, till.tier(5).await), (4_900, "regular".to_owned()));
    till.bill(5, "SH03", "T5c", "repair", "200.00").await;
    assert_eq!((till.active(5).await, till.tier(5).await), (5_100, "silver".to_owned()));
    till.refund("SH03", "CT5", "T5c", "200.00").await;
    assert_eq!((till.active(5).await, till.tier(5).await), (4_900, "regular".to_owned()));
    // A line that the bill has not is refused, with its place.
    let wrong = json!({
        "store": "SH01", "refund_no": "CT6", "invoice_no": "T4", "refunded_at": AT, "lines": [{ "line": 9, "amount": "1" }],
    });
    let receipt = till.send("SH01", "refund", &wrong).await;
    assert_eq!((&receipt["code"], &receipt["pointer"]), (&json!("document.unknown_line"), &json!("/lines/0/line")));
    till.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refunds_follow_the_exact_defaults() {
    let _alone = alone().await;
    let till = Till::open("2026-10-02T04:00:00Z", 12, None).await;
    // Default 4: recomputed on what is left.
    till.bill(0, "SH03", "D4a", "repair", "1.50").await;
    till.refund("SH03", "C4a", "D4a", "0.60").await;
    assert_eq!(till.active(0).await, 100, "default 4: repair 1.50 is 1 point, and 0.90 none");
    till.bill(1, "SH03", "D4b", "repair", "3000.00").await;
    till.refund("SH03", "C4b", "D4b", "500.00").await;
    assert_eq!(till.active(1).await, 2_000 + 100, "default 4: under a cap of 2,000 nothing is taken back");
    till.bill(2, "SH02", "D4c", "maintenance", "1000.00").await;
    assert_eq!(till.active(2).await, 1_500 + 900 + 100);
    till.refund("SH02", "C4c", "D4c", "500.00").await;
    assert_eq!(till.active(2).await, 750 + 750 + 100, "default 4: what a budget left stays the ceiling");
    // Default 17: what was taken back is the budget's again.
    till.bill(3, "SH02", "D17", "maintenance", "1000.00").await;
    assert_eq!(till.active(3).await, 1_500 + 150 + 100, "default 17: 150 came back to the budget");
    // Default 5.
    till.bill(4, "SH03", "D5a", "repair", "900.00").await;
    till.bill(4, "SH03", "D5b", "repair", "500.00").await;
    assert_eq!(till.active(4).await, 1_500);
    till.refund("SH03", "C5a", "D5a", "900.00").await;
    assert_eq!(till.active(4).await, 600, "default 5: the other bill keeps the first spending");
    till.refund("SH03", "C5b", "D5b", "500.00").await;
    assert_eq!(till.active(4).await, 0);
    till.bill(4, "SH03", "D5c", "repair", "300.00").await;
    assert_eq!(till.active(4).await, 400, "default 5: it can return");
    // Default 19: a reopened bill, the new one before the old one, too.
    for (who, reversed) in [(5, false), (6, true)] {
        let (old, new) = (format!("D19{who}"), format!("D19{who}-2"));
        let customer = json!({ "phone": phone(who) });
        let bill = invoice("SH03", &old, AT, &customer, "maintenance", "1000.00");
        let mut reopened = invoice("SH03", &new, AT, &customer, "maintenance", "1100.00");
        reopened["replaces"] = json!(old);
        for document in if reversed { [&reopened, &bill] } else { [&bill, &reopened] } {
            assert_eq!(till.send("SH03", "invoice", document).await["status"], "accepted");
        }
        till.has(who, 1_650 + 100, "default 19: 1,000 reopened as 1,100").await;
    }
    let flagged = |heard: &&Heard| heard.data()["reason"] == "invoice_replaced";
    assert_eq!(till.client.all("EVENTS").await.iter().filter(flagged).count(), 2, "default 19: one review each");
    let asked = json!({ "store": "SH03", "kind": "invoice", "document": "D195" });
    let old = till.client.ask("api.ingest.document.status", &asked).await.expect("the old bill");
    assert_eq!((&old["status"], &old["voided_by"]), (&json!("accepted"), &json!("D195-2")));
    // A package earns when it is sold; what is not used of it is paid back.
    till.lines(7, "D19p", &[("package", "customer", "1200.00", None)]).await;
    till.lines(7, "D19q", &[("maintenance", "package", "400.00", None)]).await;
    assert_eq!(till.active(7).await, 1_800 + 100, "default 19: a package earns at its sale, its use nothing");
    till.refund("SH03", "C19p", "D19p", "800.00").await;
    assert_eq!(till.active(7).await, 600 + 100, "default 19: 800 of a package back takes 1,200 points");
    // Stored value by its principal; an accident; what the insurer pays back; a gift with the car.
    till.lines(8, "D19s", &[("maintenance", "stored_value", "600.00", Some("500.00"))]).await;
    assert_eq!(till.active(8).await, 750 + 100, "default 19: 500 of 600 were paid in");
    till.lines(9, "D19a", &[("repair", "insurance", "20000.00", None), ("repair", "customer", "500.00", None)]).await;
    assert_eq!(till.active(9).await, 500 + 100, "default 19: an accident earns what the customer paid");
    till.lines(10, "D19i", &[("repair", "insurance", "3000.00", None), ("accessory", "goodwill", "900.00", None)]).await;
    assert_eq!(till.active(10).await, 0, "default 19: neither what is claimed back nor a gift");
    till.close().await;
}

/// Exact default 12, net: what is paid back is not spent.
#[tokio::test(flavor = "multi_thread")]
async fn a_years_spend_is_what_was_not_paid_back() {
    let _alone = alone().await;
    let till = Till::open("2026-10-02T04:00:00Z", 1, Some("annual-spend")).await;
    till.bill(0, "SH01", "Y1", "repair", "5000.00").await;
    assert_eq!(till.tier(0).await, "gold");
    till.refund("SH01", "CY1", "Y1", "0.01").await;
    assert_eq!(till.tier(0).await, "silver", "4,999.99 were spent");
    assert_eq!(till.told(0, "tier_downgraded").await, 1);
    till.bill(0, "SH01", "Y2", "repair", "0.01").await;
    assert_eq!(till.tier(0).await, "gold");
    till.void("SH01", "VY2", "Y2").await;
    assert_eq!(till.tier(0).await, "silver");
    till.close().await;
}
