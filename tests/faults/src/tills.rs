//! The tills of a round: each question has an operation of its own and is asked until it is answered, by several at once now and
//! then; every answer to it must be the same.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Result, bail};
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::Instant};

use crate::{
    plan::{
        Plan,
        visits::{End, Visit},
    },
    stores::{Desk, PATIENCE, Progress},
};

const LOOK_EVERY: Duration = Duration::from_millis(100);
const ASK_AGAIN: Duration = Duration::from_millis(300);
/// A customer without points waits so long for some.
const FOR_POINTS: Duration = Duration::from_secs(4);
/// A hold that shall expire lives so long, in seconds,
const SHORT_S: u32 = 2;
/// and this time later it is over by any clock.
const OVER: Duration = Duration::from_secs(SHORT_S as u64 + 1);

/// An answer: what was done, or the problem's body.
pub type Answer = Result<Value, Value>;

/// What a till was answered.
#[derive(Debug, Clone, Default)]
pub struct Dealt {
    /// How many points it wanted to hold.
    pub wanted: i64,
    /// The hold.
    pub held: Option<Answer>,
    /// How many it wanted to spend.
    pub spends: i64,
    /// Spending.
    pub captured: Option<Answer>,
    /// Giving back.
    pub released: Option<Answer>,
}

impl Dealt {
    /// The hold's key.
    pub fn hold_id(&self) -> Option<&str> {
        self.held.as_ref()?.as_ref().ok()?["hold_id"].as_str()
    }
}

/// What all tills were answered, by visit.
#[derive(Debug, Default)]
pub struct Tills {
    /// Each visit.
    pub dealt: BTreeMap<usize, Dealt>,
    /// Answers that should not have been.
    pub wrong: Vec<String>,
}

/// Serves the visits of a plan, each when it is time and its customer is registered.
pub async fn serve(nats: async_nats::Client, plan: Arc<Plan>, desk: Arc<Mutex<Desk>>, progress: Progress) -> Result<Tills> {
    let mut serving = JoinSet::new();
    for (place, visit) in plan.visits.iter().enumerate() {
        let till = Till { nats: nats.clone(), visit: visit.clone(), operation: format!("till-{}-{place}", plan.seed) };
        let (desk, progress) = (Arc::clone(&desk), progress.clone());
        serving.spawn(async move {
            progress.reached(till.visit.at).await;
            let member_no = registered(&desk, till.visit.person).await?;
            till.serve(&member_no).await.map(|(dealt, wrong)| (place, dealt, wrong))
        });
    }
    let mut tills = Tills::default();
    while let Some(served) = serving.join_next().await {
        let (place, dealt, wrong) = served??;
        tills.dealt.insert(place, dealt);
        tills.wrong.extend(wrong);
    }
    Ok(tills)
}

