//! Marks: what the broker has acknowledged, written to the headers of the commits. Many at a time and in no hurry: a mark that is lost
//! is a repeat.

use chrono::{DateTime, Utc};
use sqlx::{PgExecutor, PgPool};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{failpoint, limits, relay::Epoch};

/// Marks queued for one statement.
pub(crate) const MARKS_WAITING: usize = 4_096;
/// Marks of one statement, which looks at each of them for each of its rows.
pub(crate) const MARKS_IN_BATCH: usize = 128;

/// What the broker said about the rows of one commit in one stream.
#[derive(Debug)]
pub(crate) struct Mark {
    pub(crate) slot: i16,
    pub(crate) commit_id: Uuid,
    pub(crate) stream: &'static str,
    pub(crate) epoch: Epoch,
    pub(crate) lowest: i64,
    pub(crate) highest: i64,
    pub(crate) highest_id: Uuid,
    pub(crate) published_at: DateTime<Utc>,
}

/// Marks what comes, as long as it comes.
pub(crate) async fn mark_all(service: &'static str, pool: PgPool, mut queue: mpsc::Receiver<Mark>, stop: CancellationToken) {
    let mut marks = Vec::with_capacity(MARKS_IN_BATCH);
    while queue.recv_many(&mut marks, MARKS_IN_BATCH).await > 0 {
        for of_slot in by_slot(&mut marks) {
            failpoint::pass(service, "relay.marking");
            if let Err(error) = save_marks_or_again(&pool, of_slot).await {
                tracing::warn!(service, %error, commits = of_slot.len(), "marking failed; the commits will be published again");
            }
        }
        failpoint::pass(service, "relay.marked");
        marks.clear();
        // A mark is in no hurry, and a statement costs the same for many as for one.
        tokio::select! { () = stop.cancelled() => {}, () = tokio::time::sleep(limits::MARK_EVERY) => {} }
    }
}

/// Saves marks of one slot, a few times if need be: a connection that was cut is no reason to publish all of it again.
async fn save_marks_or_again(pool: &PgPool, marks: &[Mark]) -> Result<(), sqlx::Error> {
    for pause in limits::MARK_AGAIN {
        if save_marks(pool, marks).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(pause).await;
    }
    save_marks(pool, marks).await
}

/// One slot a statement, as a parameter: Postgres then opens one partition of the ring, not all of them. But for the minutes
/// around midnight, and after an outage, there is only one.
pub(crate) fn by_slot(marks: &mut [Mark]) -> impl Iterator<Item = &[Mark]> {
    marks.sort_by_key(|mark| mark.slot);
    marks.chunk_by(|a, b| a.slot == b.slot)
}

/// Saves marks of one slot. The commits are named twice, so that no plan reads the whole slot: see [`limits::SESSION`].
pub(crate) async fn save_marks(on: impl PgExecutor<'_>, marks: &[Mark]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update outbox_commit c set published_at = m.at, stream_created_at = m.created, epoch = m.epoch, lowest_sequence = m.lowest,
                highest_sequence = m.highest, highest_id = m.highest_id
         from unnest($2::uuid[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::bigint[], $7::bigint[], $8::bigint[], $9::uuid[])
              m(commit_id, stream, at, created, epoch, lowest, highest, highest_id)
         where c.slot = $1 and c.commit_id = any($2) and c.commit_id = m.commit_id and c.stream = m.stream",
    )
    .bind(marks.first().map_or(0, |mark| mark.slot))
    .bind(marks.iter().map(|m| m.commit_id).collect::<Vec<_>>())
    .bind(marks.iter().map(|m| m.stream).collect::<Vec<_>>())
    .bind(marks.iter().map(|m| m.published_at).collect::<Vec<_>>())
    .bind(marks.iter().map(|m| m.epoch.created).collect::<Vec<_>>())
    .bind(marks.iter().map(|m| m.epoch.id).collect::<Vec<_>>())
    .bind(marks.iter().map(|m| m.lowest).collect::<Vec<_>>())
    .bind(marks.iter().map(|m| m.highest).collect::<Vec<_>>())
    .bind(marks.iter().map(|m| m.highest_id).collect::<Vec<_>>())
    .execute(on)
    .await?;
    Ok(())
}
