//! What earns besides the rates, as a store's documents and a client's questions show it: caps under a multiplier, interactions with
//! their periods, a partner's budget, and why something earned nothing.

use chrono::{Datelike, Days, NaiveDate};
use jifen_e2e::{Client, PATIENCE, System, alone, ledger::Account, today, until};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::documents::{invoice, phone, register};

/// Rules with an invoice cap of 5,000, a daily cap of 6,000, shares that earn, a partner with 900 points, and double points on one day.
async fn apply_rules(system: &System, double: NaiveDate) {
    let folder = system.folder().join("program");
    let folder = folder.to_str().expect("a path");
    system.run(&["program", "get", "--into", folder]).await.ok();
    let file = format!("{folder}/earn.toml");
    let earn = std::fs::read_to_string(&file).expect("the rules of earning");
    let caps = "first_spending = 100\ninvoice_cap = 5000\ndaily_cap = 6000";
    let partner = "[[partner]]\ncode = \"fuel-1\"\nname = { zh = \"加油站\", en = \"Fuel station\" }\nrate = \"0.5\"\nbudget = 900\n";
    let earn = earn.replacen("first_spending = 100", caps, 1).replacen("off = true\n", "", 1) + "\n" + partner;
    std::fs::write(&file, earn).expect("written");
    let campaign = format!(
        "[[campaign]]\ncode = \"double_day\"\nname = {{ zh = \"双倍积分日\", en = \"Double-points day\" }}\nfactor = \"2\"\nfrom = {double}\nto = {double}\n"
    );
    std::fs::write(format!("{folder}/campaigns.toml"), campaign).expect("written");
    let from = (today() - Days::new(40)).to_string();
    let applied = system.run(&["program", "apply", folder, "--effective-from", &from]).await.ok();
    assert!(applied.contains("version 2 is in force"), "{applied}");
}

/// A store, its client and its customers.
struct Store<'a> {
    client: &'a Client,
}

impl Store<'_> {
    async fn bill(&self, who: usize, number: &str, at: &str, category: &str, amount: &str) {
        self.client.send_invoice(&invoice("SH01", number, at, &json!({ "phone": phone(who) }), category, amount)).await;
    }

    async fn interaction(&self, member_no: &str, number: &str, kind: &str, at: &str, about: Option<&str>) {
        let mut document = json!({
            "store": "SH01", "interaction_no": number, "kind": kind, "occurred_at": at, "customer": { "member_no": member_no },
        });
        if let Some(about) = about {
            document["about"] = json!(about);
        }
        self.send("interaction", &document).await;
    }

    async fn purchase(&self, member_no: &str, number: &str, at: &str, amount: &str) {
        let document = json!({
            "store": "SH01", "purchase_no": number, "partner": "fuel-1", "occurred_at": at, "customer": { "member_no": member_no },
            "amount": amount,
        });
        self.send("partner_purchase", &document).await;
    }

    async fn send(&self, kind: &str, document: &Value) {
        let sha256 = self.client.publish(&format!("pos.v1.SH01.{kind}"), document.to_string()).await;
        let receipt = self.client.receipt(&sha256).await;
        assert_eq!(receipt["status"], "accepted", "{receipt}");
    }

    /// Waits until a member has so many entries; gives kind and points of each, oldest first.
    async fn entries(&self, member_no: &str, count: usize) -> Vec<(String, i64)> {
        let entries = until("entries", PATIENCE, async || {
            let account = Account::read(self.client, member_no).await;
            (account.entries.len() >= count).then_some(account.entries)
        })
        .await;
        assert_eq!(entries.len(), count, "{entries:?}");
        for entry in &entries {
            let why = json!({ "member_no": member_no, "entry_id": entry["entry_id"] });
            let why = self.client.ask("api.points.entry.explain", &why).await.expect("explained");
            assert!(why["equal"] == true && why["recomputed"] == entry["points"], "{why}");
        }
        entries
            .iter()
            .map(|entry| (entry["kind"].as_str().expect("a kind").to_owned(), entry["points"].as_i64().expect("points")))
            .collect()
    }

    /// Why a document that is no invoice earned what it earned, once it is posted.
    async fn outcome(&self, member_no: &str, source: &str, document: &str) -> String {
        let request = json!({ "member_no": member_no, "source": source, "store": "SH01", "document": document });
        until("the document is posted", PATIENCE, async || {
            let reply = self.client.ask("api.points.entry.explain", &request).await.ok()?;
            assert_eq!(reply["equal"], true, "{reply}");
            reply["outcome"].as_str().map(str::to_owned)
        })
        .await
    }
}

fn sorted(mut entries: Vec<(String, i64)>) -> Vec<(String, i64)> {
    entries.sort();
    entries
}

