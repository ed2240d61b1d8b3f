//! How events leave: published from memory by the copy that committed them; [`crate::sweep`] takes what it could not.
//!
//! No promise rests on a broker's acknowledgement. A commit is published until its header row is marked; a lost mark
//! only means a repeat, which `Nats-Msg-Id` and the consumers' claims absorb. A mark names the epoch in which it was
//! acknowledged, so that [`crate::guard`] can tell what the broker has lost since.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
};

use async_nats::jetstream::{self, message::PublishMessage};
use chrono::{DateTime, SubsecRound, Utc};
use jifen_kernel::Clock;
use rand::Rng;
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

use crate::{
    atomic,
    copy::{self, CopySession},
    crypto::{SealKey, sha256},
    failpoint,
    failure::Failure,
    limits,
    marks::{MARKS_WAITING, Mark, mark_all},
    outbox::{Commit, OutRow},
    telemetry::Telemetry,
};

/// One life of a stream in one life of the broker. A broker that restarts may come back without its last messages, or with
/// those of yesterday, and go on counting from there: only within an epoch does a higher sequence mean a later message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Epoch {
    /// When the stream was created.
    pub(crate) created: DateTime<Utc>,
    pub(crate) id: i64,
}

/// What of a set of commits the broker has.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// Of the commits that it acknowledged whole.
    pub(crate) marks: Vec<Mark>,
    /// Messages that it acknowledged, also of the others.
    pub(crate) published: usize,
    /// Why it did not take the others.
    pub(crate) error: Option<String>,
}

/// Publishes committed rows and marks them.
pub struct Relay {
    js: jetstream::Context,
    options: PgConnectOptions,
    service: &'static str,
    copy: i32,
    seal: SealKey,
    clock: Arc<dyn Clock>,
    telemetry: Telemetry,
    atomic: bool,
    marks: Mutex<Option<mpsc::Sender<Mark>>>,
    marker: Mutex<Option<JoinHandle<()>>>,
    stopping: CancellationToken,
    orphans: PgPool,
    /// Of each stream, as asked on the connection of that number.
    epochs: Mutex<HashMap<&'static str, (u64, Epoch)>>,
}

impl Relay {
    pub(crate) fn start(
        service: &'static str,
        js: jetstream::Context,
        options: PgConnectOptions,
        seal: SealKey,
        clock: Arc<dyn Clock>,
        telemetry: Telemetry,
        atomic: bool,
    ) -> Self {
        // Marks need no durability: see above. One connection is enough, for they are batched.
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(limits::SWEEP_EVERY).connect_lazy_with(
            options.clone().application_name(&format!("jifen-{service}-relay")).options([("synchronous_commit", "off")]),
        );
        let (marks, queue) = mpsc::channel(MARKS_WAITING);
        let upkeep = tracing::info_span!(parent: None, crate::UPKEEP, service);
        let stopping = CancellationToken::new();
        let marker = tokio::spawn(mark_all(service, pool.clone(), queue, stopping.clone()).instrument(upkeep));
        Self {
            js,
            options: options.application_name(&format!("jifen-{service}-copy")),
            service,
            copy: rand::rng().random_range(1..=i32::MAX),
            seal,
            clock,
            telemetry,
            atomic,
            marks: Mutex::new(Some(marks)),
            marker: Mutex::new(Some(marker)),
            stopping,
            orphans: pool,
            epochs: Mutex::new(HashMap::new()),
        }
    }

    pub(crate) fn copy(&self) -> i32 {
        self.copy
    }

    /// Publishes a commit from memory. What fails or takes too long is left to the sweeper.
    pub(crate) async fn publish(&self, mut commit: Commit) {
        if commit.rows.is_empty() {
            return;
        }
        let sent = tokio::time::timeout(limits::PUBLISH_WAIT, self.send(&mut commit)).await;
        let error = match sent {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error,
            Err(_) => "no acknowledgement in time".to_owned(),
        };
        self.telemetry.count("publish_failures", self.service, "", commit.rows.len());
        tracing::warn!(service = self.service, rows = commit.rows.len(), error, "publishing failed; the rows wait for the sweeper");
        // Best effort: gives the commit up at once instead of after 30 s.
        let given_up = sqlx::query("update outbox_commit set copy = $3 where slot = $1 and commit_id = $2 and published_at is null")
            .bind(commit.slot)
            .bind(commit.commit_id)
            .bind(copy::ORPHANED)
            .execute(&self.orphans)
            .await;
        if let Err(error) = given_up {
            tracing::debug!(%error, "giving a commit up");
        }
    }

