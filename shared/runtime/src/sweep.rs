//! The outbox's keeper: in every copy it keeps the copy's session alive and counts what is unpublished; in one copy a service
//! it publishes what copies left behind, lets the [`crate::guard`] look for what the broker has lost, and empties old days.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, atomic::Ordering},
};

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use jifen_contracts::subject::STREAMS;
use sqlx::{AssertSqlSafe, PgConnection, Row, postgres::PgRow};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    Ctx, copy, failpoint,
    failure::Failure,
    guard::{Guard, Wanted},
    limits,
    marks::{MARKS_IN_BATCH, Mark, by_slot, save_marks},
    outbox::{Commit, OutRow},
};

/// Runs in every copy.
pub(crate) async fn keep(cx: Arc<Ctx>, wanted: Wanted, stop: CancellationToken) {
    let mut session = cx.relay.session();
    let mut guard = Guard::new(cx.limits.guard_every_s);
    let mut truncated_on = None;
    loop {
        let more = tend(&cx, &wanted, &mut guard, &mut session, &mut truncated_on).await.unwrap_or_else(|error| {
            tracing::warn!(service = cx.service, %error, "the outbox can't be tended; trying again");
            session.lost();
            false
        });
        // What other copies left behind may wait a little longer where nothing moves: an idle system shall be idle.
        let idle = cx.unpublished.load(Ordering::Relaxed) == 0 && !cx.committed.swap(false, Ordering::Relaxed);
        let pause = match (more, idle) {
            (true, _) => std::time::Duration::ZERO,
            (false, true) => limits::SWEEP_EVERY_IDLE,
            (false, false) => limits::SWEEP_EVERY,
        };
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(pause) => {}
        }
    }
    session.close().await;
}

/// True if there is more to do at once.
async fn tend(
    cx: &Ctx,
    wanted: &Wanted,
    guard: &mut Guard,
    session: &mut copy::CopySession,
    truncated_on: &mut Option<i64>,
) -> Result<bool, Failure> {
    let connection = session.connection().await?;
    let now = cx.clock.now();
    let mut unpublished = count(cx, connection).await?;
    let sweeps = session.is_sweeper().await?;
    let connection = session.connection().await?;
    let mut more = false;
    if guard.is_due(cx) {
        // Whoever sweeps: a stream may have been made anew without this connection noticing.
        cx.relay.forget_epochs();
        // Half of what a service may have unpublished is left for what it commits meanwhile.
        if sweeps && unpublished <= cx.limits.unpublished_rows / 2 {
            more = guard.look(cx, connection).await?;
            unpublished = count(cx, connection).await?;
        }
    }
    if !sweeps {
        return Ok(false);
    }
    if unpublished > 0 {
        more |= sweep(cx, wanted, connection, now).await?;
    }
    let today = crate::outbox::day_of(now);
    if *truncated_on != Some(today) {
        match truncate_rings(connection, today).await {
            Ok(()) => *truncated_on = Some(today),
            // Somebody reads the partition: a day more of the ring costs nothing.
            Err(error) => tracing::info!(service = cx.service, %error, "old outbox rows stay for now"),
        }
    }
    Ok(more)
}

async fn count(cx: &Ctx, connection: &mut PgConnection) -> Result<i64, Failure> {
    let (rows, oldest_s): (i64, i64) = sqlx::query_as(
        "select coalesce(sum(row_count), 0)::bigint, greatest(coalesce(extract(epoch from $1 - min(created_at)), 0), 0)::bigint
         from outbox_commit where published_at is null",
    )
    // By the clock that the commits were stamped with.
    .bind(cx.clock.now())
    .fetch_one(connection)
    .await?;
    cx.unpublished.store(rows, Ordering::Relaxed);
    cx.telemetry.gauge("outbox_unpublished_rows", cx.service, "", rows);
    cx.telemetry.gauge("outbox_oldest_seconds", cx.service, "", if rows == 0 { 0 } else { oldest_s });
    Ok(rows)
}

/// A commit that waits, in one stream: the others have headers of their own.
#[derive(Debug)]
struct Waiting {
    slot: i16,
    commit_id: Uuid,
    stream: String,
    /// The broker had it before.
    again: bool,
}

