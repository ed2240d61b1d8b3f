//! Batches handed to a handler or an endpoint as the runtime does, without the stream and the requests: so large as a test says, and one
//! transaction each.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use chrono::{DateTime, Utc};
use jifen_contracts::{EventType, Problem, endpoint::Endpoint, program::AppliedProgram};
use jifen_kernel::{Ids, ManualClock};
use jifen_runtime::{
    Asked, BatchHandler, Ctx, Decode, Event, Failure, Incoming, Job, Mutation, Outbox, Running, Service, context::ClockHandle,
    job::run_once, message::RawMessage,
};
use jifen_testkit::{bus, samples, statements};
use sqlx::PgConnection;

use crate::support::Bench;

/// A batch of events.
pub struct Batch<H>(H, Vec<RawMessage>);

impl<H: BatchHandler> Job for Batch<H> {
    const NAME: &'static str = "batch";
    const EVERY: Duration = Duration::MAX;

    async fn run(&self, cx: &Ctx, tx: &mut PgConnection, out: &mut Outbox) -> Result<(), Failure> {
        let decode = |raw: &RawMessage| {
            let (item, cause) = H::Item::decode(raw).expect("decoded");
            Incoming { item, cause, raw: raw.clone() }
        };
        let items: Vec<Incoming<H::Item>> = self.1.iter().map(decode).collect();
        let prepared = self.0.prepare(cx, &items).await?;
        let fates = self.0.handle(cx, tx, &items, &prepared, out).await?;
        assert!(fates.retry.is_empty() && fates.poison.is_empty());
        Ok(())
    }
}

type Request<M> = <<M as Mutation>::Endpoint as Endpoint>::Request;
type Reply<M> = <<M as Mutation>::Endpoint as Endpoint>::Reply;

/// A batch of requests, and what is answered.
struct Requests<M: Mutation>(M, Vec<Asked<Request<M>>>, Mutex<Vec<Result<Reply<M>, Problem>>>);

impl<M: Mutation> Job for Requests<M> {
    const NAME: &'static str = "requests";
    const EVERY: Duration = Duration::MAX;

    async fn run(&self, cx: &Ctx, tx: &mut PgConnection, out: &mut Outbox) -> Result<(), Failure> {
        let prepared = self.0.prepare(cx, &self.1).await?;
        let answers = self.0.handle(cx, tx, &self.1.iter().collect::<Vec<_>>(), &prepared, out).await?;
        *self.2.lock().expect("whole") = answers;
        Ok(())
    }
}

/// The ledger without entrances: nothing happens to it but what a test does.
pub struct Ledger {
    pub bench: Bench,
    pub clock: Arc<ManualClock>,
    pub copy: Running,
}

impl Ledger {
    pub async fn start(at: DateTime<Utc>, programs: &[AppliedProgram]) -> Self {
        let bench = Bench::start().await;
        samples::remember(&bench.env, "points", programs).await;
        let clock = Arc::new(ManualClock::new(at));
        let mut config = bench.config();
        config.clock = ClockHandle(clock.clone());
        let copy = Service::new("points").start(config).await.expect("points starts");
        Self { bench, clock, copy }
    }

    pub fn cx(&self) -> &Ctx {
        self.copy.cx()
    }

    /// Events as a batch of a handler that reads them.
    pub fn batch<T: EventType, H: BatchHandler<Item = Event<T>>>(handler: H, events: &[T]) -> Batch<H> {
        let ids = Ids::system();
        let message = |(place, event): (usize, &T)| RawMessage {
            subject: event.subject(),
            payload: serde_json::to_vec(&bus::envelope(ids.next(bus::published_at()), bus::published_at(), event)).expect("json").into(),
            stream_sequence: u64::try_from(place).expect("a place") + 1,
            stored_at: bus::published_at(),
            deliveries: 1,
        };
        Batch(handler, events.iter().enumerate().map(message).collect())
    }

    /// Runs a job once; gives its statements, counted as long as the test has one thread.
    pub async fn run(&self, job: &impl Job) -> usize {
        statements::within(Box::pin(async { run_once(self.cx(), job).await.expect("done") })).await
    }

    /// Handles events as one batch; gives its statements.
    pub async fn handle<T: EventType, H: BatchHandler<Item = Event<T>>>(&self, handler: H, events: &[T]) -> usize {
        self.run(&Self::batch(handler, events)).await
    }

    /// Asks for all of it in one batch; nothing is refused. Gives its statements and the answers.
    pub async fn ask<M: Mutation>(&self, mutation: M, requests: Vec<Request<M>>) -> (usize, Vec<Reply<M>>) {
        let asked = requests.into_iter().map(|request| Asked { request, cause: jifen_runtime::message::Cause::default() }).collect();
        let requests = Requests(mutation, asked, Mutex::default());
        let cost = self.run(&requests).await;
        let answers = requests.2.into_inner().expect("whole");
        (cost, answers.into_iter().map(|answer| answer.expect("not refused")).collect())
    }

    pub async fn sql(&self, sql: &str) -> u64 {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        sqlx::raw_sql(sql).execute(self.bench.env.admin_pool()).await.expect("done").rows_affected()
    }

    /// Nothing is wrong, and nothing runs any longer.
    pub async fn close(self) {
        self.bench.assert_sound().await;
        assert!(self.copy.stop().await);
    }
}
