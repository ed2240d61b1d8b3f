//! The stores of a round: they send documents, and send again what has no receipt; they register customers, and ask again
//! until they are answered.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, bail};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::{task::JoinSet, time::Instant};

use crate::{
    follow::{Follower, Heard},
    plan::{Plan, Sending, What},
};

/// A document without a receipt is sent again after this time, and then after twice as long each time.
const RESEND_AFTER: Duration = Duration::from_secs(4);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A question without an answer is asked again after this time.
const ASK_AGAIN: Duration = Duration::from_millis(300);
/// Nobody goes on for longer.
pub(crate) const PATIENCE: Duration = Duration::from_mins(4);

/// How much of the load is out, in permille.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<AtomicU32>);

impl Progress {
    /// So much is out.
    pub fn set(&self, permille: u32) {
        self.0.store(permille, Ordering::Relaxed);
    }

    /// Waits until so much is out, or it has not moved for long: what stands still may be what a fault waits for.
    pub async fn reached(&self, permille: u32) {
        let (mut seen, mut since) = (0, Instant::now());
        loop {
            let now = self.0.load(Ordering::Relaxed);
            if now != seen {
                (seen, since) = (now, Instant::now());
            }
            if now >= permille || since.elapsed() > Duration::from_secs(5) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// SHA-256 of a document's bytes, hex: what its receipts know it by.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// What the stores did.
#[derive(Debug, Default)]
pub struct Sent {
    /// How often each content was sent, by its hash.
    pub times: BTreeMap<String, u32>,
    /// Of these: sent again because no receipt came.
    pub resent: u32,
}

/// Sends all documents of a plan, and again what has no receipt, until each has one.
pub async fn send(nats: async_nats::Client, plan: Arc<Plan>, receipts: Arc<Follower>, from: usize, progress: Progress) -> Result<Sent> {
    let mut rng = StdRng::seed_from_u64(plan.seed ^ 0x0050_4f53);
    let mut sent = Sent::default();
    let mut open: HashMap<String, (Sending, Instant, Duration)> = HashMap::new();
    // Some rounds come in a rush, some trickle.
    let pause_ms = rng.random_range(0..20);
    for (place, sending) in plan.sendings.iter().enumerate() {
        nats.publish(sending.subject.clone(), sending.bytes.clone().into()).await?;
        let hash = sha256(&sending.bytes);
        *sent.times.entry(hash.clone()).or_default() += 1;
        open.insert(hash, (sending.clone(), Instant::now(), RESEND_AFTER));
        let permille = (place + 1) * 1_000 / plan.sendings.len();
        progress.set(u32::try_from(permille)?);
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..=pause_ms))).await;
    }
    let (since, mut seen) = (Instant::now(), from);
    while !open.is_empty() {
        let heard = receipts.since(seen);
        seen += heard.len();
        for receipt in &heard {
            open.remove(receipt.text("sha256"));
        }
        if since.elapsed() > PATIENCE {
            let subjects: Vec<&str> = open.values().take(5).map(|(sending, ..)| sending.subject.as_str()).collect();
            bail!("{} documents have no receipt, as of {subjects:?}", open.len());
        }
        for (hash, (sending, at, wait)) in open.iter_mut().filter(|(_, (_, at, wait))| at.elapsed() > *wait) {
            nats.publish(sending.subject.clone(), sending.bytes.clone().into()).await?;
            (*at, *wait) = (Instant::now(), *wait * 2);
            *sent.times.entry(hash.clone()).or_default() += 1;
            sent.resent += 1;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(sent)
}

/// The bill of a sending, and which of its contents.
pub fn bill_of(what: What) -> Option<(usize, bool)> {
    match what {
        What::Bill(bill, further) => Some((bill, further)),
        What::Stray(_) | What::Other(_) | What::Correction(_) => None,
    }
}

/// Who was registered, by place in the plan: member number and id.
pub type Registered = BTreeMap<usize, (String, String)>;

/// What the counters learned.
#[derive(Debug, Default)]
pub struct Desk {
    /// Everybody.
    pub registered: Registered,
    /// Answers that should not have been.
    pub wrong: Vec<String>,
    /// Questions that were asked again.
    pub repeated: u32,
}

/// Registers everybody of a plan, and gives what the counters learned.
pub async fn register_all(nats: async_nats::Client, plan: Arc<Plan>, progress: Progress) -> Result<Desk> {
    let desk = Arc::new(Mutex::new(Desk::default()));
    register(nats, plan, Arc::clone(&desk), progress).await?;
    Ok(taken(&desk))
}

/// What the counters have learned.
pub fn taken(desk: &Mutex<Desk>) -> Desk {
    std::mem::take(&mut *desk.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Registers everybody of a plan when it is time.
pub async fn register(nats: async_nats::Client, plan: Arc<Plan>, desk: Arc<Mutex<Desk>>, progress: Progress) -> Result<()> {
    let mut asking = JoinSet::new();
    for (place, person) in plan.people.iter().enumerate() {
        let operation = format!("faults-{}-{place}", plan.seed);
        // The same request several times at once, and one more by somebody who doesn't know of it.
        let mut operations = vec![operation.clone(); person.asked as usize];
        if person.asked_again {
            operations.push(format!("{operation}-again"));
        }
        for operation in operations {
            let (nats, desk, progress, at) = (nats.clone(), Arc::clone(&desk), progress.clone(), person.registers_at);
            let request = person.request(&operation);
            asking.spawn(async move {
                if at > 0 {
                    progress.reached(at).await;
                }
                ask_until_answered(&nats, &request, &desk, place).await
            });
        }
    }
    while let Some(asked) = asking.join_next().await {
        asked??;
    }
    Ok(())
}

async fn ask_until_answered(nats: &async_nats::Client, request: &Value, desk: &Mutex<Desk>, place: usize) -> Result<()> {
    let since = Instant::now();
    loop {
        let answer = nats.request("api.member.member.register", request.to_string().into()).await;
        let desk = || desk.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(answer) = answer {
            let refused = answer.headers.as_ref().is_some_and(|headers| headers.get("Nats-Service-Error-Code").is_some());
            if desk().heard(place, &serde_json::from_slice(&answer.payload)?, refused) {
                return Ok(());
            }
        }
        if since.elapsed() > PATIENCE {
            bail!("person {place} can't register");
        }
        desk().repeated += 1;
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

impl Desk {
    /// Takes an answer; false if the question is to be asked again.
    fn heard(&mut self, place: usize, body: &Value, refused: bool) -> bool {
        if !refused {
            let text = |field: &str| body[field].as_str().unwrap_or_default().to_owned();
            let member = (text("member_no"), text("member_id"));
            let first = self.registered.entry(place).or_insert_with(|| member.clone()).clone();
            if first != member {
                self.wrong.push(format!("person {place} was registered as {first:?} and as {member:?}"));
            }
            return true;
        }
        let again = ["service.unavailable", "service.busy"].contains(&body["code"].as_str().unwrap_or_default());
        if !again {
            self.wrong.push(format!("registering person {place} was answered {body}"));
        }
        !again
    }
}

/// The receipts of a round's stores.
pub fn of_stores(heard: Vec<Heard>, stores: &[String]) -> Vec<Heard> {
    let ours = |heard: &Heard| heard.subject.rsplit('.').next().is_some_and(|store| stores.iter().any(|own| own == store));
    heard.into_iter().filter(ours).collect()
}