/// Publishes the oldest of what was left behind, so many rows a stream. True if there was more of it, and it moves.
async fn sweep(cx: &Ctx, wanted: &Wanted, connection: &mut PgConnection, now: DateTime<Utc>) -> Result<bool, Failure> {
    let (commits, rest) = load_waiting(connection, now).await?;
    let mut round = Round { cx, wanted, marks: Vec::new(), settled: Vec::new(), stuck: HashMap::new(), swept: 0 };
    round.run(connection, &commits).await?;
    let Round { mut marks, settled, stuck, swept, .. } = round;
    // Here and not by the marker: the next round must not find them again.
    for some in by_slot(&mut marks).flat_map(|of_slot| of_slot.chunks(MARKS_IN_BATCH)) {
        save_marks(&mut *connection, some).await?;
    }
    settle(connection, &settled, now).await?;
    if swept > 0 {
        cx.telemetry.count("swept", cx.service, "", swept);
        tracing::info!(service = cx.service, rows = swept, commits = marks.len(), "swept commits that were left unpublished");
    }
    for (stream, error) in stuck {
        tracing::warn!(service = cx.service, stream, error, "the stream takes nothing; its commits wait");
    }
    Ok(rest && !(marks.is_empty() && settled.is_empty()))
}

/// The oldest commits of each stream that nobody publishes any more; and whether there are others.
async fn load_waiting(connection: &mut PgConnection, now: DateTime<Utc>) -> Result<(Vec<Waiting>, bool), Failure> {
    let query = format!(
        "select slot, commit_id, stream, again, before < $4 as due from (
             select w.*, sum(w.row_count) over (partition by w.stream order by w.created_at, w.commit_id) - w.row_count as before
             from unnest($5::text[]) s(name), lateral (
                 select slot, commit_id, stream, created_at, row_count, lowest_sequence is not null as again
                 from outbox_commit
                 where published_at is null and stream = s.name
                   and (created_at < $1 - make_interval(secs => $3) or (created_at < $1 - make_interval(secs => $2) and not {}))
                 order by created_at, commit_id limit $4 + 1) w
         ) left_over
         where before < $4 + $4 order by stream, created_at, commit_id",
        copy::COPY_LIVES
    );
    // So many commits of each stream that one is left over if there are more: a backlog of days is not looked through every second.
    let streams: Vec<&str> = STREAMS.iter().map(|(name, _)| *name).collect();
    let found: Vec<(i16, Uuid, String, bool, bool)> = sqlx::query_as(AssertSqlSafe(query))
        .bind(now)
        .bind(f64::from(limits::SWEEP_ORPHANS_AFTER_S))
        .bind(f64::from(limits::SWEEP_ANY_AFTER_S))
        .bind(limits::SWEEP_ROWS)
        .bind(&streams)
        .fetch_all(connection)
        .await?;
    let rest = found.iter().any(|commit| !commit.4);
    let due = found.into_iter().filter(|commit| commit.4);
    Ok((due.map(|(slot, commit_id, stream, again, _)| Waiting { slot, commit_id, stream, again }).collect(), rest))
}

/// One round of the sweeper.
struct Round<'a> {
    cx: &'a Ctx,
    wanted: &'a Wanted,
    marks: Vec<Mark>,
    /// Commits of which nothing is worth publishing, again or at all.
    settled: Vec<(i16, Uuid, String)>,
    /// A stream that takes nothing is asked once and holds no other up.
    stuck: HashMap<String, String>,
    swept: usize,
}

