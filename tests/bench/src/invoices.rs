//! The invoices that every stage works on: two lines, a discount, 98.50 yuan.

use anyhow::Result;
use async_nats::{
    HeaderMap,
    jetstream::{self, message::PublishMessage},
};
use chrono::{DateTime, Duration, SecondsFormat, Utc};
use futures_util::{StreamExt, TryStreamExt, stream};
use jifen_kernel::{Clock, Ids, SystemClock};
use serde_json::json;
use uuid::Uuid;

use crate::servers::STORES;

const IN_FLIGHT: usize = 1_000;
/// Coprime to the counts of members in use, so that neighbours in time are none in any index.
pub const STRIDE: usize = 611_953;
/// The instant in the first seeded member's id; each other is a second younger.
const FIRST_MEMBER_MS: u64 = 1_767_225_600_000;

/// A message on its way.
pub struct Message {
    /// Where to.
    pub subject: String,
    /// `Nats-Msg-Id`.
    pub id: String,
    /// Its bytes.
    pub payload: Vec<u8>,
}

/// Makes invoices, always of yesterday.
pub struct Invoices {
    now: DateTime<Utc>,
    members: usize,
    ids: Ids,
}

impl Invoices {
    /// Invoices of so many members.
    pub fn new(members: usize) -> Self {
        Self { now: SystemClock.now(), members, ids: Ids::system() }
    }

    /// Whose invoice it is.
    pub fn member_of(&self, number: usize) -> usize {
        number * STRIDE % self.members
    }

    /// As ingest announces it.
    pub fn event(&self, run: &str, number: usize) -> Message {
        let store = STORES[number % STORES.len()];
        let member = self.member_of(number);
        let id = self.ids.next(self.now);
        let (time, day) = (self.now.to_rfc3339_opts(SecondsFormat::Micros, true), self.day());
        let event = json!({
            "specversion": "1.0", "id": id, "source": "/jifen/ingest", "type": "jifen.ingest.invoice_accepted.v1", "time": time,
            "datacontenttype": "application/json", "causationid": format!("{run}-{number}"), "correlationid": format!("{run}-{number}"),
            "storeid": store, "traceparent": format!("00-{:032x}-00000000000000ff-00", number + 1),
            "data": {
                "store": store, "invoice_no": format!("{run}{number:07}"), "member_id": member_id(member), "member_no": member_no(member),
                "issued_at": format!("{day}T02:00:00Z"), "business_date": day, "received_at": time, "program_version": 1, "advisor": "A017",
                "lines": [{"line": 1, "category": "maintenance", "payer": "customer", "amount": "80.00"},
                          {"line": 2, "category": "parts", "payer": "customer", "amount": "20.50"}],
                "reductions": [{"kind": "discount", "amount": "2.00"}],
            },
        });
        Message { subject: format!("evt.ingest.invoice_accepted.v1.{store}"), id: id.to_string(), payload: event.to_string().into_bytes() }
    }

    /// As a POS sends it. Its trace is `trace`.
    pub fn document(&self, run: &str, number: usize, phone: &str, trace: u128) -> Message {
        let store = STORES[number % STORES.len()];
        let data = json!({
            "store": store, "invoice_no": format!("{run}{number:07}"), "issued_at": format!("{}T10:00:00+08:00", self.day()),
            "customer": {"phone": phone}, "odometer_km": 30_000, "advisor": "A017", "currency": "CNY",
            "lines": [{"line": 1, "category": "maintenance", "payer": "customer", "amount": "80.00", "description": "保养工时"},
                      {"line": 2, "category": "parts", "payer": "customer", "amount": "20.50", "description": "机油滤清器"}],
            "reductions": [{"kind": "discount", "amount": "2.00"}],
        });
        let id = format!("{run}-{number}");
        let event = json!({"specversion": "1.0", "id": id, "type": "pos.invoice", "source": "/bench",
                           "traceparent": format!("00-{trace:032x}-00000000000000ff-00"), "data": data});
        Message { subject: format!("pos.v1.{store}.invoice"), id, payload: event.to_string().into_bytes() }
    }

    fn day(&self) -> String {
        (self.now - Duration::days(1)).format("%Y-%m-%d").to_string()
    }
}

/// A seeded member's id: a UUIDv7, the same for the same number.
pub fn member_id(number: usize) -> Uuid {
    let random = (number as u128).to_be_bytes();
    uuid::Builder::from_unix_timestamp_millis(FIRST_MEMBER_MS + number as u64 * 1_000, random.last_chunk().unwrap_or(&[0; 10])).into_uuid()
}

/// The same, in SQL, of the number `n`.
pub fn id_sql(n: &str) -> String {
    format!("(lpad(to_hex({FIRST_MEMBER_MS} + {n}::bigint * 1000), 12, '0') || '70008000' || lpad(to_hex({n}), 12, '0'))::uuid")
}

/// The number on a seeded member's card.
pub fn member_no(number: usize) -> String {
    format!("M{number:09}")
}

/// Publishes what `make` gives for each number, many in flight.
pub async fn publish(js: &jetstream::Context, numbers: std::ops::Range<usize>, make: impl Fn(usize) -> Message) -> Result<()> {
    stream::iter(numbers)
        .map(|number| {
            let message = make(number);
            async move {
                let mut headers = HeaderMap::new();
                headers.insert("Nats-Msg-Id", message.id);
                js.send_publish(message.subject, PublishMessage::build().headers(headers).payload(message.payload.into())).await?.await?;
                anyhow::Ok(())
            }
        })
        .buffer_unordered(IN_FLIGHT)
        .try_collect()
        .await
}

#[cfg(test)]
mod tests {
    use jifen_contracts::{Envelope, event::InvoiceAccepted};

    use super::*;

    #[test]
    fn events_are_those_of_the_contract() {
        let message = Invoices::new(10).event("A", 7);
        let event: Envelope<InvoiceAccepted> = serde_json::from_slice(&message.payload).expect("decodes");
        assert_eq!(event.data.member_id.0, member_id(611_953 * 7 % 10));
        assert_eq!(event.id.to_string(), message.id);
    }
}
