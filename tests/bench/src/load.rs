//! A POS without credentials on the same machine: what it sends and asks, and when its message comes out.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context, Result};
use async_nats::{Client, jetstream};
use futures_util::{StreamExt, TryStreamExt, stream};
use jifen_contracts::endpoint::{AccountGet, Endpoint, MemberRequest, Register, RegisterReply, RegisterRequest};
use serde::Deserialize;
use tokio::{sync::mpsc, time::Instant};

use crate::{invoices::Invoices, servers::STORES};

/// No message for so long means that something is broken.
const PATIENCE: Duration = Duration::from_mins(1);
/// Members that register at a time.
const REGISTERING: usize = 64;

/// A client.
pub struct Load {
    nats: Client,
    /// The same, for publishing.
    pub js: jetstream::Context,
}

/// A registered member.
pub struct Member {
    /// What the invoices name.
    pub phone: String,
    /// The number on the card.
    pub number: String,
}

/// How documents come: so many a second, for so long.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// A second.
    pub rate: u32,
    /// Seconds.
    pub seconds: u32,
}

impl Pace {
    /// All in all.
    pub fn count(self) -> usize {
        (self.rate * self.seconds) as usize
    }

    fn ticks(self) -> tokio::time::Interval {
        tokio::time::interval(Duration::from_secs(1) / self.rate)
    }
}

/// What is read of a notification command.
#[derive(Deserialize)]
struct Command<'a> {
    traceparent: Option<&'a str>,
}

impl Load {
    /// Connects.
    pub async fn connect(url: &str) -> Result<Self> {
        let nats = async_nats::connect(url).await?;
        Ok(Self { js: jetstream::new(nats.clone()), nats })
    }

    /// Registers members.
    pub async fn register(&self, count: usize) -> Result<Vec<Member>> {
        stream::iter(0..count)
            .map(|number| async move {
                let phone = format!("138{number:08}");
                let request = RegisterRequest {
                    operation_id: format!("bench-{number}"),
                    store: STORES[number % STORES.len()].to_owned(),
                    name: "王小明".to_owned(),
                    phone: phone.clone(),
                    birthday: None,
                    consents: None,
                    vehicles: Vec::new(),
                    store_confirmed: true,
                    wechat_openid: None,
                    language: None,
                };
                let answer = self.nats.request(Register::SUBJECT, serde_json::to_vec(&request)?.into()).await?;
                let reply: RegisterReply = serde_json::from_slice(&answer.payload).context("a registration was refused")?;
                anyhow::Ok(Member { phone, number: reply.member_no })
            })
            .buffered(REGISTERING)
            .try_collect()
            .await
    }

    /// Publishes at a steady pace; gives the sorted times from publish to notification command.
    pub async fn notified_after(&self, input: &Invoices, members: &[Member], run: &str, pace: Pace) -> Result<Vec<Duration>> {
        let mut commands = self.nats.subscribe("notify.v1.sms.*").await?;
        self.nats.flush().await?;
        let count = pace.count();
        let (sender, mut sent) = mpsc::unbounded_channel();
        let (under_way, mut acks) = mpsc::unbounded_channel();
        let publishing = async move {
            let mut ticks = pace.ticks();
            for number in 0..count {
                ticks.tick().await;
                let trace = 0x00be_0000_0000_u128 + number as u128;
                let message = input.document(run, number, &members[input.member_of(number)].phone, trace);
                sender.send((trace, Instant::now()))?;
                under_way.send(self.js.publish(message.subject, message.payload.into()).await?)?;
            }
            anyhow::Ok(())
        };
        // Beside the publishing: a late acknowledgement must not hold the next one up, nor one that nobody takes.
        let acknowledging = async move {
            while let Some(ack) = acks.recv().await {
                ack.await?;
            }
            anyhow::Ok(())
        };
        let receiving = async {
            let (mut started, mut times) = (HashMap::new(), Vec::with_capacity(count));
            while times.len() < count {
                let message = tokio::time::timeout(PATIENCE, commands.next()).await;
                let message = message.with_context(|| format!("only {} of {count} messages came", times.len()))?;
                let now = Instant::now();
                let message = message.context("the connection ended")?;
                let command: Command<'_> = serde_json::from_slice(&message.payload)?;
                while let Ok((trace, at)) = sent.try_recv() {
                    started.insert(trace, at);
                }
                let trace = command.traceparent.and_then(|text| u128::from_str_radix(text.get(3..35)?, 16).ok());
                if let Some(at) = trace.and_then(|trace| started.remove(&trace)) {
                    times.push(now - at);
                }
            }
            anyhow::Ok(times)
        };
        let ((), (), mut times) = tokio::try_join!(publishing, acknowledging, receiving)?;
        times.sort_unstable();
        Ok(times)
    }

    /// Asks for accounts at a steady pace; gives the sorted times to the answer.
    pub async fn answered_after(&self, members: &[Member], pace: Pace) -> Result<Vec<Duration>> {
        let mut ticks = pace.ticks();
        let mut times = Vec::with_capacity(pace.count());
        for number in 0..pace.count() {
            ticks.tick().await;
            let request = MemberRequest { member_no: members[number % members.len()].number.clone() };
            let asked = Instant::now();
            let answer = self.nats.request(AccountGet::SUBJECT, serde_json::to_vec(&request)?.into()).await?;
            times.push(asked.elapsed());
            let _: <AccountGet as Endpoint>::Reply = serde_json::from_slice(&answer.payload).context("an account was refused")?;
        }
        times.sort_unstable();
        Ok(times)
    }
}