async fn registered(desk: &Mutex<Desk>, person: usize) -> Result<String> {
    let since = Instant::now();
    loop {
        if let Some((member_no, _)) = desk.lock().unwrap_or_else(PoisonError::into_inner).registered.get(&person) {
            return Ok(member_no.clone());
        }
        if since.elapsed() > PATIENCE {
            bail!("person {person} stands at a till and is not registered");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

struct Till {
    nats: async_nats::Client,
    visit: Visit,
    operation: String,
}

impl Till {
    async fn serve(&self, member_no: &str) -> Result<(Dealt, Vec<String>)> {
        let (mut dealt, mut wrong) = (Dealt::default(), Vec::new());
        let active = self.quote(member_no, &mut wrong).await?;
        dealt.wanted = (active * i64::from(self.visit.share) / 1_000).max(1);
        let mut request = json!({ "store": self.visit.store, "member_no": member_no, "points": dealt.wanted });
        if self.visit.end == End::Expire {
            request["expires_in_s"] = json!(SHORT_S);
        }
        let held = self.ask("create", request, &mut wrong).await?;
        dealt.held = Some(held);
        let Some(hold_id) = dealt.hold_id().map(str::to_owned) else { return Ok((dealt, wrong)) };
        tokio::time::sleep(Duration::from_millis(self.visit.waits_ms)).await;
        let spends = |permille: u32| (dealt.wanted * i64::from(permille) / 1_000).max(1);
        let release = || json!({ "hold_id": hold_id });
        let capture = |points: i64| json!({ "hold_id": hold_id, "store": self.visit.store, "points": points, "document": self.visit.bill });
        match self.visit.end {
            End::Capture(permille) => {
                dealt.spends = spends(permille);
                dealt.captured = Some(self.ask("capture", capture(dealt.spends), &mut wrong).await?);
                if dealt.captured.as_ref().is_some_and(Result::is_err) {
                    // The bill was voided: the customer pays otherwise.
                    dealt.released = Some(self.ask("release", release(), &mut wrong).await?);
                }
            }
            End::Release => dealt.released = Some(self.ask("release", release(), &mut wrong).await?),
            End::Expire => {
                tokio::time::sleep(OVER).await;
                dealt.spends = dealt.wanted;
                dealt.captured = Some(self.ask("capture", capture(dealt.spends), &mut wrong).await?);
            }
            End::Both(permille) => {
                dealt.spends = spends(permille);
                let mut others = Vec::new();
                let (captured, released) =
                    tokio::try_join!(self.ask("capture", capture(dealt.spends), &mut wrong), self.ask("release", release(), &mut others))?;
                (dealt.captured, dealt.released) = (Some(captured), Some(released));
                wrong.extend(others);
            }
        }
        Ok((dealt, wrong))
    }

    /// What the account can pay, once there is something; and whether the quote is right by itself.
    async fn quote(&self, member_no: &str, wrong: &mut Vec<String>) -> Result<i64> {
        let since = Instant::now();
        loop {
            let request = json!({ "store": self.visit.store, "bill": "345.67", "member_no": member_no });
            let quote = match answer(&self.nats, "api.points.quote.get", &request).await? {
                Ok(quote) => quote,
                Err(problem) => {
                    wrong.push(format!("a quote was answered {problem}"));
                    return Ok(0);
                }
            };
            let active = quote["active"].as_i64().unwrap_or(-1);
            // 100 points are a yuan, and no step pays more than the bill.
            let points = active.clamp(0, 34_500) / 100 * 100;
            if quote["points"] != json!(points) || quote["offset"] != json!(format!("{}.00", points / 100)) {
                wrong.push(format!("{active} points on a bill of 345.67 were quoted {quote}"));
            }
            if active > 0 || since.elapsed() > FOR_POINTS {
                return Ok(active);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Asks until each of those who ask is answered; all must be answered alike.
    async fn ask(&self, verb: &str, mut request: Value, wrong: &mut Vec<String>) -> Result<Answer> {
        request["operation_id"] = json!(format!("{}-{verb}", self.operation));
        let subject = format!("api.points.hold.{verb}");
        let asked = (0..self.visit.asked).map(|_| answer(&self.nats, &subject, &request));
        let mut answers = futures_util::future::try_join_all(asked).await?;
        let first = answers.remove(0);
        if let Some(other) = answers.into_iter().find(|other| *other != first) {
            wrong.push(format!("{subject} of {request} was answered {first:?} and {other:?}"));
        }
        Ok(first)
    }
}

/// Asks until there is an answer that doesn't ask to be asked again.
pub async fn answer(nats: &async_nats::Client, subject: &str, request: &Value) -> Result<Answer> {
    let since = Instant::now();
    loop {
        if let Ok(answer) = nats.request(subject.to_owned(), request.to_string().into()).await {
            let refused = answer.headers.as_ref().is_some_and(|headers| headers.get("Nats-Service-Error-Code").is_some());
            let body: Value = serde_json::from_slice(&answer.payload)?;
            if !refused {
                return Ok(Ok(body));
            }
            if !["service.unavailable", "service.busy"].contains(&body["code"].as_str().unwrap_or_default()) {
                return Ok(Err(body));
            }
        }
        if since.elapsed() > PATIENCE {
            bail!("{subject} does not answer {request}");
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}
