//! What is sent, and when its message comes out.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context, Result};
use async_nats::{Client, jetstream};
use futures_util::{StreamExt, TryStreamExt, stream};
use jifen_contracts::endpoint::{Endpoint, Register, RegisterReply, RegisterRequest};
use serde_json::{Value, json};
use tokio::time::Instant;

const STORES: [&str; 3] = ["SH01", "SH02", "SH03"];
const IN_FLIGHT: usize = 1_000;
/// No message for so long means that something is broken.
const PATIENCE: Duration = Duration::from_mins(1);

/// A client without credentials, as a POS on the same machine.
pub struct Load {
    nats: Client,
    js: jetstream::Context,
    day: String,
}

impl Load {
    /// Connects.
    pub async fn connect(url: &str) -> Result<Self> {
        let nats = async_nats::connect(url).await?;
        let clock = jifen_kernel::SystemClock;
        let day = (jifen_kernel::Clock::now(&clock) - chrono::Duration::days(1)).format("%Y-%m-%d").to_string();
        Ok(Self { js: jetstream::new(nats.clone()), nats, day })
    }

    /// Registers members; gives their phones.
    pub async fn register(&self, count: usize) -> Result<Vec<String>> {
        let phone = |number: usize| format!("138{number:08}");
        stream::iter(0..count)
            .map(|number| async move {
                let request = RegisterRequest {
                    operation_id: format!("bench-{number}"),
                    store: STORES[number % STORES.len()].to_owned(),
                    name: "王小明".to_owned(),
                    phone: phone(number),
                    birthday: None,
                    consents: None,
                    vehicles: Vec::new(),
                    store_confirmed: true,
                };
                let answer = self.nats.request(Register::SUBJECT, serde_json::to_vec(&request)?.into()).await?;
                let _: RegisterReply = serde_json::from_slice(&answer.payload).context("a registration was refused")?;
                anyhow::Ok(())
            })
            .buffered(64)
            .try_collect::<()>()
            .await?;
        Ok((0..count).map(phone).collect())
    }

    /// An invoice with two lines and a discount; its trace is `trace`.
    fn invoice(&self, run: &str, number: usize, phone: &str, trace: u128) -> (String, Vec<u8>) {
        let store = STORES[number % STORES.len()];
        let data = json!({
            "store": store, "invoice_no": format!("{run}{number:07}"), "issued_at": format!("{}T10:00:00+08:00", self.day),
            "customer": {"phone": phone}, "odometer_km": 30_000, "advisor": "A017", "currency": "CNY",
            "lines": [{"line": 1, "category": "maintenance", "payer": "customer", "amount": "80.00", "description": "保养工时"},
                      {"line": 2, "category": "parts", "payer": "customer", "amount": "20.50", "description": "机油滤清器"}],
            "reductions": [{"kind": "discount", "amount": "2.00"}],
        });
        let event = json!({"specversion": "1.0", "id": format!("{run}-{number}"), "type": "pos.invoice", "source": "/bench",
                           "traceparent": format!("00-{trace:032x}-00000000000000ff-00"), "data": data});
        (format!("pos.v1.{store}.invoice"), event.to_string().into_bytes())
    }

    async fn publish(&self, (subject, bytes): (String, Vec<u8>)) -> Result<()> {
        self.js.publish(subject, bytes.into()).await?.await?;
        Ok(())
    }

    /// Publishes `count` invoices and waits for as many messages; gives the time that publishing took.
    pub async fn run_to_the_end(&self, phones: &[String], run: &str, count: usize) -> Result<Duration> {
        let mut commands = self.nats.subscribe("notify.v1.sms.*").await?;
        self.nats.flush().await?;
        let started = Instant::now();
        let publishing = async {
            stream::iter(0..count)
                .map(|number| self.publish(self.invoice(run, number, &phones[number % phones.len()], number as u128 + 1)))
                .buffer_unordered(IN_FLIGHT)
                .try_collect::<()>()
                .await?;
            anyhow::Ok(started.elapsed())
        };
        let receiving = async {
            let mut seen = 0;
            while seen < count {
                let message = tokio::time::timeout(PATIENCE, commands.next())
                    .await
                    .with_context(|| format!("only {seen} of {count} messages came"))?;
                let message = message.context("the connection ended")?;
                let command: Value = serde_json::from_slice(&message.payload)?;
                seen += usize::from(command["data"]["kind"] == "points_earned");
            }
            anyhow::Ok(())
        };
        let (published, ()) = tokio::try_join!(publishing, receiving)?;
        Ok(published)
    }

    /// Publishes at a steady rate; gives the sorted times from publish to message.
    pub async fn latencies(&self, phones: &[String], rate: u32, seconds: u32) -> Result<Vec<Duration>> {
        let mut commands = self.nats.subscribe("notify.v1.sms.*").await?;
        self.nats.flush().await?;
        let count = (rate * seconds) as usize;
        let (sender, mut sent) = tokio::sync::mpsc::unbounded_channel();
        let publishing = async {
            let mut tick = tokio::time::interval(Duration::from_secs(1) / rate);
            for number in 0..count {
                tick.tick().await;
                let trace = 0x00be_0000_0000_u128 + number as u128;
                sender.send((trace, Instant::now()))?;
                self.publish(self.invoice("L", number, &phones[number % phones.len()], trace)).await?;
            }
            anyhow::Ok(())
        };
        let receiving = async {
            let (mut started, mut latencies) = (HashMap::new(), Vec::with_capacity(count));
            while latencies.len() < count {
                let message = tokio::time::timeout(PATIENCE, commands.next())
                    .await
                    .with_context(|| format!("only {} messages came", latencies.len()))?;
                let now = Instant::now();
                let command: Value = serde_json::from_slice(&message.context("the connection ended")?.payload)?;
                while let Ok((trace, at)) = sent.try_recv() {
                    started.insert(trace, at);
                }
                let trace = command["traceparent"].as_str().and_then(|text| u128::from_str_radix(text.get(3..35)?, 16).ok());
                if let Some(at) = trace.and_then(|trace| started.remove(&trace)) {
                    latencies.push(now - at);
                }
            }
            anyhow::Ok(latencies)
        };
        let ((), mut latencies) = tokio::try_join!(publishing, receiving)?;
        latencies.sort_unstable();
        Ok(latencies)
    }
}
