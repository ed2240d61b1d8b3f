//! Sixty-four clients want the same thing at once, of two copies of everything: one has it, and each of the others hears why not.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use jifen_e2e::{Client, Heard, PATIENCE, System, alone, until};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::{
    documents::{invoice, phone, register},
    operator::says,
};

const CLIENTS: usize = 64;
const DAY: &str = "2026-10-01";

/// Each client sends a document of its own; how many were told what.
async fn all_send(clients: &[Client], kind: &str, document: impl Fn(usize) -> Value) -> BTreeMap<String, usize> {
    let subject = format!("pos.v1.SH01.{kind}");
    let sent = clients.iter().enumerate().map(async |(number, client)| client.publish(&subject, document(number).to_string()).await);
    let sent: BTreeSet<String> = join_all(sent).await.into_iter().collect();
    until("a receipt for each", PATIENCE, async || {
        let receipts = clients[0].all("RECEIPTS").await;
        let told =
            receipts.iter().map(Heard::data).filter(|receipt| receipt["sha256"].as_str().is_some_and(|sha256| sent.contains(sha256)));
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for receipt in told {
            let told = format!("{} {}", receipt["status"].as_str().expect("a status"), receipt["code"].as_str().unwrap_or_default());
            *counts.entry(told.trim().to_owned()).or_default() += 1;
        }
        (counts.values().sum::<usize>() >= CLIENTS).then_some(counts)
    })
    .await
}

fn counts<const N: usize>(expected: [(&str, usize); N]) -> BTreeMap<String, usize> {
    expected.map(|(told, count)| (told.to_owned(), count)).into()
}

async fn active(client: &Client, member_no: &str) -> i64 {
    let account = client.ask("api.points.account.get", &json!({ "member_no": member_no })).await.expect("an account");
    assert_eq!((&account["debt"], &account["reserved"]), (&json!(0), &json!(0)), "{account}");
    account["active"].as_i64().expect("points")
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixty_four_clients_on_one_invoice_one_wins() {
    let _alone = alone().await;
    let mut system = System::new();
    system.start().await;
    system.add_copy().await;
    let client = system.client().await;
    let member_no = register(&client, 1, "SH01").await;
    system.quiet(&client).await;
    let clients = join_all((0..CLIENTS).map(|_| system.client())).await;
    let bill = |number: &str, amount: String| {
        invoice("SH01", number, &format!("{DAY}T10:00:00+08:00"), &json!({ "phone": phone(1) }), "repair", &amount)
    };

    // One number with as many contents as clients.
    let told = all_send(&clients, "invoice", |number| bill("R1", format!("{}.00", 1_000 + number))).await;
    assert_eq!(told, counts([("accepted", 1), ("rejected document.conflict", CLIENTS - 1)]));
    system.quiet(&client).await;
    let earned = active(&client, &member_no).await;
    assert!((1_100..1_100 + 64).contains(&earned), "one of them, and the first spending: {earned}");
    // The same content from all of them.
    let told = all_send(&clients, "invoice", |_| bill("R2", "500.00".to_owned())).await;
    assert_eq!(told, counts([("accepted", 1), ("duplicate document.duplicate", CLIENTS - 1)]));
    system.quiet(&client).await;
    assert_eq!(active(&client, &member_no).await, earned + 500);

    // Each gives all of R2 back under a number of its own, and each voids it: it is taken back once.
    let lines = json!([{ "line": 1, "amount": "500.00" }]);
    let refund = |number: usize| json!({ "store": "SH01", "refund_no": format!("C{number}"), "invoice_no": "R2", "refunded_at": "2026-10-01T12:00:00+08:00", "lines": lines });
    let void = |number: usize| json!({ "store": "SH01", "void_no": format!("V{number}"), "invoice_no": "R2", "voided_at": "2026-10-01T13:00:00+08:00", "reason": "…" });
    let (refunds, voids) = tokio::join!(all_send(&clients, "refund", refund), all_send(&clients, "void", void));
    assert_eq!((refunds, voids), (counts([("accepted", CLIENTS)]), counts([("accepted", CLIENTS)])));
    system.quiet(&client).await;
    assert_eq!(active(&client, &member_no).await, earned, "never more than it brought");
    let voided = client.all("EVENTS").await.iter().filter(|event| event.subject.starts_with("evt.ingest.invoice_voided.")).count();
    assert_eq!(voided, 1);

    // One day's close with as many contents as clients; what differs is named.
    let close = |number: usize| {
        json!({
            "store": "SH01", "day": DAY, "invoices": { "count": 3, "sum": format!("{}.00", 5_000 + number), "first": "R1", "last": "R3" },
            "refunds": { "count": CLIENTS, "sum": format!("{}.00", 500 * CLIENTS) },
        })
    };
    assert!(system.run(&["day", "SH01", DAY]).await.stdout.contains("not closed"));
    let told = all_send(&clients, "day_close", close).await;
    assert_eq!(told, counts([("accepted", 1), ("rejected document.conflict", CLIENTS - 1)]));
    let compared = until("the close", PATIENCE, async || {
        let compared = system.run(&["day", "SH01", DAY]).await;
        compared.stdout.contains("closed 20").then_some(compared)
    })
    .await;
    assert_eq!(compared.status.code(), Some(1), "{compared:?}");
    says(&compared.stdout, &["缺失 R3 missing", "笔数不符 count", "金额不符 sum", "末号不符 last number: said R3, arrived R2"]);
    says(&system.run(&["day", "SH01", DAY, "--json"]).await.stdout, &["\"missing\"", "\"R3\""]);
    says(&system.run(&["doctor"]).await.ok(), &["everything is well"]);
    system.stop(Signal::SIGTERM).await;
}
