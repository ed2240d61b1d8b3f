//! The floor: the barest correct pipeline for the same invoices. What the runtime and the points service cost is what they
//! cost beyond this.
//!
//! fetch 500 -> decode -> one transaction that writes as many entry, lot, account and outbox rows as points does -> publish
//! -> ack. The next transaction overlaps with publishing and acking the last one, and the next fetch with both.
//!
//! Correct: a repeated invoice is claimed by its lot and writes nothing; what was committed and not published is published
//! by the next start; a commit is marked with the transaction after the next. It knows no rules, no chain of hashes, no
//! poison, no second copy, no sealing, and it dies of any error.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Result, anyhow};
use async_nats::{
    HeaderMap,
    jetstream::{Context, Message, consumer::PullConsumer, message::PublishMessage},
};
use futures_util::StreamExt;
use jifen_kernel::{Clock, Ids, SystemClock};
use sqlx::{Connection, PgConnection};
use tokio::sync::{Semaphore, mpsc};
use uuid::Uuid;

use crate::event::{Event, earned};

/// Its tables, with the keys that any ledger needs: by member, and by document for the claim.
pub const TABLES: &str = "
    create table account (member_id uuid primary key, active bigint not null);
    create table entry (member_id uuid, entry_id uuid, lot_id uuid not null, category text not null, points bigint not null,
                        posted_at timestamptz not null, primary key (member_id, entry_id));
    create table lot (store text, document text, member_id uuid not null, lot_id uuid not null, points bigint not null,
                      remaining bigint not null, posted_at timestamptz not null, primary key (store, document));
    create index on lot (member_id, lot_id);
    create table outbox (commit_id uuid, ordinal int, id uuid not null, subject text not null, payload bytea not null,
                         primary key (commit_id, ordinal));
    create table outbox_commit (commit_id uuid primary key, published boolean not null default false);";

const BATCH: usize = 500;
/// Batches that publish and ack while the next one is written.
const IN_FLIGHT: usize = 3;

/// An outbox row on its way.
struct Out {
    id: Uuid,
    subject: String,
    payload: Vec<u8>,
}

/// A batch as columns.
#[derive(Default)]
struct Rows {
    stores: Vec<String>,
    documents: Vec<String>,
    members: Vec<Uuid>,
    lots: Vec<Uuid>,
    points: Vec<i64>,
    /// By entry: which of the lots above, category, points.
    entries: Vec<(usize, String, i64)>,
    outs: Vec<Out>,
}

/// Works until it is killed.
pub async fn work(js: Context, consumer: PullConsumer, database_url: &str) -> Result<()> {
    let mut pg = PgConnection::connect(database_url).await?;
    let marks = Arc::new(Mutex::new(Vec::new()));
    publish_left_over(&js, &mut pg, &marks).await?;
    let (sender, mut fetched) = mpsc::channel::<Vec<Message>>(1);
    let fetching = async move {
        loop {
            let mut batch = fetch(&consumer, BATCH).await?;
            if batch.is_empty() {
                // Nothing is there: wait for the first.
                batch = wait_for_one(&consumer).await?;
            }
            if !batch.is_empty() {
                sender.send(batch).await?;
            }
        }
        #[expect(unreachable_code, reason = "says what the block gives")]
        anyhow::Ok(())
    };
    let working = async {
        let in_flight = Arc::new(Semaphore::new(IN_FLIGHT));
        while let Some(messages) = fetched.recv().await {
            let permit = Arc::clone(&in_flight).acquire_owned().await?;
            let (commit, outs) = write(&mut pg, &messages, &marks).await?;
            let (js, marks) = (js.clone(), Arc::clone(&marks));
            tokio::spawn(async move {
                if let Err(error) = finish(&js, outs, messages).await {
                    // Dying is the floor's way to try again.
                    crate::report::note(&format!("floor: {error:#}"));
                    std::process::exit(1);
                }
                marks.lock().unwrap_or_else(PoisonError::into_inner).push(commit);
                drop(permit);
            });
        }
        Ok(())
    };
    tokio::try_join!(fetching, working).map(|_: ((), ())| ())
}

async fn fetch(consumer: &PullConsumer, count: usize) -> Result<Vec<Message>> {
    let mut messages = consumer.fetch().max_messages(count).messages().await?;
    let mut batch = Vec::with_capacity(count);
    while let Some(message) = messages.next().await {
        batch.push(message.map_err(|error| anyhow!(error))?);
    }
    Ok(batch)
}

async fn wait_for_one(consumer: &PullConsumer) -> Result<Vec<Message>> {
    let mut messages = consumer.batch().max_messages(1).expires(Duration::from_secs(5)).messages().await?;
    let first = messages.next().await.transpose().map_err(|error| anyhow!(error))?;
    Ok(first.into_iter().collect())
}

fn decode(messages: &[Message], ids: &Ids) -> Result<Rows> {
    let now = SystemClock.now();
    let time = now.to_rfc3339();
    let mut rows = Rows::default();
    for message in messages {
        let event: Event<'_> = serde_json::from_slice(&message.payload)?;
        let (id, lot) = (ids.next(now), rows.lots.len());
        rows.outs.push(Out { id, subject: format!("evt.points.earned.v1.{}", event.data.store), payload: earned(&event, id, &time)? });
        rows.entries.extend(event.data.lines.iter().map(|line| (lot, line.category.to_string(), line.points())));
        rows.points.push(event.data.lines.iter().map(crate::event::Line::points).sum());
        rows.lots.push(ids.next(now));
        rows.members.push(event.data.member_id);
        rows.stores.push(event.data.store.into_owned());
        rows.documents.push(event.data.invoice_no.into_owned());
    }
    Ok(rows)
}

