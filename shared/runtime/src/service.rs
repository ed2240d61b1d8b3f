//! What a service declares, and how it runs: its routing table as a value.

use std::{collections::HashMap, pin::Pin, sync::Arc};

use async_nats::service::ServiceExt;
use futures_util::future::BoxFuture;
use jifen_contracts::{EventType, Problem, code, endpoint::Endpoint};
use serde::{Deserialize, Serialize};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;

use crate::{
    BatchHandler, Ctx, DailyJob, Event, Job, Mutation, Query, ServiceConfig,
    context::StartError,
    daily,
    dead_letter::{self, DeadLetter},
    endpoint,
    guard::{Republish, Wanted},
    job, limits,
    message::RawMessage,
    mutation, programs,
    runner::{Inbound, Runner, stream_of_filter},
    sweep,
};

/// The span of what goes on beside the batches (sweeping, following the program, marking, timed work): whoever looks for the cost of a
/// batch can tell it apart.
pub const UPKEEP: &str = "upkeep";

fn upkeep(cx: &Ctx) -> tracing::Span {
    tracing::info_span!(parent: None, UPKEEP, service = cx.service)
}

type Micro = async_nats::service::Service;
type Starting<'a> = Pin<Box<dyn Future<Output = Result<(), StartError>> + Send + 'a>>;
type Lag = Arc<dyn Fn() -> BoxFuture<'static, (&'static str, Option<u64>)> + Send + Sync>;
type Retry = Arc<dyn Fn(uuid::Uuid, RawMessage) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

struct Launch<'a> {
    cx: &'a Arc<Ctx>,
    micro: &'a Micro,
    tasks: &'a TaskTracker,
    stop: &'a CancellationToken,
    retries: &'a mut HashMap<&'static str, Retry>,
    lags: &'a mut Vec<Lag>,
}

type Part = Box<dyn for<'a> FnOnce(Launch<'a>) -> Starting<'a> + Send>;

/// A service: its name and everything that enters it.
pub struct Service {
    name: &'static str,
    parts: Vec<Part>,
    wanted: Wanted,
}

