//! The naive way: what a team writes without much thought. One message, one transaction of single-row statements, one
//! publish, one ack; eight at a time.

use anyhow::{Result, anyhow};
use async_nats::{
    HeaderMap,
    jetstream::{Context, Message, consumer::PullConsumer, message::PublishMessage},
};
use futures_util::TryStreamExt;
use jifen_kernel::{Clock, Ids, SystemClock};
use sqlx::{PgPool, postgres::PgPoolOptions};

use crate::event::{Event, Line, earned};

/// Its tables: the floor's without an outbox, which takes thought.
pub const TABLES: &str = "
    create table account (member_id uuid primary key, active bigint not null);
    create table entry (member_id uuid, entry_id uuid, lot_id uuid not null, category text not null, points bigint not null,
                        posted_at timestamptz not null, primary key (member_id, entry_id));
    create table lot (store text, document text, member_id uuid not null, lot_id uuid not null, points bigint not null,
                      remaining bigint not null, posted_at timestamptz not null, primary key (store, document));
    create index on lot (member_id, lot_id);";

const AT_A_TIME: u32 = 8;

/// Works until it is killed.
pub async fn work(js: Context, consumer: PullConsumer, database_url: &str) -> Result<()> {
    let pool = PgPoolOptions::new().min_connections(AT_A_TIME).max_connections(AT_A_TIME).connect(database_url).await?;
    let messages = consumer.messages().await?.map_err(|error| anyhow!(error));
    messages.try_for_each_concurrent(AT_A_TIME as usize, |message| post(&js, &pool, message)).await
}

async fn post(js: &Context, pool: &PgPool, message: Message) -> Result<()> {
    let event: Event<'_> = serde_json::from_slice(&message.payload)?;
    let invoice = &event.data;
    let (ids, now) = (Ids::system(), SystemClock.now());
    let (lot_id, sum) = (ids.next(now), invoice.lines.iter().map(Line::points).sum::<i64>());
    let mut tx = pool.begin().await?;
    let claimed = sqlx::query("insert into lot values ($1, $2, $3, $4, $5, $5, $6) on conflict do nothing")
        .bind(&*invoice.store)
        .bind(&*invoice.invoice_no)
        .bind(invoice.member_id)
        .bind(lot_id)
        .bind(sum)
        .bind(now)
        .execute(&mut *tx)
        .await?;
    if claimed.rows_affected() == 1 {
        for line in &invoice.lines {
            sqlx::query("insert into entry values ($1, $2, $3, $4, $5, $6)")
                .bind(invoice.member_id)
                .bind(ids.next(now))
                .bind(lot_id)
                .bind(&*line.category)
                .bind(line.points())
                .bind(now)
                .execute(&mut *tx)
                .await?;
        }
        sqlx::query("insert into account values ($1, $2) on conflict (member_id) do update set active = account.active + excluded.active")
            .bind(invoice.member_id)
            .bind(sum)
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await?;
    let id = ids.next(now);
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", id.to_string());
    let earned = PublishMessage::build().headers(headers).payload(earned(&event, id, &now.to_rfc3339())?.into());
    js.send_publish(format!("evt.points.earned.v1.{}", invoice.store), earned).await?.await?;
    message.ack().await.map_err(|error| anyhow!(error))
}
