//! Publishes documents and waits for their receipts.
//!
//! Receipts are known by the SHA-256 of the bytes that were published. One subscription serves everybody who waits; it begins with
//! the first who does and ends when nobody has waited for a while, so that a system whose stores publish by themselves pays nothing
//! for it. A receipt that was missed (the connection broke) is had by publishing again: the same document twice is one document.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_nats::{Client, HeaderMap, jetstream};
use futures_util::StreamExt;
use jifen_contracts::{Envelope, receipt::Receipt};
use sha2::{Digest, Sha256};
use tokio::{sync::oneshot, time::Instant};

/// Every store's receipts.
const RECEIPTS: &str = "receipt.v1.*";
/// Nobody waited for so long: the subscription ends.
const IDLE: Duration = Duration::from_secs(30);
/// The broker's word on a document comes within this time, or it is published again.
const ACK_WAIT: Duration = Duration::from_secs(5);
/// The first pause before a document that was not taken is published again; it doubles up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);
/// A receipt comes within milliseconds. One that has not come after this time may have been missed: the document goes out again.
const RECEIPT_WAIT: Duration = Duration::from_secs(30);
/// Longer than the broker remembers what it has taken from the stream of documents.
const REPEAT_PAUSE: Duration = Duration::from_millis(150);

/// A document on its way.
#[derive(Debug, Clone)]
pub struct Parcel {
    /// Where it is published.
    pub subject: String,
    /// The document.
    pub bytes: Vec<u8>,
}

/// How far a document came within the time that it was given.
#[derive(Debug, Clone)]
pub enum Fate {
    /// Its receipt is here.
    Told(Box<Receipt>),
    /// It lies safe in the stream, and its receipt is yet to come.
    Taken,
    /// The broker did not take it: full, or away. Why, as it said last.
    NotTaken(String),
}

type Sha = [u8; 32];

/// Who waits for a receipt. Each place is given back when its ticket is dropped.
#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    by_sha: HashMap<Sha, Vec<(u64, oneshot::Sender<Receipt>)>>,
}

/// The courier. Clones share the subscription. Who calls it bounds how many documents are under way.
#[derive(Debug, Clone)]
pub struct Courier {
    client: Client,
    js: jetstream::Context,
    waiting: Arc<Mutex<Waiting>>,
    /// Whether the subscription is there. Held while it is made or ended.
    listening: Arc<tokio::sync::Mutex<bool>>,
}

/// The broker's word on a document.
enum Taken {
    New,
    Repeat,
}

/// A place among those who wait.
struct Ticket {
    sha: Sha,
    number: u64,
    receipt: oneshot::Receiver<Receipt>,
    waiting: Arc<Mutex<Waiting>>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut waiting = lock(&self.waiting);
        if let Some(places) = waiting.by_sha.get_mut(&self.sha) {
            places.retain(|(number, _)| *number != self.number);
            if places.is_empty() {
                waiting.by_sha.remove(&self.sha);
            }
        }
    }
}

