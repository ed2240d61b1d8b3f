//! When a system has come to rest: no message waits, every outbox is published, every accrual is settled, everybody has heard
//! everything.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Result, bail, ensure};
use async_nats::jetstream;
use futures_util::TryStreamExt;
use jifen_e2e::system::SERVICES;
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::time::Instant;

use crate::{fleet::Fleet, follow::Follower, site::Site};

/// What a fault left undone comes again within half a minute, and what that brings within another.
const PATIENCE: Duration = Duration::from_mins(3);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Waits until nothing moves any more.
///
/// `looked_after`: how long it must rest, for what has been forgotten is only noticed at the guard's next look.
pub async fn settle(
    site: &Site,
    nats: &async_nats::Client,
    fleet: &mut Fleet,
    followers: &[&Follower],
    served: impl Fn() -> bool,
    looked_after: Duration,
) -> Result<Duration> {
    let since = Instant::now();
    let (mut before, mut still_since) = (None, Instant::now());
    loop {
        fleet.look(site)?;
        let now = rest(site, nats, fleet, followers, &served).await;
        if since.elapsed() > PATIENCE {
            bail!(
                "it does not come to rest within {PATIENCE:?}: {}",
                now.map_or_else(|error| format!("{error:#}"), |_| "it goes on".to_owned())
            );
        }
        let now = now.ok();
        // Twice the same: what was published after the first look has been seen by the second.
        if now.is_some() && now == before {
            if still_since.elapsed() >= looked_after {
                return Ok(since.elapsed());
            }
        } else {
            still_since = Instant::now();
        }
        before = now;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// How far the streams go, if nothing is under way; else what is.
async fn rest(
    site: &Site,
    nats: &async_nats::Client,
    fleet: &Fleet,
    followers: &[&Follower],
    served: &impl Fn() -> bool,
) -> Result<Vec<u64>> {
    ensure!(fleet.all_ready().await, "a process is not ready");
    let waiting = waiting(nats).await?;
    ensure!(waiting.is_empty(), "messages wait: {waiting:?}");
    let mut database = site.database().await?;
    let unpublished = unpublished(&mut database).await?;
    ensure!(unpublished == 0, "{unpublished} outbox rows are unpublished");
    let unsettled: i64 =
        sqlx::query_scalar("select count(*) from points.accrual where settled_at is null").fetch_one(&mut database).await?;
    ensure!(unsettled == 0, "{unsettled} accruals are not settled");
    let open: i64 = sqlx::query_scalar("select count(*) from points.hold where state = 'open'").fetch_one(&mut database).await?;
    ensure!(open == 0, "{open} holds are open");
    let waiting: i64 = sqlx::query_scalar(
        "select (select count(*) from points.correction where applied_at is null) + (select sum(waiting) from tier.standing)",
    )
    .fetch_one(&mut database)
    .await?;
    ensure!(waiting == 0, "{waiting} corrections wait for their accruals");
    let mut ends = Vec::with_capacity(followers.len());
    for follower in followers {
        ends.push(follower.end().await?);
    }
    ensure!(served(), "the gateway has not served everything");
    Ok(ends)
}

/// Messages that services have not finished, by durable.
async fn waiting(nats: &async_nats::Client) -> Result<BTreeSet<(String, u64, usize)>> {
    let mut js = jetstream::new(nats.clone());
    js.set_timeout(Duration::from_secs(2));
    let mut waiting = BTreeSet::new();
    let mut durables = 0;
    for name in ["POS", "EVENTS", "GATEWAY_RECEIPTS"] {
        let stream = js.get_stream_no_info(name).await?;
        let consumers: Vec<_> = stream.consumers().try_collect().await?;
        for info in consumers {
            let Some(durable) = info.config.durable_name else { continue };
            durables += 1;
            if info.num_pending > 0 || info.num_ack_pending > 0 {
                waiting.insert((durable, info.num_pending, info.num_ack_pending));
            }
        }
    }
    ensure!(durables >= 9, "only {durables} durables are there");
    Ok(waiting)
}

async fn unpublished(database: &mut PgConnection) -> Result<i64> {
    let each = SERVICES.map(|service| format!("select row_count from {service}.outbox_commit where published_at is null"));
    let sql = format!("select coalesce(sum(row_count), 0)::bigint from ({}) rows", each.join(" union all "));
    Ok(sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(database).await?)
}
