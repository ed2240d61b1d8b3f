//! Stores that publish far faster than anybody takes it. What the broker refuses, and what has no receipt, is kept and sent
//! again: that is all that a store must do.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use anyhow::{Result, bail};
use async_nats::jetstream::{self, context::PublishAckFuture};
use tokio::{sync::mpsc, task::JoinHandle, time::Instant};

use crate::{
    follow::Follower,
    plan::Sending,
    stores::{Progress, Sent, sha256},
};

/// So many acknowledgements are waited for at a time: a broker that hangs is not buried.
const UNDER_WAY: usize = 4_000;
/// Its stores publish in spurts of this length.
const SPURT: Duration = Duration::from_millis(10);
/// Behind the flood they are in no hurry: so many a second.
const AFTERWARDS_A_SECOND: usize = 500;
/// Behind the flood a store waits so long for a receipt before it sends again what the broker has taken.
const RECEIPT_WAIT: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// No receipt for so long is a stillstand.
const PATIENCE: Duration = Duration::from_mins(3);

/// What became of a flood.
#[derive(Debug, Default)]
pub struct Flooded {
    /// What the stores sent.
    pub sent: Sent,
    /// Messages offered within the time of the flood.
    pub offered: usize,
    /// Of all: taken by the broker.
    pub taken: usize,
    /// Of all: refused or not answered by it.
    pub refused: usize,
    /// How the first of these was refused.
    pub why: Option<String>,
}

/// The stores.
pub struct Stores {
    nats: async_nats::Client,
    receipts: Arc<Follower>,
    sendings: Vec<(Sending, String)>,
}

/// Answers of the broker, taken beside the publishing.
struct Answers {
    into: mpsc::Sender<(usize, PublishAckFuture)>,
    from: mpsc::UnboundedReceiver<(usize, Result<(), String>)>,
    task: JoinHandle<()>,
}

impl Answers {
    fn new() -> Self {
        let (into, mut waiting) = mpsc::channel::<(usize, PublishAckFuture)>(UNDER_WAY);
        let (said, from) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            while let Some((place, ack)) = waiting.recv().await {
                let answer = ack.await.map(|_| ()).map_err(|error| error.to_string());
                if said.send((place, answer)).is_err() {
                    break;
                }
            }
        });
        Self { into, from, task }
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stores {
    /// Stores with these documents.
    pub fn new(nats: async_nats::Client, receipts: Arc<Follower>, sendings: &[Sending]) -> Self {
        let sendings = sendings.iter().map(|sending| (sending.clone(), sha256(&sending.bytes))).collect();
        Self { nats, receipts, sendings }
    }

    fn context(&self) -> jetstream::Context {
        jetstream::context::ContextBuilder::new().max_ack_inflight(2 * UNDER_WAY).build(self.nats.clone())
    }

    /// Sends the first so many, once.
    pub async fn first(&self, count: usize) -> Result<()> {
        for (sending, _) in &self.sendings[..count] {
            self.nats.publish(sending.subject.clone(), sending.bytes.clone().into()).await?;
        }
        Ok(self.nats.flush().await?)
    }

    /// Sends those from `first` on at a pace for a time, over and over, and then what has no receipt until all have one.
    pub async fn flood(&self, first: usize, a_second: usize, time: Duration, progress: &Progress) -> Result<Flooded> {
        let (js, mut answers) = (self.context(), Answers::new());
        let mut flooded = Flooded::default();
        for (_, hash) in &self.sendings[..first] {
            flooded.sent.times.insert(hash.clone(), 1);
        }
        let mut queue: VecDeque<usize> = (first..self.sendings.len()).collect();
        let (began, heard_from) = (Instant::now(), self.receipts.count());
        let mut ever_sent = 0;
        while began.elapsed() < time {
            let due = usize::try_from(began.elapsed().as_millis())? * a_second / 1_000;
            while flooded.offered < due && began.elapsed() < time {
                let Some(place) = queue.pop_front() else {
                    // All of it is out: the whole day again.
                    queue.extend(first..self.sendings.len());
                    continue;
                };
                self.publish(&js, place, &answers, &mut flooded.sent.times).await?;
                flooded.offered += 1;
                ever_sent += 1;
            }
            while let Ok((place, answer)) = answers.from.try_recv() {
                flooded.count(&answer);
                if answer.is_err() {
                    queue.push_back(place);
                }
            }
            let permille = ever_sent.min(self.sendings.len() - first) * 1_000 / (self.sendings.len() - first).max(1);
            progress.set(u32::try_from(permille)?);
            tokio::time::sleep(SPURT).await;
        }
        progress.set(1_000);
        self.until_all_have_receipts(first, heard_from, &js, &mut answers, &mut flooded).await?;
        Ok(flooded)
    }

    async fn publish(&self, js: &jetstream::Context, place: usize, answers: &Answers, times: &mut BTreeMap<String, u32>) -> Result<()> {
        let (sending, hash) = &self.sendings[place];
        *times.entry(hash.clone()).or_default() += 1;
        let ack = js.publish(sending.subject.clone(), sending.bytes.clone().into()).await?;
        answers.into.send((place, ack)).await?;
        Ok(())
    }

    async fn until_all_have_receipts(
        &self,
        first: usize,
        heard_from: usize,
        js: &jetstream::Context,
        answers: &mut Answers,
        flooded: &mut Flooded,
    ) -> Result<()> {
        // By content: when it is to be sent again.
        let now = Instant::now();
        let mut open: HashMap<&str, (usize, Instant)> =
            (first..self.sendings.len()).map(|place| (self.sendings[place].1.as_str(), (place, now + RECEIPT_WAIT))).collect();
        let (mut seen, mut moved) = (heard_from, Instant::now());
        loop {
            let heard = self.receipts.since(seen);
            seen += heard.len();
            let before = open.len();
            for receipt in &heard {
                open.remove(receipt.text("sha256"));
            }
            if open.len() < before {
                moved = Instant::now();
            }
            if open.is_empty() {
                return Ok(());
            }
            if moved.elapsed() > PATIENCE {
                bail!("{} documents have no receipt, and none has come for {PATIENCE:?}", open.len());
            }
            while let Ok((place, answer)) = answers.from.try_recv() {
                flooded.count(&answer);
                // What it has not got it will not answer: soon again.
                if answer.is_err()
                    && let Some((_, at)) = open.get_mut(self.sendings[place].1.as_str())
                {
                    *at = Instant::now();
                }
            }
            let now = Instant::now();
            let due: Vec<usize> = open.values().filter(|(_, at)| *at <= now).map(|(place, _)| *place).collect();
            for place in due.into_iter().take(AFTERWARDS_A_SECOND / 5) {
                self.publish(js, place, answers, &mut flooded.sent.times).await?;
                flooded.sent.resent += 1;
                if let Some((_, at)) = open.get_mut(self.sendings[place].1.as_str()) {
                    *at = now + RECEIPT_WAIT;
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

impl Flooded {
    fn count(&mut self, answer: &Result<(), String>) {
        match answer {
            Ok(()) => self.taken += 1,
            Err(why) => {
                self.refused += 1;
                self.why.get_or_insert_with(|| why.clone());
            }
        }
    }
}
