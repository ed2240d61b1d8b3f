//! Exact default 9 from outside: points end with their last day, reminders come once; and opening balances.

use chrono::{DateTime, Utc};
use jifen_e2e::{Client, Heard, PATIENCE, System, alone, until};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::documents::{invoice, phone, register};

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant")
}

struct Group {
    system: System,
    client: Client,
}

impl Group {
    async fn at(&self, at: &str) {
        self.system.travel_and_work(instant(at), &self.client).await;
    }

    async fn bill(&self, who: usize, number: &str, at: &str, category: &str, yuan: &str) {
        let bill = invoice("SH01", number, at, &json!({ "phone": phone(who) }), category, yuan);
        let sha256 = self.client.send_invoice(&bill).await;
        assert_eq!(self.client.receipt(&sha256).await["status"], "accepted", "{number}");
        self.system.quiet(&self.client).await;
    }

    async fn account(&self, member_no: &str) -> Value {
        self.client.ask("api.points.account.get", &json!({ "member_no": member_no })).await.expect("an account")
    }

    /// What ends when: pairs of day and points.
    async fn ends(&self, member_no: &str) -> Value {
        let account = self.account(member_no).await;
        let pairs = account["expiring"].as_array().expect("a list").iter().map(|ends| json!([ends["on"], ends["points"]]));
        pairs.collect()
    }

    /// Waits until so many messages of a kind went to a member.
    async fn told(&self, who: usize, kind: &str, count: usize) -> Vec<Value> {
        let to = format!("+86{}", phone(who));
        let of = |heard: &Heard| heard.data()["kind"] == kind && heard.data()["to"]["phone"] == to.as_str();
        until("messages", PATIENCE, async || {
            let told: Vec<Value> =
                self.client.all("NOTIFY").await.iter().filter(|heard| of(heard)).map(|heard| heard.data().clone()).collect();
            (told.len() == count).then_some(told)
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn points_end_as_the_handbook_says() {
    let _alone = alone().await;
    let mut system = System::new().at(instant("2028-08-30T04:00:00Z"));
    system.start().await;
    let client = system.client().await;
    let late = register(&client, 1, "SH01").await;
    let later = register(&client, 2, "SH01").await;
    let group = Group { system, client };
    group.system.quiet(&group.client).await;
    // Of 1 October 2026, posted well before its end; base and first spending end together.
    group.bill(1, "R1", "2026-10-01T10:00:00+08:00", "maintenance", "1000.00").await;
    assert_eq!(group.ends(&late).await, json!([["2028-10-31", 1_600]]), "default 9: to the end of the month");
    group.at("2028-09-01T04:00:00Z").await;
    let told = group.told(1, "points_expiring", 1).await;
    assert_eq!((&told[0]["params"]["date"], &told[0]["params"]["days"]), (&json!("2028-10-31"), &json!("60")));
    group.at("2028-10-20T04:00:00Z").await;
    group.bill(2, "R2", "2026-10-01T10:00:00+08:00", "maintenance", "100.00").await;
    assert_eq!(group.ends(&later).await, json!([["2028-11-19", 250]]), "default 9: never sooner than 30 days after posting");
    group.at("2028-10-24T04:00:00Z").await;
    let told = group.told(1, "points_expiring", 3).await;
    let mut days: Vec<_> = told.iter().map(|told| told["params"]["days"].as_str().unwrap_or_default().to_owned()).collect();
    days.sort();
    assert_eq!(days, ["30", "60", "7"], "each once, whatever was passed over");
    group.at("2028-10-31T15:59:30Z").await;
    assert_eq!(group.account(&late).await["active"], 1_600, "until 24:00");
    group.at("2028-10-31T16:00:00Z").await;
    group.system.quiet(&group.client).await;
    let account = group.account(&late).await;
    assert_eq!((&account["active"], &account["lifetime"]), (&json!(0), &json!(1_600)));
    let told = group.told(1, "points_expired", 1).await;
    assert_eq!((&told[0]["params"]["points"], &told[0]["params"]["date"]), (&json!("1600"), &json!("2028-10-31")));
    assert_eq!(group.account(&later).await["active"], 250);
    let counts = group.client.ask("api.points.account.counts", &json!({})).await.expect("counts");
    assert_eq!(counts["counts"]["breakage/SH01"], 1_600);
    let explained = group.client.ask("api.points.entries.list", &json!({ "member_no": late })).await.expect("entries");
    assert_eq!(explained["entries"][0]["kind"], "expiry");
    let mut group = group;
    group.system.stop(Signal::SIGTERM).await;
}

/// The very day; and what members had in another system, with ends of their own.
#[tokio::test(flavor = "multi_thread")]
async fn the_very_day_and_opening_balances() {
    let _alone = alone().await;
    let mut system = System::new().at(instant("2028-02-29T04:00:00Z"));
    system.start().await;
    let folder = system.folder().join("program");
    let path = folder.to_str().expect("a path");
    system.run(&["program", "get", "--into", path]).await.ok();
    let file = folder.join("expiry.toml");
    let text = std::fs::read_to_string(&file).expect("expiry.toml").replace("\"end_of_month\"", "\"exact_day\"");
    std::fs::write(&file, text).expect("written");
    system.run(&["program", "apply", path, "--effective-from", "2028-02-29"]).await.ok();
    let client = system.client().await;
    let member = register(&client, 1, "SH01").await;
    let mut group = Group { system, client };
    group.system.quiet(&group.client).await;
    group.bill(1, "R1", "2028-02-29T10:00:00+08:00", "repair", "100.00").await;
    assert_eq!(group.ends(&member).await, json!([["2030-02-28", 200]]), "default 9: 29 February on the very day");

    let (csv, mapping) = (group.system.folder().join("lots.csv"), concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/import/lots.toml"));
    let rows = format!(
        "会员号,门店,积分,到期日,计入定级\n{member},SH01,\"1,200\",2029-12-31,\n{member},SH02,300,2029-06-30,是\nM404,SH01,5,2029-12-31,\n"
    );
    std::fs::write(&csv, rows).expect("written");
    let csv = csv.to_str().expect("a path").to_owned();
    let import = async |more: &[&str]| {
        let arguments = [&["import", "lots", csv.as_str(), "--source", "old_system", "--mapping", mapping], more].concat();
        group.system.run(&arguments).await.refused()
    };
    import(&["--dry-run"]).await;
    assert_eq!(group.account(&member).await["active"], 200, "a dry run changes nothing");
    for _ in 0..2 {
        import(&[]).await;
        let account = group.account(&member).await;
        assert_eq!((&account["active"], &account["lifetime"]), (&json!(1_700), &json!(500)), "each line once; default 11: not qualifying");
    }
    assert_eq!(group.ends(&member).await, json!([["2029-06-30", 300], ["2029-12-31", 1_200], ["2030-02-28", 200]]));
    let faults = std::fs::read_to_string(format!("{csv}.errors.csv")).expect("faults");
    assert!(faults.contains("4,会员号,member.unknown"), "{faults}");
    group.system.quiet(&group.client).await;
    let doctor = group.system.run(&["doctor"]).await.ok();
    assert!(doctor.contains("well"), "{doctor}");
    group.system.stop(Signal::SIGTERM).await;
}
