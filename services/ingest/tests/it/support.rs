//! A running ingest, what others would publish to it, and what it publishes.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, NaiveDate, Utc};
use jifen_contracts::{
    Envelope, EventType,
    envelope::sequence_text,
    event::{InvoiceAccepted, MemberRegistered, VehicleKeys},
    program::AppliedProgram,
    receipt::Receipt,
    subject::{STREAM_EVENTS, STREAM_POS, STREAM_RECEIPTS},
};
use jifen_kernel::{Ids, MemberId, StoreCode};
use jifen_runtime::{
    BatchHandler, Ctx, Decode, Failure, Incoming, Job, Outbox, Running, Service, ServiceConfig,
    crypto::{LookupKey, LookupKind},
    job::run_once,
    message::RawMessage,
};
use jifen_testkit::{Schema, TestEnv, bus, publish_pos, samples, service_config};
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

pub const VIN: &str = "LSVAU2A37N2183294";

pub fn day(text: &str) -> NaiveDate {
    text.parse().expect("date")
}

pub fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("instant")
}

/// Rules with these stores and categories.
pub fn program(version: u32, stores: &[&str], categories: &[&str]) -> AppliedProgram {
    let stores: Vec<Value> = stores.iter().map(|code| samples::store(code)).collect();
    let rates: BTreeMap<&str, &str> = categories.iter().map(|category| (*category, "1.5")).collect();
    let name = json!({ "zh": "互动", "en": "interaction" });
    let rule = |kind: &str, per: &str| json!({ "kind": kind, "name": name, "points": 50, "limit": { "count": 1, "per": per } });
    let interactions = [rule("review", "about"), rule("check_in", "day")];
    let partners = [json!({ "code": "fuel-1", "name": name, "rate": "0.5" })];
    let earn = json!({ "rates": rates, "first_spending": 100, "interactions": interactions, "partners": partners });
    samples::program(version, json!({ "stores": stores, "earn": earn }))
}

/// A bill of 1 October 2026.
pub fn invoice(number: &str, customer: Value) -> Value {
    json!({
        "store": "SH01", "invoice_no": number, "issued_at": "2026-10-01T10:21:33+08:00", "customer": customer, "advisor": "A017",
        "lines": [{"line": 1, "category": "maintenance", "payer": "customer", "amount": "800.00", "description": "王小明 13800138000"}],
        "reductions": [{"kind": "discount", "amount": "20.00"}],
    })
}

/// The kinds beside the invoice.
pub const KINDS: [&str; 3] = ["interaction", "vehicle_sale", "partner_purchase"];

/// A document of that day of any of these kinds.
pub fn document(kind: &str, number: &str, customer: &Value) -> Value {
    match kind {
        "interaction" => json!({
            "store": "SH01", "interaction_no": number, "kind": "review", "occurred_at": "2026-10-01T10:21:33+08:00",
            "customer": customer, "about": "R1",
        }),
        "vehicle_sale" => json!({
            "store": "SH01", "sale_no": number, "delivered_at": "2026-10-01T10:21:33+08:00", "customer": customer,
            "vin": VIN, "series": "X5", "price": "186000.00",
        }),
        "partner_purchase" => json!({
            "store": "SH01", "purchase_no": number, "partner": "fuel-1", "occurred_at": "2026-10-01T10:21:33+08:00",
            "customer": customer, "amount": "300.00",
        }),
        _ => invoice(number, customer.clone()),
    }
}

pub fn phone(number: u64) -> String {
    format!("138{number:08}")
}

/// One of many bills: number `R00007` of the customer with that phone.
pub fn bill(number: u64) -> Value {
    invoice(&format!("R{number:05}"), json!({ "phone": phone(number) }))
}

pub fn member(number: u64) -> MemberId {
    MemberId(Uuid::from_u128(u128::from(number)))
}

pub struct Bench {
    pub env: TestEnv,
    pub ids: Ids,
    lookup: LookupKey,
}

impl Bench {
    pub async fn start() -> Self {
        let env = TestEnv::start(&[Schema { service: "ingest", migrator: &jifen_ingest::MIGRATIONS }]).await;
        let lookup = service_config(&env, "ingest").lookup;
        Self { env, ids: Ids::system(), lookup }
    }

    pub fn config(&self) -> ServiceConfig {
        service_config(&self.env, "ingest")
    }

    pub async fn copy(&self) -> Running {
        self.copy_of(jifen_ingest::service()).await
    }

