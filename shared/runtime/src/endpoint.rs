//! Request-reply in the NATS micro protocol.
//!
//! Reads are answered one by one; how mutating requests form batches stands in `mutation.rs`.

use std::{future::Future, sync::Arc};

use async_nats::{
    HeaderMap,
    service::{self, Request, error::Error as MicroError},
};
use futures_util::{FutureExt, StreamExt};
use jifen_contracts::{Problem, code, endpoint::Endpoint, strict};
use serde_json::Value;
use sqlx::PgConnection;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{Ctx, Failure, Outbox, context::StartError, limits, message::Cause};

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
pub(crate) type Answer = Result<Vec<u8>, Problem>;

pub(crate) async fn reply(nats: &async_nats::Client, request: &Request, answer: Answer) {
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

pub(crate) fn read<T: serde::de::DeserializeOwned>(request: &Request, subject: &str) -> Result<T, Problem> {
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

pub(crate) fn encode<T: serde::Serialize>(result: Result<T, Problem>) -> Answer {
    result.and_then(|reply| serde_json::to_vec(&reply).map_err(|e| Problem::new(code::SERVICE_INTERNAL).detail(e.to_string())))
}

/// The subjects of an endpoint: its own, and the one of store users if it is for them. A store's user may ask at any subject
/// that ends with its code, so what is not served there is out of its reach.
pub(crate) async fn open<E: Endpoint>(cx: &Ctx, micro: &service::Service) -> Result<Vec<service::endpoint::Endpoint>, StartError> {
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
