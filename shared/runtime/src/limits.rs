//! Every queue, batch, wait and retry has its limit here, with its reason. `Limits` holds those that an operator
//! may set; the consts are for the program alone.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Limits that an operator may set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Messages in one transaction. Beyond some hundreds the cost a message no longer falls.
    pub batch_messages: usize,
    /// Seconds until the broker hands an unacknowledged message to another copy.
    pub ack_wait_s: u64,
    /// Unpublished outbox rows above which a service takes nothing more from outside: it stops pulling documents and reports, and
    /// refuses mutations. Events it goes on reading.
    pub unpublished_rows: i64,
    /// Database connections of one service.
    pub connections: u32,
    /// Seconds for which an event that can't be read comes again before it is set aside: a newer copy may read it. Also what
    /// needs a stored row that can't be read.
    pub unreadable_event_s: u64,
    /// Seconds between two looks whether the broker still has what it acknowledged; it is also looked at after a reconnect.
    pub guard_every_s: u64,
    /// The messages of a commit are published as one atomic batch: for a broker that syncs every write.
    pub publish_atomic: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            batch_messages: 500,
            ack_wait_s: 30,
            unpublished_rows: 50_000,
            connections: 8,
            unreadable_event_s: 3_600,
            guard_every_s: 30,
            publish_atomic: false,
        }
    }
}

/// Settings of every database session. No wait is without end: a copy that lost its host must not keep its locks, and a lock
/// that is kept must not keep others; both come again.
///
/// Every statement of a batch takes arrays and finds its rows by key. One plan is right for it, always: a loop over the
/// array with an index look-up each. So plans are made once (planning would cost more than most batches at a low rate), and
/// what a planner likes on a table that it believes to be empty (reading all of it, hashing all of it) is ruled out: such
/// a plan would be kept while the table grows. Where a part of the key is the same for all rows of a statement, the other part
/// is also given as `= any(array)`: or the plan may be to read all rows with that part, of a table that was empty once.
pub const SESSION: [(&str, &str); 11] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
    ("lock_timeout", "20s"),
    ("statement_timeout", "60s"),
    ("idle_in_transaction_session_timeout", "30s"),
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
];
/// A database connection that was idle for longer is tested before it is used.
pub const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// A batch's transaction, with what it asks others before, ends within this time or comes again.
pub const TRANSACTION_WAIT: Duration = Duration::from_mins(2);
/// Bytes that one pull may bring, whatever the number of messages.
pub const PULL_BYTES: usize = 16 * 1024 * 1024;
/// Emptying a day of the ring waits so long for its readers (a backup, say), and is tried again later.
pub const TRUNCATE_LOCK_WAIT: &str = "set local lock_timeout = '200ms'";
/// While the broker says that more messages wait, a batch that is not full waits so long for them.
pub const BATCH_LINGER: Duration = Duration::from_millis(5);
/// Batches of one consumer under way: one in its transaction, the others publishing and acking. More would only
/// hide a slow broker.
pub const BATCHES_IN_FLIGHT: usize = 4;
/// Messages handed out but not acknowledged, all copies of a consumer together.
pub const ACKS_PENDING: i64 = 10_000;
/// Publishing from memory may take so long before the input is acked anyway and the rows belong to the sweeper.
pub const PUBLISH_WAIT: Duration = Duration::from_secs(2);
/// So many messages are worth an atomic batch,
pub const ATOMIC_FROM: usize = 8;
/// and so many fit into one.
pub const ATOMIC_TO: usize = 1_000;
/// Marks are written together this often. What a crash takes of them is published again.
pub const MARK_EVERY: Duration = Duration::from_millis(100);
/// A mark that could not be saved is saved again after these pauses: together shorter than [`STOP_WAIT`], and long enough for
/// Postgres to restart.
pub const MARK_AGAIN: [Duration; 3] = [Duration::from_millis(100), Duration::from_millis(900), Duration::from_secs(3)];
/// A stream that could not be asked for its epoch is asked again after these pauses: together well below [`PUBLISH_WAIT`].
pub const EPOCH_AGAIN: [Duration; 3] = [Duration::from_millis(50), Duration::from_millis(150), Duration::from_millis(400)];
/// The sweeper looks this often.
pub const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// And this often while nothing is committed.
pub const SWEEP_EVERY_IDLE: Duration = Duration::from_secs(5);
/// It takes commits of dead copies after this time,
pub const SWEEP_ORPHANS_AFTER_S: i32 = 2;
/// and anybody's after this.
pub const SWEEP_ANY_AFTER_S: i32 = 30;
/// Rows of a stream that one round of the sweep publishes; the next round follows at once.
pub const SWEEP_ROWS: i64 = 2_000;
/// Bytes after which a round publishes what it has read before it reads on.
pub const SWEEP_BYTES: usize = 8 * 1024 * 1024;
/// Rows that one look of the guard gives back to the sweeper; the next look follows when they are published.
pub const GUARD_ROWS: i64 = 10_000;
/// What would have aged out of its stream by now is not published again; clocks and outages get a day.
pub const GUARD_GRACE: Duration = Duration::from_hours(24);
/// Our clock and the broker's may differ by this much where it is asked what can have aged out.
pub const GUARD_SLACK: Duration = Duration::from_hours(1);
/// Missing sequences that the broker is asked to list one by one; beyond them everything in between is taken for lost.
pub const GUARD_LISTED: u64 = 200_000;
/// Requests of one endpoint that wait for a transaction.
pub const REQUESTS_WAITING: usize = 1_024;
/// Requests in one transaction.
pub const REQUESTS_IN_BATCH: usize = 200;
/// Reads of one endpoint under way.
pub const READS_IN_FLIGHT: usize = 32;
/// A request may have this many bytes.
pub const REQUEST_BYTES: usize = 256 * 1024;
/// Another service must answer within this time.
pub const ASK_WAIT: Duration = Duration::from_secs(5);
/// The program is asked for again this often, in case an announcement was missed.
pub const PROGRAM_ASK_EVERY: Duration = Duration::from_secs(30);
/// A stopping service finishes its batches within this time.
pub const STOP_WAIT: Duration = Duration::from_secs(10);
/// First and last wait before a failed message comes again.
pub const RETRY_FIRST: Duration = Duration::from_millis(200);
/// See [`RETRY_FIRST`].
pub const RETRY_LAST: Duration = Duration::from_secs(30);
/// Days of the outbox ring, and how many are kept.
pub const OUTBOX_SLOTS: i64 = 16;
/// See [`OUTBOX_SLOTS`].
pub const OUTBOX_DAYS: i64 = 8;
/// Days of the inbox ring, and how many are kept: 8 retained + 7 in the stream + 1.
pub const INBOX_SLOTS: i64 = 24;
/// See [`INBOX_SLOTS`].
pub const INBOX_DAYS: i64 = 16;
/// An internal event without a natural key is refused when older.
pub const EVENT_MAX_AGE_DAYS: i64 = 15;

/// How often a copy looks whether a new business day has begun: a look in memory.
pub const DAILY_LOOK: Duration = Duration::from_millis(250);
/// Until a part of a day's work that failed is tried again; twice as long each time, up to [`RETRY_LAST`].
pub const DAILY_RETRY: Duration = Duration::from_secs(1);
