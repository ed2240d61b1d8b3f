//! What the end-to-end tests stand on: the executable `jifen` as an operator starts it, and a client that knows nothing but the
//! wire contract: any NATS client, JSON, no credentials, no type of ours.
//!
//! ```text
//! executable   one run of `jifen` with its exit code and output
//! system       `jifen up` (and copies by `jifen serve`) in a home and on ports of its own; stop, kill, start again
//! client       publish, ask, read streams, as a store or a gateway would
//! ledger       what a system has come to, comparable with another system's
//! traces       personal values, looked for in every file
//! ```

pub mod client;
pub mod executable;
pub mod ledger;
pub mod system;
pub mod traces;

use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use jifen_kernel::{Clock, SystemClock};
use tokio::{
    sync::{Mutex, MutexGuard},
    time::Instant,
};

pub use client::{Client, Heard};
pub use executable::Output;
pub use ledger::Ledger;
pub use system::System;

/// What takes seconds on an idle machine may take minutes on a crowded one.
pub const PATIENCE: Duration = Duration::from_mins(2);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Held by a test that runs a whole system: several at once would only slow each other down.
pub async fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::const_new(());
    ALONE.lock().await
}

/// Looks until there is an answer; panics with `what` when none comes within `patience`.
pub async fn until<T>(what: &str, patience: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let since = Instant::now();
    let mut tick = tokio::time::interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        if let Some(answer) = look().await {
            return answer;
        }
        assert!(since.elapsed() < patience, "{what}: not within {patience:?}");
    }
}

/// Now.
pub fn now() -> DateTime<Utc> {
    SystemClock.now()
}

/// Today in Shanghai, where the default program's days begin.
pub fn today() -> NaiveDate {
    (now() + TimeDelta::hours(8)).date_naive()
}