/// What is behind the lock stays whole whoever panics: each change is one step.
fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Courier {
    /// On a connection that may publish documents and read every store's receipts.
    pub fn new(client: Client) -> Self {
        let mut js = jetstream::new(client.clone());
        js.set_timeout(ACK_WAIT);
        Self { client, js, waiting: Arc::default(), listening: Arc::default() }
    }

    /// The connection.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Publishes a document and waits for its receipt, both until `end`. `said` hears why it takes long.
    pub async fn deliver(&self, parcel: &Parcel, end: impl Future<Output = ()>, said: &(dyn Fn(&str) + Sync)) -> Fate {
        let mut ticket = self.ticket(Sha256::digest(&parcel.bytes).into());
        let mut taken = false;
        let mut why = String::from("the broker can't be reached");
        let work = async {
            let mut pause = FIRST_PAUSE;
            loop {
                match self.publish(parcel, &ticket.sha).await {
                    Ok(Taken::New) => taken = true,
                    // The same bytes a moment ago, and their receipt may be gone by already: there is one more for a repeat.
                    Ok(Taken::Repeat) => {
                        taken = true;
                        tokio::time::sleep(REPEAT_PAUSE).await;
                        continue;
                    }
                    Err(error) => {
                        why = error;
                        said(&why);
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(LAST_PAUSE);
                        continue;
                    }
                }
                match tokio::time::timeout(RECEIPT_WAIT, &mut ticket.receipt).await {
                    Ok(Ok(receipt)) => break receipt,
                    // The sender lives as long as the ticket.
                    Ok(Err(_)) => ticket = self.ticket(ticket.sha),
                    Err(_) => said("no receipt within 30 s; the document goes out again"),
                }
            }
        };
        tokio::select! {
            biased;
            receipt = work => return Fate::Told(Box::new(receipt)),
            () = end => {}
        }
        if taken { Fate::Taken } else { Fate::NotTaken(why) }
    }

    fn ticket(&self, sha: Sha) -> Ticket {
        let (sender, receipt) = oneshot::channel();
        let mut waiting = lock(&self.waiting);
        waiting.next += 1;
        let number = waiting.next;
        waiting.by_sha.entry(sha).or_default().push((number, sender));
        drop(waiting);
        Ticket { sha, number, receipt, waiting: self.waiting.clone() }
    }

    /// The id is the content's: what the broker takes for a repeat is one.
    async fn publish(&self, parcel: &Parcel, sha: &Sha) -> Result<Taken, String> {
        self.listen().await?;
        let mut headers = HeaderMap::new();
        headers.insert(async_nats::header::NATS_MESSAGE_ID, format!("{}/{}", parcel.subject, hex::encode(sha)).as_str());
        let sent = self.js.publish_with_headers(parcel.subject.clone(), headers, parcel.bytes.clone().into()).await;
        let ack = sent.map_err(|error| error.to_string())?;
        let ack = ack.await.map_err(|error| error.to_string())?;
        Ok(if ack.duplicate { Taken::Repeat } else { Taken::New })
    }

    /// Makes the subscription if there is none. On one connection it comes before whatever is published later.
    async fn listen(&self) -> Result<(), String> {
        let mut listening = self.listening.lock().await;
        if *listening {
            return Ok(());
        }
        let mut receipts = self.client.subscribe(RECEIPTS).await.map_err(|error| error.to_string())?;
        *listening = true;
        let (waiting, listening) = (self.waiting.clone(), self.listening.clone());
        tokio::spawn(async move {
            let mut idle_since = Instant::now();
            loop {
                match tokio::time::timeout(IDLE, receipts.next()).await {
                    Ok(Some(message)) => {
                        if lock(&waiting).by_sha.is_empty() {
                            if idle_since.elapsed() < IDLE {
                                continue;
                            }
                        } else {
                            idle_since = Instant::now();
                            tell(&waiting, &message.payload);
                            continue;
                        }
                    }
                    Ok(None) => {
                        *listening.lock().await = false;
                        return;
                    }
                    Err(_) => {}
                }
                // Whoever comes now waits for the lock, and then subscribes anew.
                let mut listening = listening.lock().await;
                if lock(&waiting).by_sha.is_empty() {
                    *listening = false;
                    return;
                }
                idle_since = Instant::now();
            }
        });
        Ok(())
    }
}

/// Hands a receipt to everybody who waits for it.
fn tell(waiting: &Mutex<Waiting>, payload: &[u8]) {
    let Ok(envelope) = serde_json::from_slice::<Envelope<Receipt>>(payload) else { return };
    let mut sha = Sha::default();
    if hex::decode_to_slice(&envelope.data.sha256, &mut sha).is_err() {
        return;
    }
    let places = lock(waiting).by_sha.remove(&sha).unwrap_or_default();
    for (_, sender) in places {
        // Who has left meanwhile needs none.
        let _ = sender.send(envelope.data.clone());
    }
}
