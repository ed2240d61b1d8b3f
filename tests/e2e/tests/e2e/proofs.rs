//! What finance and whoever doubts is given: the ledger verified, one entry proven to an outsider, a month settled between stores.

use std::{collections::BTreeMap, fs, path::Path};

use chrono::{DateTime, Utc};
use jifen_e2e::{Client, PATIENCE, System, alone, executable, until};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use crate::{
    documents::{invoice, phone, register},
    operator::says,
};

/// The first one of RFC 8032's examples.
const ANOTHERS_KEY: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant")
}

/// A system on 5 October 2026 with a member of each of two stores, who have 1,100 and 400 points.
async fn two_members() -> (System, Client, [String; 2]) {
    let mut system = System::new().at(instant("2026-10-05T04:00:00Z"));
    system.start().await;
    let client = system.client().await;
    let members = [register(&client, 1, "SH01").await, register(&client, 2, "SH02").await];
    system.quiet(&client).await;
    bill(&client, 1, "SH01", "R1", "1000.00").await;
    bill(&client, 2, "SH02", "R2", "300.00").await;
    system.quiet(&client).await;
    (system, client, members)
}

async fn bill(client: &Client, who: usize, store: &str, number: &str, yuan: &str) {
    let bill = invoice(store, number, "2026-10-05T10:00:00+08:00", &json!({ "phone": phone(who) }), "repair", yuan);
    let sha256 = client.send_invoice(&bill).await;
    assert_eq!(client.receipt(&sha256).await["status"], "accepted", "{number}");
}

/// Points are spent at `store` by a bill that names them.
async fn spend(client: &Client, member_no: &str, store: &str, points: i64, document: &str) {
    let operation = |step: &str| format!("{document}-{step}");
    let request = json!({ "operation_id": operation("hold"), "store": store, "member_no": member_no, "points": points });
    let hold = client.ask("api.points.hold.create", &request).await.expect("held");
    let request = json!({ "operation_id": operation("capture"), "hold_id": hold["hold_id"], "document": document });
    client.ask("api.points.hold.capture", &request).await.expect("captured");
}

async fn active(client: &Client, member_no: &str) -> i64 {
    let account = client.ask("api.points.account.get", &json!({ "member_no": member_no })).await.expect("an account");
    account["active"].as_i64().expect("points")
}

