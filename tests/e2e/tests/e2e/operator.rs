//! What an operator does, and what is said where something is wrong: each message names the cause and the remedy.

use std::{net::TcpListener, time::Duration};

use async_nats::{ConnectOptions, Event};
use chrono::Days;
use futures_util::StreamExt;
use jifen_e2e::{Client, PATIENCE, System, alone, executable, today, until};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::documents::{invoice, phone, register};

/// Each of `parts` stands in `text`.
#[track_caller]
pub fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_cannot_be_says_why_and_what_to_do() {
    let _alone = alone().await;
    let system = System::new();
    let up = async |name: &str, value: &str| {
        let mut command = system.command(&["up"]);
        command.env(name, value);
        executable::run(command).await.refused()
    };
    says(&up("JIFEN_NATS_PROT", "1").await, &["nats_prot", "jifen config"]);
    says(&up("JIFEN_NATS_PORT", "many").await, &["NATS_PORT", "many"]);
    says(&up("JIFEN_BATCH_MESSAGES", "0").await, &["batch_messages", "1 to 1000"]);
    says(&up("JIFEN_DATABASE_URL", "mysql://db.example/jifen").await, &["JIFEN_DATABASE_URL", "postgres://"]);
    says(&up("JIFEN_DATABASE_URL", "postgres://admin:secret@127.0.0.1:1/jifen").await, &["127.0.0.1:1", "JIFEN_DATABASE_URL"]);
    says(&up("JIFEN_HOME", "/proc/jifen").await, &["/proc/jifen", "JIFEN_HOME"]);
    let file = system.folder().join("file");
    std::fs::write(&file, "").expect("a file");
    says(&up("JIFEN_HOME", &file.join("home").display().to_string()).await, &["JIFEN_HOME"]);
    says(&up("JIFEN_POSTGRES_BIN", "/nowhere").await, &["JIFEN_POSTGRES_BIN", "/nowhere"]);
    says(&up("JIFEN_NATS_SERVER", "/nowhere/nats-server").await, &["JIFEN_NATS_SERVER", "/nowhere"]);
    assert_eq!(system.processes(), [], "nothing of a refused start is left");

    std::fs::write(system.home().join("jifen.toml"), "nats_prot = 14222\n").expect("a file");
    says(&system.run(&["up"]).await.refused(), &["nats_prot", "jifen.toml"]);
    std::fs::remove_file(system.home().join("jifen.toml")).expect("removed");

    let ports = system.ports();
    for (port, option) in [
        (ports.http, "JIFEN_HTTP_ADDRESS"),
        (ports.postgres, "JIFEN_POSTGRES_PORT"),
        (ports.nats, "JIFEN_NATS_PORT"),
        (ports.monitor, "JIFEN_NATS_MONITOR_PORT"),
    ] {
        let _taken = TcpListener::bind(("127.0.0.1", port)).expect("the port");
        says(&system.run(&["up"]).await.refused(), &[&port.to_string(), option]);
        assert_eq!(system.processes(), [], "nothing of a refused start is left");
    }
    // What a DBA needs is printed without any server.
    says(&system.run(&["migrate", "--print-sql"]).await.ok(), &["jifen_points", "create role"]);
    // Nobody to talk to: a verb says so.
    says(&system.run(&["account", "M1"]).await.refused(), &["jifen up"]);
    says(&system.run(&["serve"]).await.refused(), &["JIFEN_DATABASE_URL"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_and_its_keys_are_guarded() {
    let _alone = alone().await;
    let mut system = System::new();
    system.start().await;
    says(&system.run(&["up"]).await.refused(), &["in use by another jifen", &system.pid().to_string(), "JIFEN_HOME"]);
    let client = system.client().await;
    let member_no = register(&client, 0, "SH01").await;
    let mut migrate = system.command(&["migrate"]);
    migrate.env("JIFEN_DATABASE_URL", format!("postgres://postgres:wrong@127.0.0.1:{}/jifen", system.ports().postgres));
    says(&executable::run(migrate).await.refused(), &["refuses user postgres", "JIFEN_DATABASE_URL"]);
    system.stop(Signal::SIGTERM).await;

    for key in ["vault", "lookup", "seal", "broker", "postgres"] {
        let file = system.home().join("keys").join(key);
        let kept = std::fs::read(&file).expect("the key");
        std::fs::remove_file(&file).expect("removed");
        says(&system.run(&["up"]).await.refused(), &[&file.display().to_string(), "missing", "backup"]);
        assert!(!file.exists(), "no other key is made where data exists");
        std::fs::write(&file, kept).expect("restored");
    }
    let file = system.home().join("keys/vault");
    let kept = std::fs::read(&file).expect("the key");
    std::fs::copy(system.home().join("keys/seal"), &file).expect("another key");
    says(&system.run(&["up"]).await.refused(), &["`vault`", "not the one", "backup"]);
    std::fs::write(&file, "abc").expect("damaged");
    says(&system.run(&["up"]).await.refused(), &["`vault`", "damaged", "backup"]);
    std::fs::write(&file, kept).expect("restored");

    system.start().await;
    says(&system.run(&["account", &member_no]).await.ok(), &[&member_no, "欧*", "普通会员"]);
    system.stop(Signal::SIGTERM).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_added_and_its_refused_documents_are_taken() {
    let _alone = alone().await;
    let mut system = System::new();
    system.start().await;
    let client = system.client().await;
    let member_no = register(&client, 0, "SH01").await;
    // What is resubmitted below is accepted only where ingest has heard of the customer.
    system.quiet(&client).await;
    let yesterday = today() - Days::new(1);
    let bill =
        |number: &str| invoice("SH09", number, &format!("{yesterday}T10:00:00+08:00"), &json!({ "phone": phone(0) }), "repair", "300");
    let refused = client.receipt(&client.send_invoice(&bill("R1")).await).await;
    assert_eq!((refused["status"].as_str(), refused["code"].as_str()), (Some("rejected"), Some("document.unknown_store")), "{refused}");

    says(&system.run(&["store", "credentials", "SH09"]).await.refused(), &["no store SH09", "store add"]);
    let added = system.run(&["store", "add", "SH09", "--name", "九店", "--effective-from", &yesterday.to_string()]).await.ok();
    says(&added, &["store SH09 counts from", "pos.v1.SH09.invoice"]);
    says(&system.run(&["store", "list"]).await.ok(), &["SH01", "SH09", "九店"]);
    says(&system.run(&["store", "add", "SH09", "--name", "九店"]).await.refused(), &["there already"]);
    says(&system.run(&["store", "add", "sh09", "--name", "九店"]).await.refused(), &["store code"]);

    let rejects = system.run(&["rejects", "list", "--store", "SH09"]).await.ok();
    says(&rejects, &["R1", "document.unknown_store", "1 in all"]);
    let reject_id = rejects.lines().find(|line| line.contains(" R1 ")).and_then(|line| line.split_whitespace().next()).expect("its key");
    assert_eq!(system.run(&["rejects", "resubmit", reject_id]).await.ok().trim(), "accepted");
    says(&system.run(&["rejects", "resubmit", reject_id]).await.refused(), &["document.not_rejected"]);
    until("the points", PATIENCE, async || {
        let account = client.ask("api.points.account.get", &json!({ "member_no": member_no })).await.expect("an account");
        (account["active"] == 400).then_some(())
    })
    .await;

    the_store_uses_its_credentials(&system, &added, &bill("R2"), &member_no).await;
    // What it was given stays right when the system starts again.
    system.stop(Signal::SIGTERM).await;
    system.start().await;
    the_store_uses_its_credentials(&system, &added, &bill("R3"), &member_no).await;
    system.quiet(&system.client().await).await;
    says(&system.run(&["account", &member_no]).await.ok(), &["可用 active 1000", "SH09"]);
    says(&system.run(&["dead-letters", "list"]).await.ok(), &["no dead letters"]);
    says(&system.run(&["doctor"]).await.ok(), &["everything is well"]);
    publish_from_files(&system).await;
    system.stop(Signal::SIGTERM).await;
}

/// The store's POS, with what `jifen store add` printed and nothing else.
async fn the_store_uses_its_credentials(system: &System, printed: &str, bill: &Value, member_no: &str) {
    let field = |name: &str| {
        let line = printed.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name} in: {printed}"));
        line[name.len()..].split_whitespace().next().expect("a value").to_owned()
    };
    assert_eq!(field("url"), system.nats_url());
    let (sender, mut refusals) = mpsc::unbounded_channel();
    let options = ConnectOptions::with_user_and_password(field("user"), field("password"))
        .custom_inbox_prefix(field("inbox prefix"))
        .event_callback(move |event| {
            let sender = sender.clone();
            async move {
                if let Event::ServerError(error) = event {
                    let _ = sender.send(error.to_string());
                }
            }
        });
    let pos = Client::with(options, &field("url")).await;
    let mut own = pos.nats().subscribe("receipt.v1.SH09").await.expect("a subscription");
    pos.nats().flush().await.expect("flushed");
    pos.send_invoice(bill).await;
    let receipt = tokio::time::timeout(PATIENCE, own.next()).await.expect("its receipt").expect("its receipt");
    let receipt: Value = serde_json::from_slice(&receipt.payload).expect("JSON");
    assert_eq!((receipt["data"]["status"].as_str(), receipt["data"]["document"].as_str()), (Some("accepted"), bill["invoice_no"].as_str()));
    let account = pos.ask("api.points.account.get.SH09", &json!({ "member_no": member_no })).await.expect("its endpoint");
    assert!(account["active"].as_i64() >= Some(400), "{account}");
    let list = pos.ask("api.ingest.reject.list.SH09", &json!({})).await.expect("its endpoint");
    assert_eq!(list["total"], 1, "its own rejects: {list}");
    let problem = pos.ask("api.ingest.reject.list.SH09", &json!({ "store": "SH01" })).await.expect_err("not another's");
    assert_eq!(problem["code"], "request.store_mismatch", "{problem}");

    let client = system.client().await;
    let before = client.end("POS").await;
    for subject in ["pos.v1.SH01.invoice", "api.points.account.get.SH01", "api.points.account.get", "evt.points.earned.v1.SH09"] {
        pos.nats().publish(subject, "{}".into()).await.expect("the client lets it through");
        let refusal = tokio::time::timeout(Duration::from_secs(10), refusals.recv()).await.expect("the server refuses").expect("a refusal");
        assert!(refusal.to_lowercase().contains("permissions violation") && refusal.contains(subject), "{refusal}");
    }
    for subject in ["receipt.v1.SH01", "receipt.v1.*", "notify.v1.sms.SH09", "_INBOX.>"] {
        let _others = pos.nats().subscribe(subject).await.expect("the client lets it through");
        let refusal = tokio::time::timeout(Duration::from_secs(10), refusals.recv()).await.expect("the server refuses").expect("a refusal");
        assert!(refusal.to_lowercase().contains("permissions violation"), "{refusal}");
    }
    assert_eq!(client.end("POS").await, before, "nothing came through");
}

/// `jifen publish invoice FILE`: one document, several, and a bad one.
async fn publish_from_files(system: &System) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bills.json");
    let file = path.to_str().expect("a path");
    let at = format!("{}T12:00:00+08:00", today() - Days::new(1));
    let bill = |number: &str, category: &str| invoice("SH01", number, &at, &json!({ "phone": phone(0) }), category, "10.00");
    std::fs::write(&path, format!("{:#}", bill("F1", "repair"))).expect("written");
    says(&system.run(&["publish", "invoice", file]).await.ok(), &["accepted", "F1", "单据已接收"]);
    std::fs::write(&path, format!("{}\n{}\n", bill("F1", "repair"), bill("F2", "spaceship"))).expect("written");
    let output = system.run(&["publish", "invoice", file]).await;
    assert_eq!(output.status.code(), Some(1), "one was refused: {output:?}");
    says(&output.stdout, &["duplicate", "rejected", "F2", "document.unknown_category", "/lines/0/category"]);
    std::fs::write(&path, "no JSON").expect("written");
    says(&system.run(&["publish", "invoice", file]).await.refused(), &["names no store", "--store"]);
    let output = system.run(&["publish", "invoice", file, "--store", "SH01"]).await;
    says(&output.stdout, &["rejected", "document.undecodable"]);
    says(&system.run(&["publish", "gossip", file]).await.refused(), &["gossip", "invoice"]);
}
