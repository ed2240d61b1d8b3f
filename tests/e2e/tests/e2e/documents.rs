//! Documents and people as stores write them.

use jifen_e2e::Client;
use serde_json::{Value, json};

/// The phone of customer number `number`, as a DMS writes it.
pub fn phone(number: usize) -> String {
    format!("138{:08}", 45_670_000 + number)
}

/// The customer's VIN.
pub fn vin(number: usize) -> String {
    format!("LSVAU2A37N2{:06}", 183_000 + number)
}

/// The customer's plate.
pub fn plate(number: usize) -> String {
    format!("沪A{:05}", 12_000 + number)
}

/// A request that registers a customer.
pub fn registration(number: usize, store: &str) -> Value {
    json!({
        "operation_id": format!("e2e-{number}"), "store": store, "name": "欧阳晓明", "phone": phone(number), "birthday": "1990-05-01",
        "consents": ["sms:service", "sms:promotion"], "store_confirmed": true,
        "vehicles": [{ "vin": vin(number), "plate": plate(number), "owned_since": "2020-01-01" }],
    })
}

/// Registers a customer; gives the number on the card.
pub async fn register(client: &Client, number: usize, store: &str) -> String {
    let reply = client.ask("api.member.member.register", &registration(number, store)).await.expect("registered");
    assert_eq!(reply["status"], "active", "{reply}");
    reply["member_no"].as_str().expect("a number").to_owned()
}

/// A bill with one customer-paid line.
pub fn invoice(store: &str, number: &str, issued_at: &str, customer: &Value, category: &str, amount: &str) -> Value {
    json!({
        "store": store, "invoice_no": number, "issued_at": issued_at, "customer": customer,
        "lines": [{ "line": 1, "category": category, "payer": "customer", "amount": amount }],
    })
}