impl Service {
    /// A service without entrances.
    pub fn new(name: &'static str) -> Self {
        Self { name, parts: Vec::new(), wanted: Wanted::new() }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Reads the subjects of `filters` (all of one stream) under a durable name.
    pub fn reads<H: BatchHandler>(mut self, durable: &'static str, filters: &[&str], handler: H) -> Self {
        let stream = filters.first().map_or("", |filter| stream_of_filter(filter));
        let inbound = Inbound { durable, stream, filters: filters.iter().map(ToString::to_string).collect() };
        self.parts.push(Box::new(move |launch| {
            Box::pin(async move {
                let runner = Runner::new(Arc::clone(launch.cx), inbound, Arc::new(handler));
                let (retrier, lagger) = (Arc::clone(&runner), Arc::clone(&runner));
                launch.retries.insert(
                    runner.durable(),
                    Arc::new(move |id, raw| {
                        let runner = Arc::clone(&retrier);
                        Box::pin(async move { runner.retry(id, raw).await })
                    }),
                );
                launch.lags.push(Arc::new(move || {
                    let runner = Arc::clone(&lagger);
                    Box::pin(async move { (runner.durable(), runner.lag().await) })
                }));
                runner.start(launch.tasks, launch.stop.clone()).await
            })
        }));
        self
    }

    /// Reads one kind of event.
    pub fn reads_event<T, H>(self, durable: &'static str, handler: H) -> Self
    where
        T: EventType,
        H: BatchHandler<Item = Event<T>>,
    {
        self.reads(durable, &[T::filter().as_str()], handler)
    }

    /// Answers a read.
    pub fn answers<Q: Query>(mut self, query: Q) -> Self {
        self.parts.push(Box::new(move |launch| {
            Box::pin(async move {
                endpoint::serve_query(Arc::clone(launch.cx), launch.micro, Arc::new(query), launch.tasks, launch.stop.clone()).await
            })
        }));
        self
    }

    /// Answers a mutating request.
    pub fn mutates<M: Mutation>(mut self, mutation: M) -> Self {
        self.parts.push(Box::new(move |launch| {
            Box::pin(async move {
                mutation::serve_mutation(Arc::clone(launch.cx), launch.micro, Arc::new(mutation), launch.tasks, launch.stop.clone()).await
            })
        }));
        self
    }

    /// Does timed work.
    pub fn job<J: Job>(mut self, job: J) -> Self {
        self.parts.push(Box::new(move |launch| {
            Box::pin(async move {
                launch.tasks.spawn(job::keep(Arc::clone(launch.cx), Arc::new(job), launch.stop.clone()).instrument(upkeep(launch.cx)));
                Ok(())
            })
        }));
        self
    }

    /// Does what is due once a business day.
    pub fn daily<J: DailyJob>(mut self, job: J) -> Self {
        self.parts.push(Box::new(move |launch| {
            Box::pin(async move {
                launch.tasks.spawn(daily::keep(Arc::clone(launch.cx), Arc::new(job), launch.stop.clone()).instrument(upkeep(launch.cx)));
                Ok(())
            })
        }));
        self
    }

    /// Says which messages of a stream are still worth publishing when the broker has lost them; without this, all are.
    pub fn republishes<R: Republish>(mut self, filter: R) -> Self {
        self.wanted.insert(R::STREAM, Box::new(filter));
        self
    }

    /// Does something once at start, after the rest runs.
    pub fn at_start<F, Fut>(mut self, work: F) -> Self
    where
        F: FnOnce(Arc<Ctx>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), StartError>> + Send + 'static,
    {
        self.parts.push(Box::new(move |launch| Box::pin(work(Arc::clone(launch.cx)))));
        self
    }

    /// Starts one copy.
    pub async fn start(self, config: ServiceConfig) -> Result<Running, StartError> {
        let cx = Ctx::start(self.name, config).await?;
        let (tasks, stop, stop_keeping) = (TaskTracker::new(), CancellationToken::new(), CancellationToken::new());
        // A start that fails half way leaves nothing running.
        let guards = [stop.clone().drop_guard(), stop_keeping.clone().drop_guard()];
        let known = cx.programs.clone();
        let micro = cx
            .nats
            .service_builder()
            .description(format!("jifen {}", self.name))
            .stats_handler(move |_, _| serde_json::json!({ "program_version": known.newest().map(|applied| applied.version) }))
            .start(self.name, env!("CARGO_PKG_VERSION"))
            .await
            .map_err(|e| StartError::Setup { service: cx.service, what: "micro service".to_owned(), why: e.to_string() })?;
        let keeping = TaskTracker::new();
        keeping.spawn(sweep::keep(Arc::clone(&cx), self.wanted, stop_keeping.clone()).instrument(upkeep(&cx)));
        keeping.spawn(programs::keep(Arc::clone(&cx), stop_keeping.clone()).instrument(upkeep(&cx)));
        let (mut retries, mut lags) = (HashMap::new(), Vec::new());
        for part in self.parts {
            let launch = Launch { cx: &cx, micro: &micro, tasks: &tasks, stop: &stop, retries: &mut retries, lags: &mut lags };
            part(launch).await?;
        }
        serve_dead_letters(&cx, retries, &tasks, &stop).await?;
        heard(&cx).await?;
        let watch = Arc::clone(&cx);
        let stop_watching = stop.clone();
        tasks.spawn(async move {
            loop {
                for lag in &lags {
                    if let (durable, Some(messages)) = lag().await {
                        watch.telemetry.gauge("consumer_lag", watch.service, durable, i64::try_from(messages).unwrap_or(i64::MAX));
                    }
                }
                tokio::select! { () = stop_watching.cancelled() => break, () = tokio::time::sleep(std::time::Duration::from_secs(10)) => {} }
            }
        });
        for guard in guards {
            guard.disarm();
        }
        Ok(Running { cx, tasks, keeping, stop, stop_keeping, micro: Some(micro) })
    }
}

/// Waits until the broker has all subscriptions made so far: until then it tells callers that nobody answers. The broker
/// takes what one connection sends in order, so a message to ourselves comes back when it has; a flush says less.
async fn heard(cx: &Ctx) -> Result<(), StartError> {
    use futures_util::StreamExt;
    let failed = |why: String| StartError::Setup { service: cx.service, what: "subscriptions".to_owned(), why };
    let inbox = cx.nats.new_inbox();
    let mut echo = cx.nats.subscribe(inbox.clone()).await.map_err(|e| failed(e.to_string()))?;
    cx.nats.publish(inbox, bytes::Bytes::new()).await.map_err(|e| failed(e.to_string()))?;
    let came = tokio::time::timeout(limits::ASK_WAIT, echo.next()).await;
    came.map_err(|_| failed("the broker did not answer in time".to_owned()))?
        .map(|_| ())
        .ok_or_else(|| failed("the connection ended".to_owned()))
}

/// A running copy of a service.
pub struct Running {
    cx: Arc<Ctx>,
    tasks: TaskTracker,
    keeping: TaskTracker,
    stop: CancellationToken,
    stop_keeping: CancellationToken,
    micro: Option<Micro>,
}

impl Running {
    /// What it works with.
    pub fn cx(&self) -> &Arc<Ctx> {
        &self.cx
    }

    /// Stops pulling, finishes what is under way, publishes, ends. False if that took longer than
    /// [`limits::STOP_WAIT`]: the rest will be swept at the next start.
    pub async fn stop(mut self) -> bool {
        self.stop.cancel();
        self.tasks.close();
        let clean = tokio::time::timeout(limits::STOP_WAIT, self.tasks.wait()).await.is_ok();
        if let Some(micro) = self.micro.take()
            && let Err(error) = micro.stop().await
        {
            tracing::debug!(%error, "stopping the micro service");
        }
        let rest = async {
            self.cx.relay.stop().await;
            self.stop_keeping.cancel();
            self.keeping.close();
            self.keeping.wait().await;
            if let Err(error) = self.cx.nats.drain().await {
                tracing::debug!(%error, "closing the broker's connection");
            }
            self.cx.pool.close().await;
        };
        tokio::time::timeout(limits::STOP_WAIT, rest).await.is_ok() && clean
    }
}

/// What is asked of a service's dead letters, at `api.<service>.dead_letter.<verb>`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct DeadLetterRequest {
    /// Which one; all for `list`.
    #[serde(default)]
    pub id: Option<uuid::Uuid>,
    /// How many for `list`; 100 if not given.
    #[serde(default)]
    pub limit: Option<i64>,
}

/// Dead letters; with `show`, the content of one.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct DeadLetterReply {
    /// Newest first.
    pub letters: Vec<DeadLetter>,
    /// With `show`: the message's content, as text if it is UTF-8, else hex.
    #[serde(default)]
    pub payload: Option<String>,
}

