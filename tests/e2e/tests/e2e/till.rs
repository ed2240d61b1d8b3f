//! Points at the till, from outside: quoted, held, spent, given back; exact defaults 10 and 14.

use futures_util::future::join_all;
use jifen_e2e::{Client, PATIENCE, System, alone, until};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::{
    documents::{invoice, phone, register},
    operator::says,
};

/// Tills that ask at once.
const TILLS: usize = 32;

struct Shop {
    system: System,
    client: Client,
}

impl Shop {
    async fn open() -> Self {
        let mut system = System::new();
        system.start().await;
        let client = system.client().await;
        Self { system, client }
    }

    async fn bill(&self, who: usize, number: &str, category: &str, yuan: &str) {
        let bill = invoice("SH01", number, "2026-10-01T10:00:00+08:00", &json!({ "phone": phone(who) }), category, yuan);
        self.send("invoice", &bill).await;
    }

    async fn send(&self, kind: &str, document: &Value) {
        let sha256 = self.client.publish(&format!("pos.v1.SH01.{kind}"), document.to_string()).await;
        let receipt = self.client.receipt(&sha256).await;
        assert_eq!(receipt["status"], "accepted", "{receipt}");
    }

    async fn refund(&self, number: &str, of: &str, yuan: &str) {
        let lines = json!([{ "line": 1, "amount": yuan }]);
        let refund =
            json!({ "store": "SH01", "refund_no": number, "invoice_no": of, "refunded_at": "2026-10-03T10:00:00+08:00", "lines": lines });
        self.send("refund", &refund).await;
    }

    async fn hold(&self, operation: &str, member_no: &str, points: i64) -> Result<Value, Value> {
        let request = json!({ "operation_id": operation, "store": "SH01", "member_no": member_no, "points": points });
        self.client.ask("api.points.hold.create", &request).await
    }

    async fn of_hold(&self, verb: &str, operation: &str, hold: &Value, more: Value) -> Result<Value, Value> {
        let mut request = json!({ "operation_id": operation, "hold_id": hold["hold_id"] });
        if let (Some(request), Value::Object(more)) = (request.as_object_mut(), more) {
            request.extend(more);
        }
        self.client.ask(&format!("api.points.hold.{verb}"), &request).await
    }

