//! The guard against the broker's amnesia: what it acknowledged and no longer has is published again.
//!
//! A broker may come back without a stream, without its last messages, or with those of yesterday; and it goes on counting
//! from there. Each mark of the outbox therefore names the epoch in which it was acknowledged (one life of a stream in one
//! life of the broker). Within an epoch, what is lost from a stream's end is everything above some sequence: so it suffices to
//! look at the highest message of each epoch, and to search for the boundary where that one is gone. What is missing within
//! a stream shows in its count of messages, for nobody may delete there.
//!
//! What is concerned loses its mark, so many rows at a time, and the sweeper publishes it like anything left behind. A look
//! keeps nothing in mind that it needs: a copy that dies half way leaves the rest to the next one.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    future::Future,
    time::Duration,
};

use async_nats::jetstream::stream::{Info, RawMessageErrorKind, Stream};
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use jifen_contracts::subject::{PURGED_TO, UNREADABLE};
use sqlx::PgConnection;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{Ctx, copy, failure::Failure, limits, outbox::OutRow, relay::created_of};

/// Which of the messages that wait for their stream, or that the broker has lost, are still worth publishing.
pub trait Republish: Send + Sync + 'static {
    /// The stream that shall have them.
    const STREAM: &'static str;

    /// Gives the ids of those rows that shall be published again after the broker lost them; the others count as done.
    fn wanted(&self, cx: &Ctx, rows: &[&OutRow]) -> impl Future<Output = Result<HashSet<Uuid>, Failure>> + Send;

    /// Gives the ids of those rows that shall still be published for the first time, though they were left behind: a stream may
    /// have taken nothing for days. The others count as done. All of them, unless said otherwise.
    fn in_time(&self, _: &Ctx, rows: &[&OutRow]) -> impl Future<Output = Result<HashSet<Uuid>, Failure>> + Send {
        std::future::ready(Ok(rows.iter().map(|row| row.id).collect()))
    }
}

/// As [`Republish`], whatever its type.
pub(crate) trait Filter: Send + Sync {
    /// `again`: of those that the broker has lost.
    fn wanted<'a>(&'a self, cx: &'a Ctx, rows: &'a [&'a OutRow], again: bool) -> BoxFuture<'a, Result<HashSet<Uuid>, Failure>>;
}

impl<R: Republish> Filter for R {
    fn wanted<'a>(&'a self, cx: &'a Ctx, rows: &'a [&'a OutRow], again: bool) -> BoxFuture<'a, Result<HashSet<Uuid>, Failure>> {
        if again { Box::pin(Republish::wanted(self, cx, rows)) } else { Box::pin(self.in_time(cx, rows)) }
    }
}

/// A service's filters, by stream.
pub(crate) type Wanted = HashMap<&'static str, Box<dyn Filter>>;

/// When to look, and what needs no second look.
pub(crate) struct Guard {
    every: Duration,
    due: Instant,
    connection: u64,
    /// Gaps that concern nothing of ours, by stream: they stay until they have aged out.
    known_gaps: HashMap<String, Gaps>,
}

/// What of a stream is missing, as far as its state tells.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Gaps {
    created: DateTime<Utc>,
    connection: u64,
    missing: u64,
    unreadable: Vec<(i64, i64)>,
}

/// The marked commits of one epoch, by the highest of them.
#[derive(Debug, sqlx::FromRow)]
struct Group {
    stream: String,
    epoch: i64,
    stream_created_at: Option<DateTime<Utc>>,
    highest_sequence: i64,
    highest_id: Uuid,
}

/// A stream as it is now.
struct Seen {
    stream: Stream<Info>,
    created: DateTime<Utc>,
    first: i64,
    last: i64,
    /// The last sequence that the keeper took away.
    purged_to: i64,
    /// What was acknowledged later than this can't have aged out.
    aged_out: DateTime<Utc>,
}

impl Guard {
    pub(crate) fn new(every_s: u64) -> Self {
        Self { every: Duration::from_secs(every_s), due: Instant::now(), connection: 0, known_gaps: HashMap::new() }
    }

