//! How events leave: published from memory by the copy that committed them, swept from the table when it could not.
//!
//! No promise rests on a broker's acknowledgement. A commit is published until its header row is marked; a lost mark
//! only means a repeat, which `Nats-Msg-Id` and the consumers' claims absorb.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
};

use async_nats::{
    HeaderMap,
    jetstream::{self, message::PublishMessage},
};
use chrono::{DateTime, Utc};
use jifen_contracts::envelope;
use jifen_kernel::Clock;
use rand::Rng;
use sqlx::{
    AssertSqlSafe, PgConnection, PgPool, Row,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

use crate::{
    Ctx,
    copy::{self, CopySession},
    crypto::SealKey,
    failpoint,
    failure::Failure,
    limits,
    outbox::{Commit, OutRow},
    telemetry::Telemetry,
};

/// Marks queued for one statement.
const MARKS_WAITING: usize = 4_096;
const MARKS_IN_BATCH: usize = 256;

/// What the broker said about the rows of one commit in one stream.
#[derive(Debug)]
struct Mark {
    slot: i16,
    commit_id: Uuid,
    stream: &'static str,
    stream_created_at: Option<DateTime<Utc>>,
    lowest: i64,
    highest: i64,
    highest_id: Uuid,
    published_at: DateTime<Utc>,
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
    marks: Mutex<Option<mpsc::Sender<Mark>>>,
    marker: Mutex<Option<JoinHandle<()>>>,
    orphans: PgPool,
    created: Mutex<HashMap<&'static str, DateTime<Utc>>>,
}

impl Relay {
    pub(crate) fn start(
        service: &'static str,
        js: jetstream::Context,
        options: PgConnectOptions,
        seal: SealKey,
        clock: Arc<dyn Clock>,
        telemetry: Telemetry,
    ) -> Self {
        // Marks need no durability: see above. One connection is enough, for they are batched.
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(limits::SWEEP_EVERY).connect_lazy_with(
            options.clone().application_name(&format!("jifen-{service}-relay")).options([("synchronous_commit", "off")]),
        );
        let (marks, queue) = mpsc::channel(MARKS_WAITING);
        let upkeep = tracing::info_span!(parent: None, crate::UPKEEP, service);
        let marker = tokio::spawn(mark_all(service, pool.clone(), queue).instrument(upkeep));
        Self {
            js,
            options: options.application_name(&format!("jifen-{service}-copy")),
            service,
            copy: rand::rng().random_range(1..=i32::MAX),
            seal,
            clock,
            telemetry,
            marks: Mutex::new(Some(marks)),
            marker: Mutex::new(Some(marker)),
            orphans: pool,
            created: Mutex::new(HashMap::new()),
        }
    }

    pub(crate) fn copy(&self) -> i32 {
        self.copy
    }

    /// Publishes a commit from memory. What fails or takes too long is left to the sweeper.
    pub(crate) async fn publish(&self, commit: Commit) {
        if commit.rows.is_empty() {
            return;
        }
        let sent = tokio::time::timeout(limits::PUBLISH_WAIT, self.send(&commit)).await;
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

    async fn send(&self, commit: &Commit) -> Result<(), String> {
        failpoint::pass(self.service, "relay.sending");
        let mut acks = Vec::with_capacity(commit.rows.len());
        for row in &commit.rows {
            if acks.len() == commit.rows.len() / 2 {
                failpoint::pass(self.service, "relay.half_sent");
            }
            let message = PublishMessage::build().headers(headers_of(row)).payload(row.payload.clone());
            acks.push((row, self.js.send_publish(row.subject.clone(), message).await.map_err(|e| e.to_string())?));
        }
        failpoint::pass(self.service, "relay.sent");
        let mut marks: HashMap<&'static str, Mark> = HashMap::new();
        for (row, ack) in acks {
            let ack = ack.await.map_err(|e| e.to_string())?;
            let sequence = i64::try_from(ack.sequence).unwrap_or(i64::MAX);
            let mark = marks.entry(row.stream).or_insert_with(|| Mark {
                slot: commit.slot,
                commit_id: commit.commit_id,
                stream: row.stream,
                stream_created_at: None,
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
        failpoint::pass(self.service, "relay.acked");
        let queue = self.marks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (stream, mut mark) in marks {
            mark.stream_created_at = self.stream_created_at(stream).await;
            if let Some(queue) = &queue {
                queue.send(mark).await.map_err(|e| e.to_string())?;
            }
        }
        self.telemetry.count("published", self.service, "", commit.rows.len());
        Ok(())
    }

    /// When the stream was created, as last asked: the guard against amnesia compares it.
    async fn stream_created_at(&self, stream: &'static str) -> Option<DateTime<Utc>> {
        let known = self.created.lock().unwrap_or_else(PoisonError::into_inner).get(stream).copied();
        if known.is_some() {
            return known;
        }
        let found = self.js.get_stream(stream).await.ok()?.cached_info().created;
        let created = DateTime::from_timestamp_nanos(found.timestamp_nanos_opt()?);
        self.created.lock().unwrap_or_else(PoisonError::into_inner).insert(stream, created);
        Some(created)
    }

    /// Marks what is queued and ends.
    pub(crate) async fn stop(&self) {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner).take();
        let marker = self.marker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(marker) = marker
            && let Err(error) = marker.await
        {
            tracing::error!(%error, "the relay's marker failed");
        }
    }
}

fn headers_of(row: &OutRow) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", row.id.to_string());
    headers.insert("content-type", envelope::CONTENT_TYPE);
    for (name, value) in &row.headers {
        headers.insert(*name, value.as_str());
    }
    headers
}

async fn mark_all(service: &'static str, pool: PgPool, mut queue: mpsc::Receiver<Mark>) {
    let mut marks = Vec::with_capacity(MARKS_IN_BATCH);
    while queue.recv_many(&mut marks, MARKS_IN_BATCH).await > 0 {
        // One slot a statement, as a parameter: Postgres then opens one partition of the ring, not all of them. But for the
        // minutes around midnight there is only one.
        marks.sort_by_key(|mark| mark.slot);
        for of_slot in marks.chunk_by(|a, b| a.slot == b.slot) {
            failpoint::pass(service, "relay.marking");
            if let Err(error) = save_marks(&pool, of_slot[0].slot, of_slot).await {
                tracing::warn!(service, %error, commits = of_slot.len(), "marking failed; the commits will be published again");
            }
        }
        failpoint::pass(service, "relay.marked");
        marks.clear();
    }
}

async fn save_marks(pool: &PgPool, slot: i16, marks: &[Mark]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update outbox_commit c set published_at = m.at, stream_created_at = m.created, lowest_sequence = m.lowest,
                highest_sequence = m.highest, highest_id = m.highest_id
         from unnest($2::uuid[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::bigint[], $7::bigint[], $8::uuid[])
              m(commit_id, stream, at, created, lowest, highest, highest_id)
         where c.slot = $1 and c.commit_id = m.commit_id and c.stream = m.stream",
    )
    .bind(slot)
    .bind(marks.iter().map(|m| m.commit_id).collect::<Vec<_>>())
    .bind(marks.iter().map(|m| m.stream).collect::<Vec<_>>())
    .bind(marks.iter().map(|m| m.published_at).collect::<Vec<_>>())
    .bind(marks.iter().map(|m| m.stream_created_at).collect::<Vec<_>>())
    .bind(marks.iter().map(|m| m.lowest).collect::<Vec<_>>())
    .bind(marks.iter().map(|m| m.highest).collect::<Vec<_>>())
    .bind(marks.iter().map(|m| m.highest_id).collect::<Vec<_>>())
    .execute(pool)
    .await?;
    Ok(())
}

/// Runs in every copy: keeps the copy's session alive, counts what is unpublished, and in one copy sweeps.
pub(crate) async fn keep(cx: Arc<Ctx>, stop: CancellationToken) {
    let mut session = CopySession::new(cx.relay.options.clone(), cx.service, cx.relay.copy);
    let mut truncated_on = None;
    loop {
        if let Err(error) = tend(&cx, &mut session, &mut truncated_on).await {
            tracing::warn!(service = cx.service, %error, "the outbox can't be tended; trying again");
            session.lost();
        }
        // What other copies left behind may wait a little longer where nothing moves: an idle system shall be idle.
        let idle = cx.unpublished.load(Ordering::Relaxed) == 0 && !cx.committed.swap(false, Ordering::Relaxed);
        let pause = if idle { limits::SWEEP_EVERY_IDLE } else { limits::SWEEP_EVERY };
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(pause) => {}
        }
    }
    session.close().await;
}

async fn tend(cx: &Ctx, session: &mut CopySession, truncated_on: &mut Option<i64>) -> Result<(), Failure> {
    let connection = session.connection().await?;
    let now = cx.clock.now();
    let (rows, oldest_s): (i64, i64) = sqlx::query_as(
        "select coalesce(sum(row_count), 0)::bigint, coalesce(extract(epoch from now() - min(created_at)), 0)::bigint
         from outbox_commit where published_at is null",
    )
    .fetch_one(&mut *connection)
    .await?;
    cx.unpublished.store(rows, Ordering::Relaxed);
    cx.telemetry.gauge("outbox_unpublished_rows", cx.service, "", rows);
    cx.telemetry.gauge("outbox_oldest_seconds", cx.service, "", if rows == 0 { 0 } else { oldest_s });
    if !session.is_sweeper().await? {
        return Ok(());
    }
    let connection = session.connection().await?;
    if rows > 0 {
        sweep(cx, connection, now).await?;
    }
    let today = crate::outbox::day_of(now);
    if *truncated_on != Some(today) {
        match truncate_rings(connection, today).await {
            Ok(()) => *truncated_on = Some(today),
            // Somebody reads the partition: a day more of the ring costs nothing.
            Err(error) => tracing::info!(service = cx.service, %error, "old outbox rows stay for now"),
        }
    }
    Ok(())
}

async fn sweep(cx: &Ctx, connection: &mut PgConnection, now: DateTime<Utc>) -> Result<(), Failure> {
    let query = format!(
        "select slot, commit_id, stream from (
             select slot, commit_id, stream, created_at, row_number() over (partition by stream order by created_at) as place
             from outbox_commit
             where published_at is null
               and (created_at < $1 - make_interval(secs => $3) or (created_at < $1 - make_interval(secs => $2) and not {}))
         ) left_over
         where place <= $4 order by created_at",
        copy::COPY_LIVES
    );
    let commits: Vec<(i16, Uuid, String)> = sqlx::query_as(AssertSqlSafe(query))
        .bind(now)
        .bind(f64::from(limits::SWEEP_ORPHANS_AFTER_S))
        .bind(f64::from(limits::SWEEP_ANY_AFTER_S))
        .bind(limits::SWEEP_COMMITS)
        .fetch_all(&mut *connection)
        .await?;
    // A stream that takes nothing is asked once a sweep and holds no other up.
    let mut stuck: HashMap<String, Failure> = HashMap::new();
    for (slot, commit_id, stream) in commits {
        if stuck.contains_key(&stream) {
            continue;
        }
        let rows = match load_rows(cx, connection, slot, commit_id, &stream).await {
            Ok(rows) => rows,
            Err(error) => {
                // A row that can't be opened holds no other up.
                tracing::error!(service = cx.service, %commit_id, %error, "a commit can't be read back; it stays unpublished");
                continue;
            }
        };
        failpoint::pass(cx.service, "sweep.loaded");
        let count = rows.len();
        let commit = Commit { slot, commit_id, rows };
        let sent = tokio::time::timeout(limits::PUBLISH_WAIT * 5, cx.relay.send(&commit)).await;
        match sent {
            Ok(Ok(())) => {
                cx.telemetry.count("swept", cx.service, "", count);
                tracing::info!(service = cx.service, rows = count, "swept a commit that was left unpublished");
            }
            Ok(Err(error)) => drop(stuck.insert(stream, Failure::Transient(error))),
            Err(_) => drop(stuck.insert(stream, Failure::transient("the broker doesn't acknowledge"))),
        }
    }
    for (stream, failure) in stuck {
        tracing::warn!(service = cx.service, stream, error = %failure, "the stream takes nothing; its commits wait");
    }
    Ok(())
}

/// What a commit says in one stream: the others have headers of their own.
async fn load_rows(cx: &Ctx, connection: &mut PgConnection, slot: i16, commit_id: Uuid, stream: &str) -> Result<Vec<OutRow>, Failure> {
    let found =
        sqlx::query("select id, subject, sealed, payload from outbox where slot = $1 and commit_id = $2 and stream = $3 order by ordinal")
            .bind(slot)
            .bind(commit_id)
            .bind(stream)
            .fetch_all(connection)
            .await?;
    let mut rows = Vec::with_capacity(found.len());
    for row in found {
        let (id, subject, sealed): (Uuid, String, bool) = (row.try_get("id")?, row.try_get("subject")?, row.try_get("sealed")?);
        let resting: Vec<u8> = row.try_get("payload")?;
        let payload = if sealed { cx.relay.seal.open(&resting, id.as_bytes()).map_err(Failure::transient)? } else { resting };
        let stream = jifen_contracts::subject::stream_of(&subject).ok_or_else(|| Failure::transient("an outbox row of no stream"))?;
        rows.push(OutRow::resting(id, subject, stream, payload, sealed));
    }
    Ok(rows)
}

/// Empties the slots whose day is past, unless something in them is unpublished.
async fn truncate_rings(connection: &mut PgConnection, today: i64) -> Result<(), Failure> {
    for (slots, days, tables) in [
        (limits::OUTBOX_SLOTS, limits::OUTBOX_DAYS, &["outbox", "outbox_commit"][..]),
        (limits::INBOX_SLOTS, limits::INBOX_DAYS, &["inbox"][..]),
    ] {
        // The slot of tomorrow is left alone, too: clocks differ.
        for day in (today - slots + 2)..(today - days) {
            let slot = day.rem_euclid(slots);
            if tables.contains(&"outbox_commit") {
                let open: bool = sqlx::query_scalar("select exists (select from outbox_commit where slot = $1 and published_at is null)")
                    .bind(i16::try_from(slot).unwrap_or(0))
                    .fetch_one(&mut *connection)
                    .await?;
                if open {
                    continue;
                }
            }
            let first = tables[0];
            let used: bool = sqlx::query_scalar(AssertSqlSafe(format!("select exists (select from {first}_{slot})")))
                .fetch_one(&mut *connection)
                .await?;
            if used {
                let parts: Vec<String> = tables.iter().map(|table| format!("{table}_{slot}")).collect();
                let mut tx = sqlx::Connection::begin(&mut *connection).await?;
                sqlx::query(limits::TRUNCATE_LOCK_WAIT).execute(&mut *tx).await?;
                sqlx::query(AssertSqlSafe(format!("truncate {}", parts.join(", ")))).execute(&mut *tx).await?;
                tx.commit().await?;
            }
        }
    }
    Ok(())
}