/// The transaction: claim, then everything else in one statement. Gives the commit and what to publish.
async fn write(pg: &mut PgConnection, messages: &[Message], marks: &Mutex<Vec<Uuid>>) -> Result<(Uuid, Vec<Out>)> {
    let ids = Ids::system();
    let now = SystemClock.now();
    let mut rows = decode(messages, &ids)?;
    let commit = ids.next(now);
    let mut tx = pg.begin().await?;
    let claimed: Vec<Uuid> = sqlx::query_scalar(
        "insert into lot (store, document, member_id, lot_id, points, remaining, posted_at)
         select u.*, u.points, $6 from unnest($1::text[], $2::text[], $3::uuid[], $4::uuid[], $5::bigint[]) u(s, d, m, l, points)
         on conflict do nothing returning lot_id",
    )
    .bind(&rows.stores)
    .bind(&rows.documents)
    .bind(&rows.members)
    .bind(&rows.lots)
    .bind(&rows.points)
    .bind(now)
    .fetch_all(&mut *tx)
    .await?;
    let new: Vec<bool> = if claimed.len() == messages.len() {
        vec![true; messages.len()]
    } else {
        let claimed: std::collections::HashSet<Uuid> = claimed.into_iter().collect();
        rows.lots.iter().map(|lot| claimed.contains(lot)).collect()
    };
    rows.entries.retain(|(lot, ..)| new[*lot]);
    let mut balances: BTreeMap<Uuid, i64> = BTreeMap::new();
    for (lot, _, points) in &rows.entries {
        *balances.entry(rows.members[*lot]).or_default() += points;
    }
    let outs: Vec<Out> = rows.outs.into_iter().zip(&new).filter(|(_, new)| **new).map(|(out, _)| out).collect();
    let published = std::mem::take(&mut *marks.lock().unwrap_or_else(PoisonError::into_inner));
    sqlx::query(
        "with entries as (
             insert into entry (member_id, entry_id, lot_id, category, points, posted_at)
             select u.*, $6 from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::bigint[]) u),
         accounts as (
             insert into account (member_id, active) select * from unnest($7::uuid[], $8::bigint[])
             on conflict (member_id) do update set active = account.active + excluded.active),
         marked as (update outbox_commit set published = true where commit_id = any($9)),
         header as (insert into outbox_commit (commit_id) values ($10))
         insert into outbox (commit_id, ordinal, id, subject, payload)
         select $10, u.ordinal, u.id, u.subject, u.payload
         from unnest($11::uuid[], $12::text[], $13::bytea[]) with ordinality u(id, subject, payload, ordinal)",
    )
    .bind(rows.entries.iter().map(|(lot, ..)| rows.members[*lot]).collect::<Vec<_>>())
    .bind(rows.entries.iter().map(|_| ids.next(now)).collect::<Vec<_>>())
    .bind(rows.entries.iter().map(|(lot, ..)| rows.lots[*lot]).collect::<Vec<_>>())
    .bind(rows.entries.iter().map(|(_, category, _)| category.as_str()).collect::<Vec<_>>())
    .bind(rows.entries.iter().map(|(.., points)| *points).collect::<Vec<_>>())
    .bind(now)
    .bind(balances.keys().copied().collect::<Vec<_>>())
    .bind(balances.values().copied().collect::<Vec<_>>())
    .bind(published)
    .bind(commit)
    .bind(outs.iter().map(|out| out.id).collect::<Vec<_>>())
    .bind(outs.iter().map(|out| out.subject.as_str()).collect::<Vec<_>>())
    .bind(outs.iter().map(|out| out.payload.as_slice()).collect::<Vec<_>>())
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok((commit, outs))
}

async fn finish(js: &Context, outs: Vec<Out>, messages: Vec<Message>) -> Result<()> {
    publish(js, outs).await?;
    for message in messages {
        message.ack().await.map_err(|error| anyhow!(error))?;
    }
    Ok(())
}

async fn publish(js: &Context, outs: Vec<Out>) -> Result<()> {
    let mut acks = Vec::with_capacity(outs.len());
    for out in outs {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", out.id.to_string());
        acks.push(js.send_publish(out.subject, PublishMessage::build().headers(headers).payload(out.payload.into())).await?);
    }
    for ack in acks {
        ack.await?;
    }
    Ok(())
}

async fn publish_left_over(js: &Context, pg: &mut PgConnection, marks: &Mutex<Vec<Uuid>>) -> Result<()> {
    let left: Vec<(Uuid, Uuid, String, Vec<u8>)> = sqlx::query_as(
        "select commit_id, o.id, o.subject, o.payload from outbox o join outbox_commit c using (commit_id) where not c.published",
    )
    .fetch_all(pg)
    .await?;
    let mut commits: Vec<Uuid> = left.iter().map(|row| row.0).collect();
    commits.dedup();
    publish(js, left.into_iter().map(|(_, id, subject, payload)| Out { id, subject, payload }).collect()).await?;
    marks.lock().unwrap_or_else(PoisonError::into_inner).extend(commits);
    Ok(())
}
