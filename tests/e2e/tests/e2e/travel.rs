//! Time passes: the rings of outbox and inbox turn, days of jobs come, and nothing is lost on the way.

use chrono::{DateTime, TimeDelta, Utc};
use jifen_e2e::{System, alone};
use serde_json::json;

use crate::documents::{invoice, phone, register};

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant")
}

#[tokio::test(flavor = "multi_thread")]
async fn years_pass_while_the_system_runs() {
    let _alone = alone().await;
    let mut now = instant("2026-10-01T04:00:00Z");
    let mut system = System::new().at(now);
    system.start().await;
    let client = system.client().await;
    let member = register(&client, 1, "SH01").await;
    let mut earned = 100;
    for (number, days) in [0, 1, 7, 9, 17, 40, 400].into_iter().enumerate() {
        now += TimeDelta::days(days);
        system.travel_and_work(now, &client).await;
        let bill = invoice("SH01", &format!("R{number}"), &now.to_rfc3339(), &json!({ "phone": phone(1) }), "maintenance", "1000.00");
        let sha256 = client.send_invoice(&bill).await;
        assert_eq!(client.receipt(&sha256).await["status"], "accepted", "after {days} days");
        system.quiet(&client).await;
        earned += 1_500;
        let account = client.ask("api.points.account.get", &json!({ "member_no": member })).await.expect("an account");
        assert_eq!(account["lifetime"], earned, "after {days} days: {account}");
    }
    // From far ahead a document is still refused.
    let bill = invoice("SH01", "R-ahead", &(now + TimeDelta::hours(25)).to_rfc3339(), &json!({ "phone": phone(1) }), "repair", "1.00");
    let sha256 = client.send_invoice(&bill).await;
    assert_eq!(client.receipt(&sha256).await["code"], "document.future_date");
    let doctor = system.run(&["doctor"]).await.ok();
    assert!(doctor.contains("well"), "{doctor}");
    system.stop(nix::sys::signal::Signal::SIGTERM).await;
}