    pub async fn copy_of(&self, service: Service) -> Running {
        let running = service.start(self.config()).await.expect("ingest starts");
        running.cx().programs.learn([program(1, &["SH01", "SH02"], &["maintenance", "repair"])]);
        running
    }

    pub fn hash(&self, kind: LookupKind, value: &str) -> jifen_contracts::KeyedHash {
        self.lookup.hash(kind, value)
    }

    /// A member who registered on 1 September 2026, without a vehicle.
    pub fn registration(&self, number: u64) -> MemberRegistered {
        MemberRegistered {
            status: jifen_contracts::endpoint::MemberStatus::Active,
            member_id: member(number),
            member_no: format!("M{number}"),
            store: StoreCode::try_new("SH01").expect("store"),
            registered_at: at("2026-09-01T00:00:00Z"),
            phone: self.hash(LookupKind::Phone, &phone(number)),
            vehicles: Vec::new(),
            birthday: None,
        }
    }

    pub fn with_vin(&self, mut registration: MemberRegistered, vin: &str, owned_since: &str) -> MemberRegistered {
        let vin = Some(self.hash(LookupKind::Vin, vin));
        registration.vehicles.push(VehicleKeys { vin, plate: None, owned_since: day(owned_since), series: None, new_on: None });
        registration
    }

    /// The event that makes `registration` a member.
    pub fn event_of(&self, registration: &MemberRegistered) -> Vec<u8> {
        self.news_of(1, registration)
    }

    /// An event about a member.
    pub fn news_of<T: EventType>(&self, sequence: i64, event: &T) -> Vec<u8> {
        let time = at("2026-10-01T00:00:00Z");
        let mut envelope = bus::envelope(self.ids.next(time), time, event);
        envelope.sequence = Some(sequence_text(sequence));
        serde_json::to_vec(&envelope).expect("json")
    }

    /// Publishes an event about a member.
    pub async fn tell<T: EventType>(&self, sequence: i64, event: &T) {
        bus::publish_raw(&self.env, "member", [(event.subject(), self.news_of(sequence, event))]).await;
    }

    pub async fn register(&self, registrations: &[MemberRegistered]) {
        let events = registrations.iter().map(|registration| (registration.subject(), self.event_of(registration)));
        bus::publish_raw(&self.env, "member", events).await;
    }

    /// Publishes documents on these subjects, in order.
    pub async fn publish_on(&self, documents: &[(&str, Vec<u8>)]) {
        let js = self.env.js("local").await;
        for (subject, bytes) in documents {
            publish_pos(&js, subject, bytes.clone()).await.expect("published");
        }
    }

    /// Publishes invoices of SH01, in order.
    pub async fn publish(&self, invoices: &[Value]) {
        self.publish_as("invoice", invoices).await;
    }

    /// Publishes documents of SH01, in order.
    pub async fn publish_as(&self, kind: &str, documents: &[Value]) {
        let subject = format!("pos.v1.SH01.{kind}");
        let documents: Vec<_> = documents.iter().map(|document| (subject.as_str(), document.to_string().into_bytes())).collect();
        self.publish_on(&documents).await;
    }

    /// The first `count` events of a kind.
    pub async fn events<T: EventType>(&self, count: usize) -> Vec<Envelope<T>> {
        bus::published(&self.env, count).await
    }

    pub async fn accepted(&self, count: usize) -> BTreeMap<String, InvoiceAccepted> {
        self.events::<InvoiceAccepted>(count).await.into_iter().map(|event| (event.data.invoice_no.clone(), event.data)).collect()
    }

    /// The first `count` receipts with the store in their subject.
    pub async fn receipts(&self, count: usize) -> Vec<(String, Receipt)> {
        let read = bus::read(&self.env, STREAM_RECEIPTS, "receipt.v1.>", count).await;
        read.into_iter().map(|(subject, receipt)| (subject.trim_start_matches("receipt.v1.").to_owned(), receipt.data)).collect()
    }

    /// `<number> <status> <code>` of the `count` receipts that follow the first `skip`, sorted: transactions that are published at
    /// the same time have no order.
    pub async fn told(&self, skip: usize, count: usize) -> Vec<String> {
        let word = |(_, receipt): (String, Receipt)| {
            let code = receipt.code.unwrap_or_default();
            format!("{} {} {code}", receipt.document.unwrap_or_default(), receipt.status.as_str()).trim().to_owned()
        };
        let mut told: Vec<String> = self.receipts(skip + count).await.into_iter().skip(skip).map(word).collect();
        told.sort();
        told
    }