    async fn send(&self, commit: &mut Commit) -> Result<(), String> {
        let mut marks = if self.atomic { self.send_batches(commit).await? } else { Vec::new() };
        let sent = self.send_all(std::slice::from_mut(commit)).await?;
        marks.extend(sent.marks);
        let queue = self.marks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for mark in marks {
            if let Some(queue) = &queue {
                queue.send(mark).await.map_err(|e| e.to_string())?;
            }
        }
        sent.error.map_or(Ok(()), Err)
    }

    /// Publishes what is worth a batch, a batch for each stream, and takes it out of the commit. What the broker refuses stays.
    async fn send_batches(&self, commit: &mut Commit) -> Result<Vec<Mark>, String> {
        let connection = self.connection();
        let mut streams: BTreeMap<&'static str, Vec<&OutRow>> = BTreeMap::new();
        for row in &commit.rows {
            streams.entry(row.stream).or_default().push(row);
        }
        let mut marks: HashMap<&'static str, Mark> = HashMap::new();
        for (stream, rows) in streams.into_iter().filter(|(_, rows)| atomic::is_worth(rows.len())) {
            let epoch = self.epoch(stream).await?;
            match atomic::publish(&self.js.client(), commit.commit_id, &rows).await {
                Ok(last) => {
                    self.telemetry.count("published", self.service, "", rows.len());
                    for (row, sequence) in rows.iter().rev().zip((1..=last).rev()) {
                        self.acknowledged(&mut marks, (commit.slot, commit.commit_id), row, epoch, sequence);
                    }
                }
                Err(error) => tracing::info!(service = self.service, stream, error, "a batch was refused; its messages go one by one"),
            }
        }
        failpoint::pass(self.service, "relay.batched");
        if self.connection() != connection {
            return Err("the connection to the broker was renewed meanwhile".to_owned());
        }
        commit.rows.retain(|row| !marks.contains_key(row.stream));
        Ok(marks.into_values().collect())
    }

    /// Publishes commits, many messages in flight, and waits for every acknowledgement.
    pub(crate) async fn send_all(&self, commits: &mut [Commit]) -> Result<Sent, String> {
        failpoint::pass(self.service, "relay.sending");
        // Before anything is sent: an epoch asked for later might be one that has not got these messages.
        let connection = self.connection();
        let mut epochs: HashMap<&'static str, Epoch> = HashMap::new();
        for row in commits.iter().flat_map(|commit| &commit.rows) {
            if !epochs.contains_key(row.stream) {
                epochs.insert(row.stream, self.epoch(row.stream).await?);
            }
        }
        let rows = commits.iter().map(|commit| commit.rows.len()).sum::<usize>();
        let (mut acks, mut under_way) = (Vec::with_capacity(commits.len()), 0);
        for commit in commits {
            let id = (commit.slot, commit.commit_id);
            let mut of_commit = Vec::with_capacity(commit.rows.len());
            for row in &mut commit.rows {
                if under_way == rows / 2 {
                    failpoint::pass(self.service, "relay.half_sent");
                }
                under_way += 1;
                let message = PublishMessage::build().headers(std::mem::take(&mut row.headers)).payload(row.payload.clone());
                of_commit.push((&*row, self.js.send_publish(row.subject.clone(), message).await));
            }
            acks.push((id, of_commit));
        }
        failpoint::pass(self.service, "relay.sent");
        let mut sent = Sent::default();
        for (id, of_commit) in acks {
            let mut marks: HashMap<&'static str, Mark> = HashMap::new();
            let mut refused: Vec<&'static str> = Vec::new();
            for (row, ack) in of_commit {
                let ack = match ack {
                    Ok(ack) => ack.await,
                    Err(error) => Err(error),
                };
                match ack {
                    Ok(ack) => {
                        sent.published += 1;
                        self.acknowledged(&mut marks, id, row, epochs[row.stream], ack.sequence);
                    }
                    Err(error) => {
                        sent.error = Some(error.to_string());
                        refused.push(row.stream);
                    }
                }
            }
            // A header is of a stream: what one refused does not concern what another one took.
            sent.marks.extend(marks.into_values().filter(|mark| !refused.contains(&mark.stream)));
        }
        failpoint::pass(self.service, "relay.acked");
        if self.connection() != connection {
            return Err("the connection to the broker was renewed meanwhile".to_owned());
        }
        self.telemetry.count("published", self.service, "", sent.published);
        Ok(sent)
    }

