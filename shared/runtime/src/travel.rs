//! A clock that tests move while processes run: years of jobs pass in seconds.
//!
//! `JIFEN_TEST_CLOCK=FILE`: at the moment at which the file was written, the time is the instant that stands in it (RFC 3339),
//! and goes on from there; every process that is given the same file has the same time. Only debug builds look.

use std::{path::Path, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use jifen_kernel::{Clock, SystemClock};

use crate::context::ClockHandle;

const VARIABLE: &str = "JIFEN_TEST_CLOCK";
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The machine's time, shifted.
struct Shifted(std::sync::atomic::AtomicI64);

impl Clock for Shifted {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now() + chrono::Duration::milliseconds(self.0.load(std::sync::atomic::Ordering::Relaxed))
    }
}

/// The machine's clock, or the one that a test moves.
pub fn clock() -> ClockHandle {
    let file = cfg!(debug_assertions).then(|| std::env::var_os(VARIABLE)).flatten();
    let Some(file) = file else { return ClockHandle::default() };
    let shifted = Arc::new(Shifted(std::sync::atomic::AtomicI64::new(shift(Path::new(&file)).unwrap_or(0))));
    let follows = Arc::downgrade(&shifted);
    tracing::warn!(file = %file.display(), "the time is a test's, not the machine's");
    std::thread::spawn(move || {
        while let Some(shifted) = follows.upgrade() {
            if let Some(shift) = shift(Path::new(&file)) {
                shifted.0.store(shift, std::sync::atomic::Ordering::Relaxed);
            }
            drop(shifted);
            std::thread::sleep(LOOK_EVERY);
        }
    });
    ClockHandle(shifted)
}

/// Milliseconds between the instant in the file and the moment at which it was written.
fn shift(file: &Path) -> Option<i64> {
    let text = std::fs::read_to_string(file).ok()?;
    let then: DateTime<Utc> = text.trim().parse().ok()?;
    let written: DateTime<Utc> = std::fs::metadata(file).ok()?.modified().ok()?.into();
    Some((then - written).num_milliseconds())
}