    /// It is time, or the connection to the broker is another one.
    pub(crate) fn is_due(&self, cx: &Ctx) -> bool {
        Instant::now() >= self.due || self.connection != cx.relay.connection()
    }

    /// Looks at every stream that this service has published to. True if it shall look again at once.
    pub(crate) async fn look(&mut self, cx: &Ctx, connection: &mut PgConnection) -> Result<bool, Failure> {
        let looked_on = cx.relay.connection();
        let (mut forgotten, mut silent) = (0_i64, false);
        let groups = list_groups(connection).await?;
        let streams: BTreeSet<&str> = groups.iter().map(|group| group.stream.as_str()).collect();
        for stream in streams {
            // A stream that is missing or does not answer is looked at later: until it is there nothing can be published.
            let Ok(found) = cx.js.get_stream(stream).await else {
                silent = true;
                continue;
            };
            let of_stream: Vec<&Group> = groups.iter().filter(|group| group.stream == stream).collect();
            let lost = self.look_at(cx, connection, found, &of_stream).await?;
            if lost > 0 {
                tracing::warn!(
                    service = cx.service,
                    stream,
                    rows = lost,
                    "the broker has lost what it had acknowledged; it is published again"
                );
                cx.telemetry.count("forgotten", cx.service, stream, usize::try_from(lost).unwrap_or(usize::MAX));
            }
            forgotten += lost;
        }
        // Where something was lost it is looked at again soon, but not at once: the broker may still take what it has lost for a
        // repeat, as long as it remembers the ids.
        let soon = silent || forgotten > 0;
        let next = if soon { self.every.min(limits::SWEEP_EVERY_IDLE) } else { self.every };
        let more = forgotten >= limits::GUARD_ROWS;
        (self.due, self.connection) = (Instant::now() + if more { Duration::ZERO } else { next }, looked_on);
        Ok(more)
    }

    /// Looks at one stream; gives the rows that lost their mark.
    async fn look_at(&mut self, cx: &Ctx, connection: &mut PgConnection, stream: Stream<Info>, groups: &[&Group]) -> Result<i64, Failure> {
        let info = stream.cached_info();
        let number = |sequence: u64| i64::try_from(sequence).unwrap_or(i64::MAX);
        let (state, created) = (&info.state, created_of(info));
        let missing = (state.last_sequence + 1).saturating_sub(state.first_sequence).saturating_sub(state.messages);
        let max_age = info.config.max_age;
        let aged = chrono::Duration::from_std(max_age + limits::GUARD_GRACE).ok().filter(|_| !max_age.is_zero());
        let oldest = aged.and_then(|aged| cx.clock.now().checked_sub_signed(aged)).unwrap_or(DateTime::UNIX_EPOCH);
        let unreadable = info.config.metadata.get(UNREADABLE).map(|text| ranges_of(text)).unwrap_or_default();
        let gaps = Gaps { created, connection: cx.relay.connection(), missing, unreadable };
        let seen = Seen {
            created,
            first: number(state.first_sequence),
            last: number(state.last_sequence),
            purged_to: info.config.metadata.get(PURGED_TO).and_then(|to| to.parse().ok()).unwrap_or(0),
            aged_out: oldest + limits::GUARD_GRACE + limits::GUARD_SLACK,
            stream,
        };
        let mut lost = 0;
        for group in groups {
            if let Some(above) = seen.boundary(connection, group).await? {
                lost += forget_above(connection, group, above, oldest).await?;
            } else if let Some(young) = seen.beginning_is_lost(connection, group).await? {
                lost += forget_within(connection, &group.stream, created, &[(seen.purged_to + 1, young)], oldest).await?;
            }
        }
        let name = &seen.stream.cached_info().config.name;
        if lost == 0 && (missing > 0 || !gaps.unreadable.is_empty()) && self.known_gaps.get(name) != Some(&gaps) {
            let mut ranges = if missing > 0 { seen.gaps(cx, missing).await? } else { Vec::new() };
            ranges.extend(&gaps.unreadable);
            lost += forget_within(connection, name, created, &ranges, oldest).await?;
            if lost == 0 {
                self.known_gaps.insert(name.clone(), gaps);
            }
        }
        Ok(lost)
    }
}

impl Seen {
    /// The sequence above which everything of the epoch is lost; none if nothing is.
    async fn boundary(&self, connection: &mut PgConnection, group: &Group) -> Result<Option<i64>, Failure> {
        if group.stream_created_at != Some(self.created) {
            return Ok(Some(i64::MIN));
        }
        let highest = group.highest_sequence;
        // What lies before the first message was purged or has aged out.
        if highest < self.first || (highest <= self.last && self.has(highest, group.highest_id).await?) {
            return Ok(None);
        }
        // Below `there` all is there, from `gone` on all is gone.
        let (mut there, mut gone) = (self.first - 1, highest.min(self.last + 1));
        while let Some((sequence, id)) = middle(connection, group, there, gone).await? {
            if self.has(sequence, id).await? {
                there = sequence;
            } else {
                gone = sequence;
            }
        }
        Ok(Some(there))
    }