    fn acknowledged(
        &self,
        marks: &mut HashMap<&'static str, Mark>,
        (slot, commit_id): (i16, Uuid),
        row: &OutRow,
        epoch: Epoch,
        sequence: u64,
    ) {
        let sequence = i64::try_from(sequence).unwrap_or(i64::MAX);
        let mark = marks.entry(row.stream).or_insert_with(|| Mark {
            slot,
            commit_id,
            stream: row.stream,
            epoch,
            lowest: sequence,
            highest: sequence,
            highest_id: row.id,
            published_at: self.clock.now(),
        });
        mark.lowest = mark.lowest.min(sequence);
        if sequence >= mark.highest {
            (mark.highest, mark.highest_id) = (sequence, row.id);
        }
    }

    /// Counts the connections to the broker: another number is another connection, perhaps to a broker that has restarted.
    pub(crate) fn connection(&self) -> u64 {
        self.js.client().statistics().connects.load(Ordering::Relaxed)
    }

    /// The stream's epoch on this connection.
    async fn epoch(&self, stream: &'static str) -> Result<Epoch, String> {
        let connection = self.connection();
        let known = self.epochs.lock().unwrap_or_else(PoisonError::into_inner).get(stream).copied();
        if let Some((asked_on, epoch)) = known
            && asked_on == connection
        {
            return Ok(epoch);
        }
        let created = created_of(self.look_at(stream).await.map_err(|e| format!("stream {stream}: {e}"))?.cached_info());
        let mut life = self.js.client().server_info().server_id.into_bytes();
        life.extend(created.timestamp_micros().to_be_bytes());
        let id = sha256(&life).first_chunk().copied().map_or(0, i64::from_be_bytes);
        let epoch = Epoch { created, id };
        if self.connection() != connection {
            return Err("the connection to the broker was renewed meanwhile".to_owned());
        }
        self.epochs.lock().unwrap_or_else(PoisonError::into_inner).insert(stream, (connection, epoch));
        Ok(epoch)
    }

    /// Asks a few times: a broker that reads its configuration anew does not answer for a moment.
    async fn look_at(&self, stream: &'static str) -> Result<jetstream::stream::Stream, jetstream::context::GetStreamError> {
        for pause in limits::EPOCH_AGAIN {
            if let Ok(found) = self.js.get_stream(stream).await {
                return Ok(found);
            }
            tokio::time::sleep(pause).await;
        }
        self.js.get_stream(stream).await
    }

    /// Epochs are asked for again: a stream can be made anew while the connection stays.
    pub(crate) fn forget_epochs(&self) {
        self.epochs.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Its session's settings.
    pub(crate) fn session(&self) -> CopySession {
        CopySession::new(self.options.clone(), self.service, self.copy)
    }

    /// Opens a payload that rests sealed.
    pub(crate) fn open(&self, id: Uuid, resting: &[u8]) -> Result<Vec<u8>, Failure> {
        self.seal.open(resting, id.as_bytes()).map_err(Failure::transient)
    }

    /// Marks what is queued and ends.
    pub(crate) async fn stop(&self) {
        self.stopping.cancel();
        self.marks.lock().unwrap_or_else(PoisonError::into_inner).take();
        let marker = self.marker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(marker) = marker
            && let Err(error) = marker.await
        {
            tracing::error!(%error, "the relay's marker failed");
        }
    }
}

/// When a stream was created, as far as Postgres can tell instants apart.
pub(crate) fn created_of(info: &jetstream::stream::Info) -> DateTime<Utc> {
    DateTime::from_timestamp_nanos(info.created.timestamp_nanos_opt().unwrap_or_default()).trunc_subsecs(6)
}
