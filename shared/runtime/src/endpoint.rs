//! Request-reply in the NATS micro protocol.
//!
//! Reads are answered one by one; mutating requests form a batch on the same way as events, the reply standing where
//! the ack stands: it goes out after COMMIT and doesn't wait for the broker's acknowledgements.

use std::{collections::HashMap, future::Future, sync::Arc};

use async_nats::{
    HeaderMap,
    service::{self, Request, error::Error as MicroError},
};
use futures_util::{FutureExt, StreamExt};
use jifen_contracts::{Problem, code, endpoint::Endpoint, strict};
use serde_json::Value;
use sqlx::PgConnection;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Ctx, Failure, Outbox,
    context::StartError,
    crypto::canonical,
    failpoint, failure, limits,
    message::Cause,
    operation::{self, Claim, Met},
    trace::TraceContext,
};

/// Answers a read.
pub trait Query: Send + Sync + 'static {
    /// What is asked.
    type Endpoint: Endpoint;

    /// Answers, or says why not.
    fn answer(
        &self,
        cx: &Ctx,
        request: <Self::Endpoint as Endpoint>::Request,
    ) -> impl Future<Output = Result<<Self::Endpoint as Endpoint>::Reply, Problem>> + Send;
}

/// One mutating request of a batch.
#[derive(Debug)]
pub struct Asked<T> {
    /// What is asked.
    pub request: T,
    /// What its effects inherit.
    pub cause: Cause,
}

/// Handles sets of one mutating request. Operation ids are claimed before `handle` is called: it sees each once.
pub trait Mutation: Send + Sync + 'static {
    /// What is asked.
    type Endpoint: Endpoint;
    /// What it asks others for before BEGIN.
    type Prepared: Send + Sync;

    /// The caller's id of the operation.
    fn operation_id(request: &<Self::Endpoint as Endpoint>::Request) -> &str;

    /// Asks other services for the whole batch, before any lock is held.
    fn prepare(
        &self,
        cx: &Ctx,
        batch: &[Asked<<Self::Endpoint as Endpoint>::Request>],
    ) -> impl Future<Output = Result<Self::Prepared, Failure>> + Send;

    /// Loads, decides and saves; answers in the order of `batch`. A refusal is an answer: stored and repeated, unless
    /// its code is transient.
    #[expect(clippy::type_complexity, reason = "spelled out, it says what comes back")]
    fn handle(
        &self,
        cx: &Ctx,
        tx: &mut PgConnection,
        batch: &[&Asked<<Self::Endpoint as Endpoint>::Request>],
        prepared: &Self::Prepared,
        out: &mut Outbox,
    ) -> impl Future<Output = Result<Vec<Result<<Self::Endpoint as Endpoint>::Reply, Problem>>, Failure>> + Send;
}

/// Asks another service. Its refusals come back as problems; silence as `service.unavailable`.
pub async fn ask<E: Endpoint>(nats: &async_nats::Client, request: &E::Request) -> Result<E::Reply, Problem> {
    let unavailable = |why: String| Problem::new(code::SERVICE_UNAVAILABLE).detail(format!("{}: {why}", E::SUBJECT));
    let body = serde_json::to_vec(request).map_err(|e| Problem::new(code::REQUEST_MALFORMED).detail(e.to_string()))?;
    let answer = nats.request(E::SUBJECT, body.into()).await.map_err(|e| unavailable(e.to_string()))?;
    if answer.headers.as_ref().is_some_and(|headers| headers.get(service::NATS_SERVICE_ERROR_CODE).is_some()) {
        return Err(serde_json::from_slice(&answer.payload).unwrap_or_else(|_| unavailable("an error without a problem".to_owned())));
    }
    serde_json::from_slice(&answer.payload).map_err(|e| {
        // The parser's own text may quote the answer, and answers may hold personal values.
        unavailable(format!("unexpected answer at line {} column {}", e.line(), e.column()))
    })
}

/// Where replies may go. A request could name any subject to be answered at, and this service has rights that its callers
/// have not.
pub(crate) const INBOX: &str = "_INBOX.";

/// What goes back to the caller.
type Answer = Result<Vec<u8>, Problem>;

async fn reply(nats: &async_nats::Client, request: &Request, answer: Answer) {
    if request.message.reply.as_ref().is_none_or(|to| !to.starts_with(INBOX)) {
        return;
    }
    let sent = match answer {
        Ok(body) => request.respond(Ok(body.into())).await,
        // The micro library sends errors without a body; ours carries the problem.
        Err(problem) => match &request.message.reply {
            Some(to) => {
                let mut headers = HeaderMap::new();
                headers.insert(service::NATS_SERVICE_ERROR, problem.code.as_str());
                headers.insert(service::NATS_SERVICE_ERROR_CODE, problem.status.to_string().as_str());
                headers.insert("content-type", "application/problem+json");
                nats.publish_with_headers(to.clone(), headers, serde_json::to_vec(&problem).unwrap_or_default().into()).await
            }
            None => request.respond(Err(MicroError { status: problem.code, code: usize::from(problem.status) })).await,
        },
    };
    if let Err(error) = sent {
        tracing::debug!(%error, "a reply was not sent");
    }
}