    /// The last of the epoch before the stream's first message, if it was neither purged nor has aged out.
    async fn beginning_is_lost(&self, connection: &mut PgConnection, group: &Group) -> Result<Option<i64>, Failure> {
        if self.purged_to >= self.first - 1 {
            return Ok(None);
        }
        let before: Option<(i64, DateTime<Utc>)> = sqlx::query_as(
            "select highest_sequence, published_at from outbox_commit
             where published_at is not null and highest_sequence is not null and stream = $1 and epoch = $2 and highest_sequence < $3
             order by highest_sequence desc limit 1",
        )
        .bind(&group.stream)
        .bind(group.epoch)
        .bind(self.first)
        .fetch_optional(connection)
        .await?;
        Ok(before.filter(|(sequence, at)| *sequence > self.purged_to && *at > self.aged_out).map(|(sequence, _)| sequence))
    }

    /// True if that very message stands there.
    async fn has(&self, sequence: i64, id: Uuid) -> Result<bool, Failure> {
        match self.stream.get_raw_message(u64::try_from(sequence).unwrap_or(0)).await {
            Ok(message) => Ok(message.headers.get("Nats-Msg-Id").is_some_and(|found| found.as_str() == id.to_string())),
            Err(error) => match error.kind() {
                // Also one that can't be read: nobody will ever get it.
                RawMessageErrorKind::NoMessageFound => Ok(false),
                _ => Err(Failure::transient(error)),
            },
        }
    }

    /// The missing sequences as ranges, both ends included.
    async fn gaps(&self, cx: &Ctx, missing: u64) -> Result<Vec<(i64, i64)>, Failure> {
        if missing > limits::GUARD_LISTED {
            return Ok(vec![(self.first, self.last)]);
        }
        let name = self.stream.cached_info().config.name.clone();
        let stream = cx.js.get_stream_no_info(name).await.map_err(Failure::transient)?;
        let listed = stream.info_builder().with_deleted(true).fetch().await.map_err(Failure::transient)?;
        let mut deleted = listed.info.state.deleted.unwrap_or_default();
        deleted.sort_unstable();
        let mut ranges: Vec<(i64, i64)> = Vec::new();
        for sequence in deleted.into_iter().filter_map(|sequence| i64::try_from(sequence).ok()) {
            match ranges.last_mut() {
                Some((_, end)) if *end + 1 == sequence => *end = sequence,
                _ => ranges.push((sequence, sequence)),
            }
        }
        Ok(ranges)
    }
}

/// Reads `first-last` with commas between.
fn ranges_of(text: &str) -> Vec<(i64, i64)> {
    let range = |range: &str| range.split_once('-').and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
    text.split(',').filter_map(range).collect()
}

/// Every epoch that has marks, with its highest one: one step through the index each.
async fn list_groups(connection: &mut PgConnection) -> Result<Vec<Group>, Failure> {
    let groups = sqlx::query_as(
        "with recursive epochs as (
             (select stream, epoch from outbox_commit
              where published_at is not null and highest_sequence is not null order by stream, epoch limit 1)
             union all
             select next.* from epochs e, lateral (
                 select o.stream, o.epoch from outbox_commit o
                 where o.published_at is not null and o.highest_sequence is not null and (o.stream, o.epoch) > (e.stream, e.epoch)
                 order by o.stream, o.epoch limit 1) next
         )
         select e.stream, e.epoch, h.* from epochs e, lateral (
             select o.stream_created_at, o.highest_sequence, o.highest_id from outbox_commit o
             where o.published_at is not null and o.highest_sequence is not null and o.stream = e.stream and o.epoch = e.epoch
             order by o.highest_sequence desc limit 1) h",
    );
    Ok(groups.fetch_all(connection).await?)
}