/// Waits until every account's newest entry is under a seal that stands in the file, too.
async fn sealed(system: &System, database: &mut PgConnection) {
    until("everything is sealed", PATIENCE, async || {
        let open = "select count(*) from points.account a where a.sequence > 0 and not exists
                        (select from points.sealed_head h where h.member_id = a.member_id and h.sequence = a.sequence)";
        let open: i64 = sqlx::query_scalar(open).fetch_one(&mut *database).await.expect("accounts");
        let seals: i64 = sqlx::query_scalar("select count(*) from points.seal").fetch_one(&mut *database).await.expect("seals");
        let file = fs::read_to_string(system.home().join("seals/points.jsonl")).unwrap_or_default();
        (open == 0 && i64::try_from(file.lines().count()) == Ok(seals)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_is_verified_and_an_entry_is_proven_to_an_outsider() {
    let _alone = alone().await;
    let (mut system, client, [a, b]) = two_members().await;
    spend(&client, &a, "SH02", 500, "R3").await;
    system.travel(instant("2026-10-05T04:05:00Z"));
    let mut database = PgConnection::connect(&system.database_url()).await.expect("the database");
    sealed(&system, &mut database).await;

    let all = system.run(&["verify"]).await;
    says(&all.stderr, &["未发现改动", "2 members", "anchored"]);
    all.ok();
    let one = system.run(&["verify", "--member", &a]).await;
    says(&one.stderr, &["未发现改动", "1 members"]);
    one.ok();
    says(&system.run(&["verify", "--member", "M404"]).await.refused(), &["no account has number M404"]);

    // An outsider has the file and the published key, and neither home nor servers.
    let entries = client.ask("api.points.entries.list", &json!({ "member_no": a })).await.expect("entries");
    let entry_id = entries["entries"][0]["entry_id"].as_str().expect("an entry").to_owned();
    let proof = system.run(&["verify", "--prove", &entry_id]).await.ok();
    let key = system.run(&["verify", "--show-key"]).await.ok();
    let elsewhere = tempfile::tempdir().expect("a folder");
    let asked = async |name: &str, text: &str, key: &str| {
        let file = elsewhere.path().join(name);
        fs::write(&file, text).expect("written");
        let mut command = executable::command();
        command.current_dir(elsewhere.path()).args(["verify", "--proof"]).arg(file).args(["--key", key]);
        executable::run(command).await
    };
    says(&asked("proof.json", &proof, key.trim()).await.ok(), &["成立", &entry_id]);
    let other = asked("proof.json", &proof, ANOTHERS_KEY).await;
    assert_eq!(other.status.code(), Some(1), "{other:?}");
    says(&other.stdout, &["不成立"]);
    let mut altered: Value = serde_json::from_str(&proof).expect("JSON");
    altered["entry"]["points"] = json!(altered["entry"]["points"].as_i64().expect("points") + 1);
    let altered = asked("altered.json", &altered.to_string(), key.trim()).await;
    assert_eq!(altered.status.code(), Some(1), "{altered:?}");
    says(&altered.stdout, &["不成立"]);
    says(&asked("none.json", "no JSON", key.trim()).await.refused(), &["none.json is no proof"]);
    // At home the own key is the one to believe, unless another one is named.
    let file = elsewhere.path().join("proof.json");
    let file = file.to_str().expect("a path");
    let at_home = system.run(&["verify", "--proof", file]).await;
    assert!(at_home.stdout.contains("成立 proven") && !at_home.stderr.contains("the proof's own"), "{at_home:?}");
    says(&system.run(&["verify", "--proof", file, "--key", ANOTHERS_KEY]).await.stdout, &["不成立"]);

    // Whoever may do everything in the database gives a friend 5,000 points, and makes the balance fit.
    let more = "update points.entry set points = points + 5000
                where (member_id, sequence) = (select member_id, 1 from points.account where member_no = $1) returning entry_id::text";
    let forged: String = sqlx::query_scalar(more).bind(&b).fetch_one(&mut database).await.expect("forged");
    for sql in [
        "update points.account set active = active + 5000, lifetime = lifetime + 5000 where member_no = $1",
        "update points.lot set remaining = remaining + 5000, points = points + 5000
         where (member_id, lot_id) = (select member_id, lot_id from points.entry join points.account using (member_id)
                                      where member_no = $1 and entry.sequence = 1)",
    ] {
        sqlx::query(sql).bind(&b).execute(&mut database).await.expect("forged");
    }
    let found = system.run(&["verify"]).await;
    assert_eq!(found.status.code(), Some(1), "{found:?}");
    says(&found.stdout, &["edited", &b, "#1", &forged, "被改动"]);
    assert!(!found.stdout.contains(&a), "nobody touched that one: {found:?}");
    let found = system.run(&["verify", "--json", "--member", &b]).await;
    let findings: Vec<Value> = found.stdout.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    assert!(findings.iter().any(|finding| finding["entry_id"] == forged.as_str()), "{findings:?}");
    system.run(&["verify", "--member", &a]).await.ok();
    system.stop(Signal::SIGTERM).await;
}

/// The rows of a CSV file, by what stands above each column.
fn rows(file: &Path) -> Vec<BTreeMap<String, String>> {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let text = text.strip_prefix('\u{feff}').expect("spreadsheets are told that it is UTF-8");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader.deserialize().collect::<Result<_, _>>().expect("rows")
}

/// An amount in fen.
fn fen(text: &str) -> i64 {
    if text.is_empty() {
        return 0;
    }
    let (yuan, fen) = text.split_once('.').expect("two decimals");
    assert_eq!(fen.len(), 2, "{text}");
    format!("{yuan}{fen}").parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_is_settled_between_stores_and_stays_as_it_was() {
    let _alone = alone().await;
    let (mut system, client, [a, b]) = two_members().await;
    let granted = [active(&client, &a).await, active(&client, &b).await];
    assert_eq!(granted, [1_100, 400]);
    spend(&client, &a, "SH02", 500, "R3").await;
    spend(&client, &b, "SH01", 120, "R4").await;
    spend(&client, &a, "SH01", 70, "R5").await;
    bill(&client, 1, "SH02", "R3", "50.00").await;
    system.quiet(&client).await;
    let folder = |name: &str| system.folder().join(name).display().to_string();
    let settle = async |into: &str| system.run(&["settlement", "--month", "2026-10", "--csv", into]).await.ok();
    system.travel_and_work(instant("2026-10-31T15:50:00Z"), &client).await;
    until("October is summed", PATIENCE, async || {
        let said = settle(&folder("open")).await;
        assert!(said.contains("open"), "{said}");
        let pairs = rows(Path::new(&folder("open")).join("settlement-2026-10-pairs.csv").as_path());
        let due = |from: &str, to: &str| {
            let row = pairs.iter().find(|row| row["出资门店 funded by"] == from && row["使用门店 spent at"] == to)?;
            Some((row["应付积分 due"].clone(), row["应付金额 amount"].clone()))
        };
        let due = [due("SH01", "SH02"), due("SH02", "SH01")];
        let of = |points: &str, yuan: &str| Some((points.to_owned(), yuan.to_owned()));
        (due == [of("500", "5.00"), of("120", "1.20")]).then_some(())
    })
    .await;
    system.travel_and_work(instant("2026-11-10T04:00:00Z"), &client).await;
    until("October is closed", PATIENCE, async || settle(&folder("closed")).await.contains("closed 2026-11-").then_some(())).await;
    let part = |name: &str, part: &str| Path::new(&folder(name)).join(format!("settlement-2026-10-{part}.csv"));
    for kind in ["pairs", "stores", "journal", "late"] {
        let [open, closed] = ["open", "closed"].map(|name| fs::read_to_string(part(name, kind)).expect("the file"));
        assert_eq!(open, closed, "{kind}");
    }
    let journal = rows(&part("closed", "journal"));
    let mut vouchers: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for line in &journal {
        let sums = vouchers.entry(&line["凭证 voucher"]).or_default();
        sums.0 += fen(&line["借方 debit"]);
        sums.1 += fen(&line["贷方 credit"]);
    }
    assert!(vouchers.len() > 3 && vouchers.values().all(|(debit, credit)| debit == credit && *debit > 0), "{vouchers:?}");
    let stores = rows(&part("closed", "stores"));
    let issued: i64 = stores.iter().map(|row| row["发放 issued"].parse::<i64>().expect("points")).sum();
    let liability: i64 = stores.iter().map(|row| row["期末负债 liability"].parse::<i64>().expect("points")).sum();
    assert_eq!((issued, liability), (1_100 + 400 + 50, active(&client, &a).await + active(&client, &b).await));

    // A bill of October that comes in November counts there, with its month; October stays.
    bill(&client, 2, "SH02", "R9", "10.00").await;
    system.quiet(&client).await;
    until("the late fact", PATIENCE, async || {
        let into = folder("november");
        system.run(&["settlement", "--month", "2026-11", "--csv", &into]).await.ok();
        let late = rows(&Path::new(&into).join("settlement-2026-11-late.csv"));
        late.iter().any(|row| row["单据 document"] == "R9" && row["业务月份 business month"] == "2026-10").then_some(())
    })
    .await;
    settle(&folder("again")).await;
    for kind in ["pairs", "stores", "journal", "late"] {
        let [closed, again] = ["closed", "again"].map(|name| fs::read_to_string(part(name, kind)).expect("the file"));
        assert_eq!(closed, again, "a closed month never changes: {kind}");
    }
    says(&system.run(&["settlement", "--month", "October"]).await.stderr, &["2026-10"]);
    system.stop(Signal::SIGTERM).await;
}
