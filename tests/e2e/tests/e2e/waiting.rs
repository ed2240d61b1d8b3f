//! What waits for its customer while the time passes.

use std::{fs, path::PathBuf};

use chrono::{DateTime, Utc};
use jifen_e2e::{Client, PATIENCE, System, alone, until};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::documents::{invoice, phone, register};

/// The time of a system, and whom it is asked of.
struct Traveller {
    file: PathBuf,
    client: Client,
    probes: usize,
}

impl Traveller {
    /// Moves the clock, and waits until a member who registers does so in the new time.
    async fn travel(&mut self, to: &str) {
        fs::write(&self.file, to).expect("the clock");
        let to: DateTime<Utc> = to.parse().expect("an instant");
        let Self { client, probes, .. } = self;
        until("the time that was travelled to", PATIENCE, async || {
            *probes += 1;
            let number = register(client, 9_000 + *probes, "SH02").await;
            let member = client.ask("api.member.member.get", &json!({ "member_no": number })).await.ok()?;
            let registered_at: DateTime<Utc> = member["registered_at"].as_str()?.parse().ok()?;
            (registered_at >= to).then_some(())
        })
        .await;
    }

    /// Status and code of the last of two receipts.
    async fn second(&self, sha256: &str) -> (Value, Value) {
        let receipts = self.client.receipts(sha256, 2).await;
        (receipts[1]["status"].clone(), receipts[1]["code"].clone())
    }
}

/// Of 1 October, late in the evening: a bill and a check-in.
fn documents(number: usize) -> [(&'static str, Value); 2] {
    let customer = json!({ "phone": phone(number) });
    let bill = invoice("SH01", &format!("W-{number}"), "2026-10-01T23:59:59+08:00", &customer, "maintenance", "1000.00");
    let check_in = json!({
        "store": "SH01", "interaction_no": format!("I-{number}"), "kind": "check_in", "occurred_at": "2026-10-01T23:59:59+08:00",
        "customer": customer,
    });
    [("invoice", bill), ("interaction", check_in)]
}

async fn send(client: &Client, number: usize) -> Vec<String> {
    let mut sent = Vec::new();
    for (kind, document) in documents(number) {
        sent.push(client.publish(&format!("pos.v1.SH01.{kind}"), document.to_string()).await);
    }
    for sha256 in &sent {
        assert_eq!(client.receipt(sha256).await["code"], "document.parked");
    }
    sent
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_of_nobody_earn_until_the_ninetieth_day_and_no_longer() {
    let _alone = alone().await;
    let mut system = System::new();
    let file = system.folder().join("clock");
    fs::write(&file, "2026-10-02T02:00:00Z").expect("the clock");
    system = system.with("JIFEN_TEST_CLOCK", file.display());
    system.start().await;
    let client = Client::connect(&system.nats_url()).await;
    let mut traveller = Traveller { file, client: client.clone(), probes: 0 };
    let (early, late) = (send(&client, 1).await, send(&client, 2).await);

    // 1 October and 90 days are 30 December, which ends at 16:00 UTC.
    traveller.travel("2026-12-30T15:50:00Z").await;
    let member_no = register(&client, 1, "SH01").await;
    for sha256 in &early {
        assert_eq!(traveller.second(sha256).await, (json!("accepted"), Value::Null));
    }
    until("1,500 and 100 for the bill and 5 for the check-in", PATIENCE, async || {
        let account = client.ask("api.points.account.get", &json!({ "member_no": member_no })).await.ok()?;
        (account["active"] == 1_605).then_some(())
    })
    .await;
    let accepted = client.all("EVENTS").await.into_iter().find(|event| event.subject.starts_with("evt.ingest.invoice_accepted."));
    let received_at = accepted.expect("the event").data()["received_at"].clone();
    assert!(
        received_at.as_str().is_some_and(|at| at.starts_with("2026-10-02T02:")),
        "when it came, not when it was released: {received_at}"
    );

    traveller.travel("2026-12-30T16:00:00Z").await;
    let member_no = register(&client, 2, "SH01").await;
    for sha256 in &late {
        assert_eq!(traveller.second(sha256).await, (json!("rejected"), json!("document.lapsed")));
    }
    let account = client.ask("api.points.account.get", &json!({ "member_no": member_no })).await.expect("an account");
    assert_eq!((&account["active"], &account["pending"], &account["lifetime"]), (&json!(0), &json!(0), &json!(0)));
    system.stop(Signal::SIGTERM).await;
}