/// A marked commit of the epoch near the middle between two sequences, both excluded; none if there is none between them.
async fn middle(connection: &mut PgConnection, group: &Group, above: i64, below: i64) -> Result<Option<(i64, Uuid)>, Failure> {
    let between = "select highest_sequence, highest_id from outbox_commit
         where published_at is not null and highest_sequence is not null and stream = $1 and epoch = $2";
    let sql = format!(
        "(({between} and highest_sequence > $3 and highest_sequence <= $4 order by highest_sequence desc limit 1)
          union all
          ({between} and highest_sequence > $4 and highest_sequence < $5 order by highest_sequence limit 1)) limit 1"
    );
    let row = sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(&group.stream)
        .bind(group.epoch)
        .bind(above)
        .bind(above + (below - above) / 2)
        .bind(below);
    Ok(row.fetch_optional(connection).await?)
}

/// Unmarks the lowest commits of the epoch above a sequence; gives their rows.
async fn forget_above(connection: &mut PgConnection, group: &Group, above: i64, oldest: DateTime<Utc>) -> Result<i64, Failure> {
    let lost = "select slot, commit_id, stream, row_count, highest_sequence from outbox_commit
         where published_at is not null and highest_sequence is not null and stream = $1 and epoch = $4 and highest_sequence > $5
         order by highest_sequence limit $2";
    let rows = sqlx::query_scalar(sqlx::AssertSqlSafe(forget(lost)));
    let rows = rows.bind(&group.stream).bind(limits::GUARD_ROWS).bind(oldest).bind(group.epoch).bind(above);
    Ok(rows.fetch_one(connection).await?)
}

/// Unmarks commits that reach over one of these ranges; gives their rows.
async fn forget_within(
    connection: &mut PgConnection,
    stream: &str,
    created: DateTime<Utc>,
    ranges: &[(i64, i64)],
    oldest: DateTime<Utc>,
) -> Result<i64, Failure> {
    let lost = "select slot, commit_id, stream, row_count, highest_sequence from outbox_commit
         where published_at is not null and highest_sequence is not null and stream = $1 and stream_created_at = $4
           and exists (select from unnest($5::bigint[], $6::bigint[]) gap(first, last)
                       where lowest_sequence <= gap.last and highest_sequence >= gap.first)
         order by highest_sequence limit $2";
    let (firsts, lasts): (Vec<i64>, Vec<i64>) = ranges.iter().copied().unzip();
    let rows = sqlx::query_scalar(sqlx::AssertSqlSafe(forget(lost)));
    let rows = rows.bind(stream).bind(limits::GUARD_ROWS).bind(oldest).bind(created).bind(&firsts).bind(&lasts);
    Ok(rows.fetch_one(connection).await?)
}

/// Commits without a mark belong to the sweeper. Those that would have aged out are forgotten for good: nothing of them is in the
/// stream, and nothing shall be.
fn forget(lost: &str) -> String {
    format!(
        "with lost as ({lost}),
              first as (select slot, commit_id, stream from (
                  select *, sum(row_count) over (order by highest_sequence, commit_id) - row_count as before from lost
              ) counted where before < $2),
              unmarked as (
                  update outbox_commit c set
                      published_at = case when c.published_at < $3 then c.published_at end,
                      highest_sequence = case when c.published_at < $3 then null else c.highest_sequence end,
                      copy = {orphaned}
                  from first f where c.slot = f.slot and c.commit_id = f.commit_id and c.stream = f.stream
                  returning c.row_count)
         select coalesce(sum(row_count), 0)::bigint from unmarked",
        orphaned = copy::ORPHANED
    )
}