    /// Waits until the account shows this: active, reserved, debt.
    async fn shows(&self, member_no: &str, expected: [i64; 3]) {
        until(&format!("{member_no} has {expected:?}"), PATIENCE, async || {
            let account = self.client.ask("api.points.account.get", &json!({ "member_no": member_no })).await.expect("an account");
            let shown = ["active", "reserved", "debt"].map(|figure| account[figure].as_i64().expect("points"));
            (shown == expected).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn points_pay_at_the_till_and_what_is_held_counts_as_spent() {
    let _alone = alone().await;
    let mut shop = Shop::open().await;
    let [a, b] = [register(&shop.client, 1, "SH01").await, register(&shop.client, 2, "SH01").await];

    // Exact default 10: 1,000 held, refund 1,000: debt 1,000; release: debt 0, active 0.
    shop.bill(1, "R1", "repair", "900.00").await;
    shop.shows(&a, [1_000, 0, 0]).await;
    let held = shop.hold("t-1", &a, 1_000).await.expect("held");
    shop.refund("C1", "R1", "900.00").await;
    shop.shows(&a, [0, 1_000, 1_000]).await;
    // Killed in between, the system knows what it has answered.
    shop.system.kill();
    shop.system.start().await;
    shop.client = shop.system.client().await;
    assert_eq!(shop.hold("t-1", &a, 1_000).await.expect("the same"), held);
    shop.of_hold("release", "t-2", &held, json!({})).await.expect("released");
    shop.shows(&a, [0, 0, 0]).await;

    // A 1,000 spent, B 500 active, refund A: active 0, debt 500. Then an accrual of 800: 300 are spendable, 800 qualify.
    shop.bill(2, "R2", "repair", "1000.00").await;
    shop.shows(&b, [1_100, 0, 0]).await;
    let held = shop.hold("t-3", &b, 1_100).await.expect("held");
    shop.of_hold("capture", "t-4", &held, json!({ "document": "R3" })).await.expect("spent");
    shop.bill(2, "R3", "repair", "500.00").await;
    shop.shows(&b, [500, 0, 0]).await;
    shop.refund("C2", "R2", "1000.00").await;
    shop.shows(&b, [0, 0, 500]).await;
    shop.bill(2, "R4", "repair", "800.00").await;
    shop.shows(&b, [300, 0, 0]).await;
    shop.system.quiet(&shop.client).await;
    let standing = shop.client.ask("api.tier.standing.get", &json!({ "member_no": b })).await.expect("a standing");
    assert_eq!(standing["qualifying"], 1_400, "100 + 500 + 800: {standing}");
    // What the points paid for is voided: they come back, and pay nothing now. R3's own 500 go: the lot of R4 gives them.
    let void = json!({ "store": "SH01", "void_no": "V1", "invoice_no": "R3", "voided_at": "2026-10-04T10:00:00+08:00", "reason": "…" });
    shop.send("void", &void).await;
    shop.shows(&b, [900, 0, 0]).await;

    // Of many tills on one balance one wins.
    let operations: Vec<String> = (0..TILLS).map(|till| format!("till-{till}")).collect();
    let answers = join_all(operations.iter().map(|operation| shop.hold(operation, &b, 600))).await;
    assert_eq!(answers.iter().flatten().count(), 1);
    assert!(answers.iter().filter_map(|answer| answer.as_ref().err()).all(|problem| problem["code"] == "points.insufficient"));
    shop.shows(&b, [300, 600, 0]).await;
    shop.system.stop(Signal::SIGTERM).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offset_is_quoted_in_steps_and_earns_nothing() {
    let _alone = alone().await;
    let mut shop = Shop::open().await;
    let member = register(&shop.client, 1, "SH01").await;

    // Exact default 14. A bill of 12.50 takes at most 1,200 points.
    let quote = shop.client.ask("api.points.quote.get", &json!({ "bill": "12.50" })).await.expect("a quote");
    assert_eq!((&quote["points"], &quote["offset"], &quote["payable"]), (&json!(1_200), &json!("12.00"), &json!("0.50")));
    let none = shop.client.ask("api.points.quote.get", &json!({ "bill": "12.50", "member_no": member })).await.expect("a quote");
    assert_eq!((&none["points"], &none["active"]), (&json!(0), &json!(0)));
    // 600 maintenance + 400 parts - 100 yuan: 540 and 360 -> 810 + 432.
    shop.bill(1, "R1", "repair", "9900.00").await;
    shop.shows(&member, [10_000, 0, 0]).await;
    let asked = json!({ "bill": "1000.00", "member_no": member, "offset": "100.99" });
    let quote = shop.client.ask("api.points.quote.get", &asked).await.expect("a quote");
    assert_eq!((&quote["points"], &quote["offset"]), (&json!(10_000), &json!("100.00")));
    let held = shop.hold("t-1", &member, 10_000).await.expect("held");
    let lines = json!([
        { "line": 1, "category": "maintenance", "payer": "customer", "amount": "600.00" },
        { "line": 2, "category": "parts", "payer": "customer", "amount": "400.00" },
    ]);
    let bill = json!({ "store": "SH01", "invoice_no": "R2", "issued_at": "2026-10-02T10:00:00+08:00", "customer": { "phone": phone(1) },
        "lines": lines, "reductions": [{ "kind": "points", "amount": "100.00" }] });
    shop.send("invoice", &bill).await;
    shop.of_hold("capture", "t-2", &held, json!({ "document": "R2", "store": "SH01" })).await.expect("spent");
    shop.shows(&member, [810 + 432, 0, 0]).await;

    // Staff: one alone, two together, a frozen account.
    let by = |staff: &'static str, role: &'static str| ["--staff", staff, "--role", role];
    let run = async |arguments: &[&str]| shop.system.run(arguments).await;
    let create = ["adjust", "create", &member, "-1001", "--store", "SH01", "--reason", "correction"];
    let waits = run(&[create.as_slice(), &by("A017", "store_manager")].concat()).await.ok();
    says(&waits, &["waiting", "-1001", "A017 (store_manager)"]);
    let id = waits.split_whitespace().find(|word| word.len() == 36).expect("a key").to_owned();
    let own = run(&[["adjust", "approve", &id].as_slice(), &by("A017", "group_manager")].concat()).await.refused();
    says(&own, &["adjustment.own"]);
    says(&run(&[["adjust", "approve", &id].as_slice(), &by("S001", "group_manager")].concat()).await.ok(), &["posted"]);
    shop.shows(&member, [241, 0, 0]).await;
    let freeze = ["freeze", &member, "--reason", "many bills in a day"];
    says(&run(&[freeze.as_slice(), &by("S001", "store_manager")].concat()).await.ok(), &["frozen"]);
    assert_eq!(shop.hold("t-3", &member, 100).await.expect_err("frozen")["code"], "points.frozen");
    let account = run(&["account", &member]).await.ok();
    says(&account, &["账户已冻结", "-1001", "=10000", "-10000", "人工扣减（correction）"]);
    shop.system.stop(Signal::SIGTERM).await;
}