fn of(entries: &[(&str, i64)]) -> Vec<(String, i64)> {
    sorted(entries.iter().map(|(kind, points)| ((*kind).to_owned(), *points)).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn caps_interactions_and_partners_as_the_documents_say() {
    let _alone = alone().await;
    let (double, plain) = (today() - Days::new(3), today() - Days::new(4));
    let mut system = System::new();
    system.start().await;
    let client = system.client().await;
    apply_rules(&system, double).await;
    let mut members = Vec::new();
    for who in 0..3 {
        members.push(register(&client, who, "SH01").await);
    }
    let store = Store { client: &client };
    let [caps, day, other] = members.as_slice() else { panic!("three members") };

    // Exact default 2: first spending, 4,000 maintenance, cap 5,000, double day.
    store.bill(0, "R1", &format!("{double}T10:00:00+08:00"), "maintenance", "4000.00").await;
    let first = store.entries(caps, 3).await;
    assert_eq!(sorted(first), of(&[("accrual", 5_000), ("bonus", 5_000), ("first_spending", 100)]));
    // The day's cap, in posting order: what the first one left, and nothing.
    for (number, amount, entries) in [("R2", "4000.00", 2), ("R3", "4000.00", 3)] {
        store.bill(1, number, &format!("{plain}T10:00:00+08:00"), "repair", amount).await;
        store.entries(day, entries).await;
    }
    store.bill(1, "R4", &format!("{plain}T23:59:59+08:00"), "repair", "4000.00").await;
    store.bill(1, "R5", &format!("{double}T00:00:00+08:00"), "repair", "10.00").await;
    let all = of(&[("accrual", 4_000), ("first_spending", 100), ("accrual", 2_000), ("accrual", 10), ("bonus", 10)]);
    assert_eq!(sorted(store.entries(day, 5).await), all);

    interactions(&store, other, &format!("{plain}T10:00:00+08:00")).await;
    partner(&store, other, caps, &format!("{plain}T10:00:00+08:00")).await;

    let said = system.run(&["explain", caps, "1"]).await.ok();
    assert!(["R1", "earn@2", "5000", "equal"].iter().all(|part| said.contains(part)), "{said}");
    let said = system.run(&["explain", other, "--document", "SH01/S3", "--source", "interaction"]).await.ok();
    assert!(["over_limit", "奖励次数已满", "equal"].iter().all(|part| said.contains(part)), "{said}");
    system.stop(Signal::SIGTERM).await;
}

/// Exact default 17: shares on Sunday 23:50 and Monday 00:10 are 200; a third of that Monday is recorded and earns nothing.
async fn interactions(store: &Store<'_>, member_no: &str, at: &str) {
    let sunday = today() - Days::new(u64::from(today().weekday().num_days_from_sunday()) + 7);
    let monday = sunday + Days::new(1);
    store.interaction(member_no, "S1", "share", &format!("{sunday}T23:50:00+08:00"), None).await;
    store.interaction(member_no, "S2", "share", &format!("{monday}T00:10:00+08:00"), None).await;
    assert_eq!(store.entries(member_no, 2).await, [("interaction".to_owned(), 100), ("interaction".to_owned(), 100)]);
    store.interaction(member_no, "S3", "share", &format!("{monday}T00:20:00+08:00"), None).await;
    assert_eq!(store.outcome(member_no, "interaction", "S3").await, "over_limit");
    // A review waits for its order, one of another member's order earns nothing.
    store.interaction(member_no, "I1", "review", at, Some("R9")).await;
    store.interaction(member_no, "I2", "review", at, Some("R1")).await;
    assert_eq!(store.outcome(member_no, "interaction", "I2").await, "other_member");
    store.bill(2, "R9", at, "repair", "10.00").await;
    assert_eq!(store.outcome(member_no, "interaction", "I1").await, "rewarded");
    let expected = of(&[("interaction", 100), ("interaction", 100), ("accrual", 10), ("first_spending", 100), ("interaction", 50)]);
    assert_eq!(sorted(store.entries(member_no, 5).await), expected);
}

/// A budget is a hard stop: 500 of 900, then 400 of 500, then nothing. It is lifetime, but no tier's.
async fn partner(store: &Store<'_>, member_no: &str, next: &str, at: &str) {
    let before = Account::read(store.client, member_no).await;
    store.purchase(member_no, "F1", at, "1000.00").await;
    assert_eq!(store.outcome(member_no, "partner_purchase", "F1").await, "rewarded");
    store.purchase(member_no, "F2", at, "1000.00").await;
    assert_eq!(store.outcome(member_no, "partner_purchase", "F2").await, "budget_spent");
    store.purchase(next, "F3", at, "1000.00").await;
    assert_eq!(store.outcome(next, "partner_purchase", "F3").await, "budget_spent");
    let after = Account::read(store.client, member_no).await;
    let more = |figure: &str| after.account[figure].as_i64().expect("points") - before.account[figure].as_i64().expect("points");
    assert_eq!((more("active"), more("lifetime")), (900, 900));
    assert_eq!(after.standing["qualifying"], before.standing["qualifying"], "a partner's points don't count towards a tier");
}
