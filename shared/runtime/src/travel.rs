//! A clock that tests move while processes run: years of jobs pass in seconds.
//!
//! `JIFEN_TEST_CLOCK=FILE`: at the moment at which the file was written, the time is the instant that stands in it (RFC 3339),
//! and goes on from there; every process that is given the same file has the same time. Only debug builds look.

use std::{
    path::Path,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use jifen_kernel::{Clock, SystemClock};

use crate::context::ClockHandle;

const VARIABLE: &str = "JIFEN_TEST_CLOCK";
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The machine's time, shifted: since when by how much, as far as this process has seen, in order.
#[derive(Default)]
struct Shifted(Mutex<Vec<(DateTime<Utc>, TimeDelta)>>);

impl Shifted {
    /// Takes note of what stands in the file.
    fn look(&self, file: &Path) {
        let Some((written, shift)) = shift(file) else { return };
        let mut shifts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if shifts.last().is_none_or(|(last, _)| *last < written) {
            shifts.push((written, shift));
        }
    }
}

impl Clock for Shifted {
    fn now(&self) -> DateTime<Utc> {
        let shifts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        SystemClock.now() + shifts.last().map_or(TimeDelta::zero(), |(_, shift)| *shift)
    }

    /// What the broker stored has the time that it was then, also when the clock has been moved since.
    fn of_machine(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        let shifts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        at + shifts.iter().rev().find(|(written, _)| *written <= at).map_or(TimeDelta::zero(), |(_, shift)| *shift)
    }
}

/// The machine's clock, or the one that a test moves: the same for all services of a process.
pub fn clock() -> ClockHandle {
    static CLOCK: OnceLock<ClockHandle> = OnceLock::new();
    CLOCK.get_or_init(find).clone()
}

fn find() -> ClockHandle {
    let file = cfg!(debug_assertions).then(|| std::env::var_os(VARIABLE)).flatten();
    let Some(file) = file else { return ClockHandle::default() };
    let shifted = Arc::new(Shifted::default());
    shifted.look(Path::new(&file));
    let follows = Arc::clone(&shifted);
    tracing::warn!(file = %file.display(), "the time is a test's, not the machine's");
    std::thread::spawn(move || {
        loop {
            follows.look(Path::new(&file));
            std::thread::sleep(LOOK_EVERY);
        }
    });
    ClockHandle(shifted)
}

/// When the file was written, and from that moment on the way to the instant in it.
fn shift(file: &Path) -> Option<(DateTime<Utc>, TimeDelta)> {
    let text = std::fs::read_to_string(file).ok()?;
    let then: DateTime<Utc> = text.trim().parse().ok()?;
    let written: DateTime<Utc> = std::fs::metadata(file).ok()?.modified().ok()?.into();
    Some((written, TimeDelta::milliseconds((then - written).num_milliseconds())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stored_before_a_move_keeps_its_time() {
        let at = |text: &str| -> DateTime<Utc> { text.parse().expect("instant") };
        let clock = Shifted::default();
        let machine = at("2026-11-22T10:00:00Z");
        assert_eq!(clock.of_machine(machine), machine);
        let moved = [("2026-11-22T11:00:00Z", TimeDelta::days(30)), ("2026-11-22T12:00:00Z", TimeDelta::days(-60))];
        clock.0.lock().expect("lock").extend(moved.map(|(written, shift)| (at(written), shift)));
        let seen = ["2026-11-22T10:59:59Z", "2026-11-22T11:00:00Z", "2026-11-22T11:59:59Z", "2026-11-22T13:00:00Z"];
        let on_it = ["2026-11-22T10:59:59Z", "2026-12-22T11:00:00Z", "2026-12-22T11:59:59Z", "2026-09-23T13:00:00Z"];
        assert_eq!(seen.map(|text| clock.of_machine(at(text))), on_it.map(at));
    }
}