impl Round<'_> {
    async fn run(&mut self, connection: &mut PgConnection, commits: &[Waiting]) -> Result<(), Failure> {
        let slots: Vec<i16> = commits.iter().map(|commit| commit.slot).collect();
        let ids: Vec<Uuid> = commits.iter().map(|commit| commit.commit_id).collect();
        let streams: Vec<&str> = commits.iter().map(|commit| commit.stream.as_str()).collect();
        let mut rows = sqlx::query(
            "select w.place, o.id, o.subject, o.sealed, o.payload
             from unnest($1::smallint[], $2::uuid[], $3::text[]) with ordinality w(slot, commit_id, stream, place)
             join outbox o on o.slot = w.slot and o.commit_id = w.commit_id and o.stream = w.stream
             order by w.place, o.ordinal",
        )
        .bind(&slots)
        .bind(&ids)
        .bind(&streams)
        .fetch(connection);
        let (mut batch, mut bytes): (Vec<(&Waiting, Commit)>, usize) = (Vec::new(), 0);
        let (mut current, mut readable) = (None, true);
        while let Some(row) = rows.try_next().await? {
            let place = usize::try_from(row.try_get::<i64, _>("place")? - 1).unwrap_or(usize::MAX);
            let Some(waiting) = commits.get(place) else { continue };
            if current != Some(place) {
                let is_other_stream = batch.last().is_some_and(|(last, _)| last.stream != waiting.stream);
                if is_other_stream || bytes > limits::SWEEP_BYTES {
                    self.publish(std::mem::take(&mut batch)).await?;
                    bytes = 0;
                }
                (current, readable) = (Some(place), true);
                batch.push((waiting, Commit { slot: waiting.slot, commit_id: waiting.commit_id, rows: Vec::new() }));
            }
            match (read(self.cx, &row), batch.last_mut()) {
                (Ok(row), Some((_, commit))) if readable => {
                    bytes += row.payload.len();
                    commit.rows.push(row);
                }
                (Err(error), Some(_)) if readable => {
                    // A row that can't be opened holds no other up.
                    let commit_id = waiting.commit_id;
                    tracing::error!(service = self.cx.service, %commit_id, %error, "a commit can't be read back; it stays unpublished");
                    batch.pop();
                    readable = false;
                }
                _ => {}
            }
        }
        self.publish(batch).await
    }

    /// Publishes commits of one stream.
    async fn publish(&mut self, mut batch: Vec<(&Waiting, Commit)>) -> Result<(), Failure> {
        let Some(stream) = batch.first().map(|(waiting, _)| waiting.stream.clone()) else { return Ok(()) };
        if self.stuck.contains_key(&stream) {
            return Ok(());
        }
        failpoint::pass(self.cx.service, "sweep.loaded");
        if let Some(filter) = self.wanted.get(stream.as_str()) {
            let mut keep = HashSet::new();
            for again in [true, false] {
                let rows: Vec<&OutRow> =
                    batch.iter().filter(|(waiting, _)| waiting.again == again).flat_map(|(_, commit)| &commit.rows).collect();
                if !rows.is_empty() {
                    keep.extend(filter.wanted(self.cx, &rows, again).await?);
                }
            }
            for (waiting, commit) in &mut batch {
                commit.rows.retain(|row| keep.contains(&row.id));
                if commit.rows.is_empty() {
                    self.settled.push((waiting.slot, waiting.commit_id, stream.clone()));
                }
            }
        }
        let mut commits: Vec<Commit> = batch.into_iter().map(|(_, commit)| commit).filter(|commit| !commit.rows.is_empty()).collect();
        match tokio::time::timeout(limits::PUBLISH_WAIT * 5, self.cx.relay.send_all(&mut commits)).await {
            Ok(Ok(sent)) => {
                self.swept += sent.published;
                self.marks.extend(sent.marks);
                if let Some(error) = sent.error {
                    self.stuck.insert(stream, error);
                }
            }
            Ok(Err(error)) => drop(self.stuck.insert(stream, error)),
            Err(_) => drop(self.stuck.insert(stream, "the broker doesn't acknowledge".to_owned())),
        }
        Ok(())
    }
}

fn read(cx: &Ctx, row: &PgRow) -> Result<OutRow, Failure> {
    let (id, subject, sealed): (Uuid, String, bool) = (row.try_get("id")?, row.try_get("subject")?, row.try_get("sealed")?);
    let resting: Vec<u8> = row.try_get("payload")?;
    let payload = if sealed { cx.relay.open(id, &resting)? } else { resting };
    let stream = jifen_contracts::subject::stream_of(&subject).ok_or_else(|| Failure::transient("an outbox row of no stream"))?;
    Ok(OutRow::resting(id, subject, stream, payload, sealed))
}

/// Nothing of these is in the stream, and nothing shall be.
async fn settle(connection: &mut PgConnection, commits: &[(i16, Uuid, String)], now: DateTime<Utc>) -> Result<(), Failure> {
    if commits.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "update outbox_commit c set published_at = $4, lowest_sequence = null, highest_sequence = null, highest_id = null
         from unnest($1::smallint[], $2::uuid[], $3::text[]) u(slot, commit_id, stream)
         where c.slot = u.slot and c.commit_id = u.commit_id and c.stream = u.stream",
    )
    .bind(commits.iter().map(|commit| commit.0).collect::<Vec<_>>())
    .bind(commits.iter().map(|commit| commit.1).collect::<Vec<_>>())
    .bind(commits.iter().map(|commit| commit.2.as_str()).collect::<Vec<_>>())
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
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