    /// Waits until nothing is left to do in the streams for the service's consumers.
    pub async fn settled(&self) {
        self.settled_for(&["ingest_documents"]).await;
    }

    pub async fn settled_for(&self, of_documents: &[&str]) {
        let of_events = ["registered", "updated", "activated", "lapsed"].map(|name| format!("ingest_member_{name}"));
        let of_events = of_events.iter().map(|durable| (STREAM_EVENTS, durable.as_str()));
        let consumers: Vec<_> = of_documents.iter().map(|durable| (STREAM_POS, *durable)).chain(of_events).collect();
        bus::idle(&self.env, &consumers).await;
    }

    pub async fn number(&self, sql: &str) -> i64 {
        let sql = sqlx::AssertSqlSafe(sql.replace("FROM ", "from ingest."));
        sqlx::query_scalar(sql).fetch_one(self.env.admin_pool()).await.expect("number")
    }

    /// How many documents have which status.
    pub async fn documents(&self, status: &str) -> i64 {
        self.number(&format!("select count(*) FROM document where status = '{status}'")).await
    }

    /// What must hold whatever happened.
    pub async fn assert_sound(&self) {
        assert_eq!(self.number("select count(*) FROM dead_letter").await, 0, "no document is ever a dead letter");
        let events = "select count(*) FROM outbox where subject like 'evt.ingest.%' and subject not like '%.document_rejected.%'
                      and subject not like '%.invoice_voided.%'";
        let accepted = self.number("select count(*) FROM document where status = 'accepted' and kind <> 'void'").await;
        assert_eq!(self.number(events).await, accepted, "one event for each accepted document");
        let events = "select count(*) FROM outbox where subject like 'evt.ingest.invoice_voided.%'";
        let voided = self.number("select count(*) FROM document where voided_by is not null").await;
        assert_eq!(self.number(events).await, voided, "one event for each invoice that counts no longer");
        let waiting = "select count(distinct (store, kind, number)) FROM waiting_correction where kind <> 'invoice'";
        let parked = "select count(*) FROM document where code = 'document.awaits_invoice'";
        assert_eq!(self.number(waiting).await, self.number(parked).await, "what waits for an invoice is found by it");
        let deadlocks = "select deadlocks from pg_stat_database where datname = current_database()";
        assert_eq!(self.number(deadlocks).await, 0, "locks are taken in one order");
        let waiting = "select count(distinct (store, kind, number)) FROM parked_key";
        let parked = "select count(*) FROM document where code = 'document.parked'";
        assert_eq!(self.number(waiting).await, self.number(parked).await, "what waits, and nothing else, is found by its keys");
    }
}

/// A batch handed to a handler as the runner does, without the stream: for what a stream can't be told to do.
pub struct Batch<H>(pub H, pub Vec<RawMessage>);

impl<H: BatchHandler> Job for Batch<H> {
    const NAME: &'static str = "batch";
    const EVERY: Duration = Duration::MAX;

    async fn run(&self, cx: &Ctx, tx: &mut PgConnection, out: &mut Outbox) -> Result<(), Failure> {
        let decode = |raw: &RawMessage| {
            let (item, cause) = H::Item::decode(raw).expect("decoded");
            Incoming { item, cause, raw: raw.clone() }
        };
        let items: Vec<Incoming<H::Item>> = self.1.iter().map(decode).collect();
        let prepared = self.0.prepare(cx, &items).await?;
        let fates = self.0.handle(cx, tx, &items, &prepared, out).await?;
        assert!(fates.retry.is_empty() && fates.poison.is_empty());
        Ok(())
    }
}

/// A message of a stream that doesn't exist.
pub fn message(subject: &str, sequence: u64, payload: Vec<u8>) -> RawMessage {
    RawMessage {
        subject: subject.to_owned(),
        payload: payload.into(),
        stream_sequence: sequence,
        stored_at: at("2026-10-01T03:00:00.123456789Z"),
        deliveries: 1,
    }
}

pub fn document_message(sequence: u64, invoice: &Value) -> RawMessage {
    message("pos.v1.SH01.invoice", sequence, invoice.to_string().into_bytes())
}

pub async fn handle<H: BatchHandler>(running: &Running, handler: H, messages: Vec<RawMessage>) {
    run_once(running.cx(), &Batch(handler, messages)).await.expect("handled");
}
