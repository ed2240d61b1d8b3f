//! Mutating requests: a batch on the same way as events, the reply standing where the ack stands. It goes out after COMMIT and
//! doesn't wait for the broker's acknowledgements.

use std::{collections::HashMap, sync::Arc};

use async_nats::service::{self, Request};
use futures_util::StreamExt;
use jifen_contracts::{Problem, code, endpoint::Endpoint};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Asked, Ctx, Failure, Mutation,
    context::StartError,
    crypto::canonical,
    endpoint::{Answer, encode, open, read, reply},
    failpoint, failure, limits,
    message::Cause,
    operation::{self, Claim, Met},
    trace::TraceContext,
};

pub(crate) async fn serve_mutation<M: Mutation>(
    cx: Arc<Ctx>,
    micro: &service::Service,
    mutation: Arc<M>,
    tasks: &TaskTracker,
    stop: CancellationToken,
) -> Result<(), StartError> {
    let (sender, mut queue) = mpsc::channel::<Request>(limits::REQUESTS_WAITING);
    for mut endpoint in open::<M::Endpoint>(&cx, micro).await? {
        let (cx, sender, stop) = (Arc::clone(&cx), sender.clone(), stop.clone());
        tasks.spawn(async move {
            loop {
                let request = tokio::select! { () = stop.cancelled() => break, request = endpoint.next() => request };
                let Some(request) = request else { break };
                if cx.busy() {
                    reply(&cx.nats, &request, Err(code::SERVICE_BUSY.into())).await;
                } else if let Err(full) = sender.try_send(request) {
                    reply(&cx.nats, &full.into_inner(), Err(code::SERVICE_BUSY.into())).await;
                }
            }
        });
    }
    drop(sender);
    let tracker = tasks.clone();
    tasks.spawn(async move {
        let mut requests = Vec::with_capacity(limits::REQUESTS_IN_BATCH);
        while queue.recv_many(&mut requests, limits::REQUESTS_IN_BATCH).await > 0 {
            process(&cx, &mutation, std::mem::take(&mut requests), &tracker).await;
        }
    });
    Ok(())
}

/// What the database can keep, so that a repeat gets the same answer: it has no NUL, which a caller may have said and an answer
/// may quote.
fn storable(value: Value) -> Value {
    match value {
        Value::String(text) if text.contains('\0') => Value::String(text.replace('\0', "\u{FFFD}")),
        Value::Array(items) => items.into_iter().map(storable).collect(),
        Value::Object(fields) => fields.into_iter().map(|(key, value)| (key, storable(value))).collect(),
        other => other,
    }
}

/// One operation and everybody in this batch who asked for it.
struct Group<T> {
    asked: Asked<T>,
    claim: Claim,
    callers: Vec<Request>,
}

async fn process<M: Mutation>(cx: &Arc<Ctx>, mutation: &Arc<M>, mut requests: Vec<Request>, tasks: &TaskTracker) {
    while !requests.is_empty() {
        let (groups, contested) = group::<M>(cx, requests).await;
        failpoint::pass(cx.service, "endpoint.read");
        settle(cx, mutation, groups, tasks).await;
        requests = contested;
    }
}

type Groups<M> = Vec<Group<<<M as Mutation>::Endpoint as Endpoint>::Request>>;

/// Groups requests by operation. Those that use another's id with other content are returned beside: which content is the
/// operation's is not this batch's to say, another copy may have claimed it with either, so they ask when the first are done.
async fn group<M: Mutation>(cx: &Ctx, requests: Vec<Request>) -> (Groups<M>, Vec<Request>) {
    let endpoint = <M::Endpoint as Endpoint>::SUBJECT;
    let mut groups: Groups<M> = Vec::new();
    let mut contested = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for request in requests {
        let asked: <M::Endpoint as Endpoint>::Request = match read(&request, endpoint) {
            Ok(asked) => asked,
            Err(problem) => {
                reply(&cx.nats, &request, Err(problem)).await;
                continue;
            }
        };
        let id = M::operation_id(&asked).to_owned();
        if id.is_empty() || id.chars().count() > 64 || id.contains('\0') {
            let problem = Problem::new(code::REQUEST_MALFORMED).detail("operation_id must have 1 to 64 characters").at("/operation_id");
            reply(&cx.nats, &request, Err(problem)).await;
            continue;
        }
        let hash = cx.seal.hash(&canonical(&asked).unwrap_or_default()).to_vec();
        match places.get(&id) {
            Some(place) if groups[*place].claim.hash == hash => groups[*place].callers.push(request),
            Some(_) => contested.push(request),
            None => {
                places.insert(id.clone(), groups.len());
                let traceparent = request.message.headers.as_ref().and_then(|headers| headers.get("traceparent"));
                let cause = Cause { id: None, correlation: None, trace: traceparent.and_then(|text| TraceContext::parse(text.as_str())) };
                groups.push(Group {
                    asked: Asked { request: asked, cause },
                    claim: Claim { operation_id: id, hash },
                    callers: vec![request],
                });
            }
        }
    }
    (groups, contested)
}