async fn serve_dead_letters(
    cx: &Arc<Ctx>,
    retries: HashMap<&'static str, Retry>,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> Result<(), StartError> {
    use futures_util::StreamExt;
    let failed = |why: String| StartError::Setup { service: cx.service, what: "dead letter endpoint".to_owned(), why };
    let subject = format!("api.{}.dead_letter.*", cx.service);
    let mut requests = cx.nats.queue_subscribe(subject, "q".to_owned()).await.map_err(|e| failed(e.to_string()))?;
    let (cx, stop) = (Arc::clone(cx), stop.clone());
    tasks.spawn(async move {
        loop {
            let request = tokio::select! { () = stop.cancelled() => break, request = requests.next() => request };
            let Some(request) = request else { break };
            let verb = request.subject.rsplit('.').next().unwrap_or_default();
            let asked: DeadLetterRequest = serde_json::from_slice(&request.payload).unwrap_or_default();
            let answer = answer_dead_letters(&cx, &retries, verb, asked).await;
            let Some(to) = request.reply.filter(|to| to.starts_with(endpoint::INBOX)) else { continue };
            let mut headers = async_nats::HeaderMap::new();
            let body = match &answer {
                Ok(reply) => serde_json::to_vec(reply),
                Err(problem) => {
                    headers.insert(async_nats::service::NATS_SERVICE_ERROR, problem.code.as_str());
                    headers.insert(async_nats::service::NATS_SERVICE_ERROR_CODE, problem.status.to_string().as_str());
                    serde_json::to_vec(problem)
                }
            };
            if let Err(error) = cx.nats.publish_with_headers(to, headers, body.unwrap_or_default().into()).await {
                tracing::debug!(%error, "a reply was not sent");
            }
        }
    });
    Ok(())
}

async fn answer_dead_letters(
    cx: &Ctx,
    retries: &HashMap<&'static str, Retry>,
    verb: &str,
    asked: DeadLetterRequest,
) -> Result<DeadLetterReply, Problem> {
    match (verb, asked.id) {
        ("list", _) => {
            let letters = dead_letter::list(&cx.pool, asked.limit.unwrap_or(100).clamp(1, 1000)).await;
            let letters = letters.map_err(|e| Problem::new(code::SERVICE_UNAVAILABLE).detail(e.to_string()))?;
            Ok(DeadLetterReply { letters, payload: None })
        }
        ("show", Some(id)) => {
            let (letter, payload) = dead_letter::show(cx, id).await?;
            let payload = String::from_utf8(payload).unwrap_or_else(|e| hex::encode(e.into_bytes()));
            Ok(DeadLetterReply { letters: vec![letter], payload: Some(payload) })
        }
        ("retry", Some(id)) => {
            let (letter, payload) = dead_letter::show(cx, id).await?;
            let retry = retries.get(letter.consumer.as_str());
            let retry = retry
                .ok_or_else(|| Problem::new(code::DEAD_LETTER_NOT_FOUND).detail(format!("no consumer {} runs here", letter.consumer)))?;
            let raw = RawMessage {
                subject: letter.subject.clone(),
                payload: payload.into(),
                stream_sequence: u64::try_from(letter.stream_sequence).unwrap_or(0),
                stored_at: letter.at,
                deliveries: 1,
            };
            retry(id, raw).await.map_err(|why| Problem::new(code::SERVICE_UNAVAILABLE).detail(format!("still failing: {why}")))?;
            let (letter, _) = dead_letter::show(cx, id).await?;
            Ok(DeadLetterReply { letters: vec![letter], payload: None })
        }
        _ => Err(Problem::new(code::REQUEST_MALFORMED).detail("ask dead_letter.list, .show or .retry with an id")),
    }
}

/// The service that an endpoint belongs to, by its subject.
pub fn service_of<E: Endpoint>() -> &'static str {
    E::SUBJECT.split('.').nth(1).unwrap_or_default()
}