fn read<T: serde::de::DeserializeOwned>(request: &Request, subject: &str) -> Result<T, Problem> {
    let payload = &request.message.payload;
    if payload.len() > limits::REQUEST_BYTES {
        return Err(code::REQUEST_TOO_LARGE.into());
    }
    let bytes: &[u8] = if payload.is_empty() { b"{}" } else { payload };
    let mut named = strict::object(bytes).map_err(|why| Problem::new(code::REQUEST_MALFORMED).detail(why.to_string()))?;
    // A store's own subject ends with its code, which its user has the right to: the payload may not name another.
    if let Some(store) = request.message.subject.strip_prefix(subject).and_then(|rest| rest.strip_prefix('.')) {
        match named.get("store") {
            // Not named is meant: a list of all stores is not for one of them.
            None | Some(Value::Null) => {
                named.insert("store".to_owned(), Value::from(store));
                return serde_json::from_value(Value::Object(named)).map_err(|e| malformed(&e));
            }
            Some(named) if named.as_str() != Some(store) => return Err(Problem::new(code::REQUEST_STORE_MISMATCH).at("/store")),
            Some(_) => {}
        }
    }
    // From the text again: its reader can say where something is wrong.
    serde_json::from_slice(bytes).map_err(|e| malformed(&e))
}

fn malformed(error: &serde_json::Error) -> Problem {
    // Only the parser's classes and field names: its full text may quote a value.
    let text = error.to_string();
    let field = text.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    let problem = Problem::new(code::REQUEST_MALFORMED);
    match field {
        Some(field) => problem.detail(format!("{field} is missing")).at(format!("/{field}")),
        None => problem.detail(format!("wrong at line {} column {}", error.line(), error.column())),
    }
}

fn encode<T: serde::Serialize>(result: Result<T, Problem>) -> Answer {
    result.and_then(|reply| serde_json::to_vec(&reply).map_err(|e| Problem::new(code::SERVICE_INTERNAL).detail(e.to_string())))
}

/// The subjects of an endpoint: its own, and the one of store users if it is for them. A store's user may ask at any subject
/// that ends with its code, so what is not served there is out of its reach.
async fn open<E: Endpoint>(cx: &Ctx, micro: &service::Service) -> Result<Vec<service::endpoint::Endpoint>, StartError> {
    let failed = |why: String| StartError::Setup { service: cx.service, what: format!("endpoint {}", E::SUBJECT), why };
    let name = E::SUBJECT.splitn(3, '.').nth(2).unwrap_or(E::SUBJECT).replace('.', "-");
    let mut endpoints = Vec::with_capacity(2);
    let for_stores = E::FOR_STORES.then(|| (".*", format!("{name}-store")));
    for (suffix, name) in [("", name)].into_iter().chain(for_stores) {
        let endpoint = micro.endpoint_builder().name(name).add(format!("{}{suffix}", E::SUBJECT)).await;
        endpoints.push(endpoint.map_err(|e| failed(e.to_string()))?);
    }
    Ok(endpoints)
}

pub(crate) async fn serve_query<Q: Query>(
    cx: Arc<Ctx>,
    micro: &service::Service,
    query: Arc<Q>,
    tasks: &TaskTracker,
    stop: CancellationToken,
) -> Result<(), StartError> {
    for mut endpoint in open::<Q::Endpoint>(&cx, micro).await? {
        let (cx, query, stop, tracker) = (Arc::clone(&cx), Arc::clone(&query), stop.clone(), tasks.clone());
        tasks.spawn(async move {
            let permits = Arc::new(Semaphore::new(limits::READS_IN_FLIGHT));
            loop {
                let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { break };
                let request = tokio::select! { () = stop.cancelled() => break, request = endpoint.next() => request };
                let Some(request) = request else { break };
                let (cx, query) = (Arc::clone(&cx), Arc::clone(&query));
                tracker.spawn(async move {
                    let answer = match read(&request, <Q::Endpoint as Endpoint>::SUBJECT) {
                        Ok(asked) => guarded(query.answer(&cx, asked)).await.and_then(|reply| encode(Ok(reply))),
                        Err(problem) => Err(problem),
                    };
                    reply(&cx.nats, &request, answer).await;
                    drop(permit);
                });
            }
        });
    }
    Ok(())
}

/// A panic answers `service.internal`; the service lives on.
async fn guarded<T>(work: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    std::panic::AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_| Err(code::SERVICE_INTERNAL.into()))
}

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