async fn settle<M: Mutation>(cx: &Arc<Ctx>, mutation: &Arc<M>, groups: Groups<M>, tasks: &TaskTracker) {
    let endpoint = <M::Endpoint as Endpoint>::SUBJECT;
    let mut parts = vec![groups];
    while let Some(groups) = parts.pop() {
        if groups.is_empty() {
            continue;
        }
        let (mut claims, mut asked, mut callers) = (Vec::new(), Vec::new(), Vec::new());
        for group in groups {
            claims.push(group.claim);
            asked.push(group.asked);
            callers.push(group.callers);
        }
        let started = tokio::time::Instant::now();
        let result = transact(cx, mutation, &claims, &asked).await;
        cx.telemetry.batch(cx.service, endpoint, claims.len(), started.elapsed());
        match result {
            Ok((commit, answers)) => {
                failpoint::pass(cx.service, "endpoint.committed");
                for (callers, answer) in callers.iter().zip(answers) {
                    for caller in callers {
                        reply(&cx.nats, caller, answer.clone()).await;
                    }
                }
                failpoint::pass(cx.service, "endpoint.replied");
                let cx = Arc::clone(cx);
                tasks.spawn(async move {
                    cx.telemetry.spans(cx.service, endpoint, &commit);
                    cx.relay.publish(commit).await;
                    failpoint::pass(cx.service, "endpoint.published");
                });
            }
            Err(Failure::Defect(why) | Failure::Unreadable(why)) if claims.len() > 1 => {
                tracing::warn!(service = cx.service, endpoint, requests = claims.len(), why, "halving the batch");
                let mut groups: Vec<_> =
                    claims.into_iter().zip(asked).zip(callers).map(|((claim, asked), callers)| Group { asked, claim, callers }).collect();
                let later = groups.split_off(groups.len() / 2);
                parts.push(later);
                parts.push(groups);
            }
            Err(failure) => {
                tracing::error!(service = cx.service, endpoint, requests = claims.len(), error = %failure, "requests failed");
                let problem = match failure {
                    Failure::Transient(_) | Failure::Unreadable(_) => Problem::new(code::SERVICE_UNAVAILABLE),
                    Failure::Defect(_) => Problem::new(code::SERVICE_INTERNAL),
                };
                for caller in callers.iter().flatten() {
                    reply(&cx.nats, caller, Err(problem.clone())).await;
                }
            }
        }
    }
}

async fn transact<M: Mutation>(
    cx: &Ctx,
    mutation: &Arc<M>,
    claims: &[Claim],
    asked: &[Asked<<M::Endpoint as Endpoint>::Request>],
) -> Result<(crate::outbox::Commit, Vec<Answer>), Failure> {
    let endpoint = <M::Endpoint as Endpoint>::SUBJECT;
    failure::guarded(async {
        let prepared = mutation.prepare(cx, asked).await?;
        failpoint::pass(cx.service, "endpoint.prepared");
        let mut out = cx.outbox();
        let mut tx = cx.pool.begin().await?;
        failpoint::pass(cx.service, "endpoint.began");
        let met = operation::claim(cx, &mut tx, endpoint, claims).await?;
        failpoint::pass(cx.service, "endpoint.claimed");
        let mut answers: Vec<Option<Answer>> = met
            .into_iter()
            .map(|met| match met {
                Met::New => None,
                Met::Answered(answer, false) => Some(Ok(serde_json::to_vec(&answer).unwrap_or_default())),
                Met::Answered(answer, true) => {
                    Some(Err(serde_json::from_value(answer).unwrap_or_else(|_| Problem::new(code::SERVICE_INTERNAL))))
                }
                Met::Conflict => Some(Err(code::OPERATION_CONFLICT.into())),
            })
            .collect();
        let places: Vec<usize> = (0..answers.len()).filter(|place| answers[*place].is_none()).collect();
        if places.is_empty() {
            let commit = cx.commit(tx, out).await?;
            return Ok((commit, answers.into_iter().flatten().collect()));
        }
        let new: Vec<_> = places.iter().map(|place| &asked[*place]).collect();
        let replies = mutation.handle(cx, &mut tx, &new, &prepared, &mut out).await?;
        if replies.len() != places.len() {
            return Err(Failure::Defect("a handler answered another number of requests".to_owned()));
        }
        let mut stored = Vec::with_capacity(places.len());
        for (place, reply) in places.iter().zip(replies) {
            let (answer, kept) = match reply {
                Ok(reply) => {
                    let value = storable(serde_json::to_value(reply).map_err(Failure::defect)?);
                    (encode(Ok(&value)), Some((value, false)))
                }
                Err(problem) if problem.is_transient() => (Err(problem), None),
                Err(mut problem) => {
                    problem.detail = problem.detail.replace('\0', "\u{FFFD}");
                    let value = serde_json::to_value(&problem).map_err(Failure::defect)?;
                    (Err(problem), Some((storable(value), true)))
                }
            };
            stored.push((claims[*place].operation_id.clone(), kept));
            answers[*place] = Some(answer);
        }
        operation::answer(&mut tx, endpoint, &stored).await?;
        failpoint::pass(cx.service, "endpoint.handled");
        let commit = cx.commit(tx, out).await?;
        Ok((commit, answers.into_iter().flatten().collect()))
    })
    .await
}
