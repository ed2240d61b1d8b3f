//! Places where a campaign of faults ends or halts the process: between every two steps of the runner, the relay, the
//! endpoints and the jobs.
//!
//! `JIFEN_TEST_FAILPOINT="points:commit.done:3:kill"` ends the process at the third time that service `points` passes
//! there. `any` stands for every service or every place, `stop` sends SIGSTOP, `pause-250` blocks the thread for 250 ms;
//! several are separated by commas. Only debug builds look: in a release build a pass is nothing at all.

/// Every place, in the order in which a message, a request, a row to publish and a job come by.
pub const PLACES: [&str; 33] = [
    "runner.pulled",
    "runner.decoded",
    "runner.prepared",
    "runner.began",
    "runner.handled",
    "commit.saved",
    "commit.done",
    "runner.finishing",
    "runner.published",
    "runner.half_acked",
    "runner.acked",
    "runner.set_aside",
    "endpoint.read",
    "endpoint.prepared",
    "endpoint.began",
    "endpoint.claimed",
    "endpoint.handled",
    "endpoint.committed",
    "endpoint.replied",
    "endpoint.published",
    "relay.batched",
    "relay.sending",
    "relay.half_sent",
    "relay.sent",
    "relay.acked",
    "relay.marking",
    "relay.marked",
    "sweep.loaded",
    "job.began",
    "job.handled",
    "daily.began",
    "daily.handled",
    "daily.remembered",
];

/// Says that `service` is at `place`.
#[cfg(not(debug_assertions))]
#[inline(always)]
#[expect(clippy::inline_always, reason = "a release build must not even call it")]
pub(crate) fn pass(_service: &str, _place: &str) {}

#[cfg(debug_assertions)]
pub(crate) use armed::pass;

#[cfg(debug_assertions)]
mod armed {
    use std::{
        sync::{
            OnceLock,
            atomic::{AtomicU64, Ordering},
        },
        time::Duration,
    };

    use nix::sys::signal::{Signal, raise};

    use super::PLACES;

    const VARIABLE: &str = "JIFEN_TEST_FAILPOINT";
    const ANY: &str = "any";

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Deed {
        Send(Signal),
        Pause(Duration),
    }

    #[derive(Debug)]
    struct Trap {
        service: String,
        place: String,
        nth: u64,
        deed: Deed,
        passed: AtomicU64,
    }

    impl Trap {
        fn parse(text: &str) -> Option<Self> {
            let [service, place, nth, deed] = text.split(':').collect::<Vec<_>>()[..] else { return None };
            let deed = match deed {
                "kill" => Deed::Send(Signal::SIGKILL),
                "stop" => Deed::Send(Signal::SIGSTOP),
                pause => Deed::Pause(Duration::from_millis(pause.strip_prefix("pause-")?.parse().ok()?)),
            };
            let known = place == ANY || PLACES.contains(&place);
            let nth = nth.parse().ok().filter(|_| known)?;
            Some(Self { service: service.to_owned(), place: place.to_owned(), nth, deed, passed: AtomicU64::new(0) })
        }

        fn springs(&self, service: &str, place: &str) -> bool {
            let meant = |name: &str, given: &str| name == ANY || name == given;
            meant(&self.service, service) && meant(&self.place, place) && self.passed.fetch_add(1, Ordering::Relaxed) + 1 == self.nth
        }
    }

    fn traps() -> &'static [Trap] {
        static TRAPS: OnceLock<Vec<Trap>> = OnceLock::new();
        TRAPS.get_or_init(|| {
            let given = std::env::var(VARIABLE).unwrap_or_default();
            let read = |text: &str| Trap::parse(text).unwrap_or_else(|| panic!("{VARIABLE}: {text:?} names no failpoint"));
            given.split(',').filter(|text| !text.is_empty()).map(read).collect()
        })
    }

    pub(crate) fn pass(service: &str, place: &'static str) {
        debug_assert!(PLACES.contains(&place), "{place} stands in no list");
        for trap in traps().iter().filter(|trap| trap.springs(service, place)) {
            tracing::warn!(service, place, deed = ?trap.deed, "failpoint");
            match trap.deed {
                Deed::Send(signal) => drop(raise(signal)),
                // The thread is meant: a copy that hangs hangs as a whole.
                Deed::Pause(time) => std::thread::sleep(time),
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_trap_springs_once_at_its_place() {
            let trap = Trap::parse("points:commit.done:2:kill").expect("a trap");
            assert_eq!(trap.deed, Deed::Send(Signal::SIGKILL));
            let passes = [("tier", "commit.done"), ("points", "runner.pulled"), ("points", "commit.done"), ("points", "commit.done")];
            assert_eq!(passes.map(|(service, place)| trap.springs(service, place)), [false, false, false, true]);
            assert!(!trap.springs("points", "commit.done"));
            assert!(Trap::parse("any:any:7:pause-20").is_some_and(|trap| trap.deed == Deed::Pause(Duration::from_millis(20))));
            for wrong in ["", "points", "points:nowhere:1:kill", "points:commit.done:x:kill", "points:commit.done:1:maim"] {
                assert!(Trap::parse(wrong).is_none(), "{wrong}");
            }
        }

        #[test]
        fn every_place_is_somewhere() {
            let sources = [
                include_str!("runner.rs"),
                include_str!("relay.rs"),
                include_str!("marks.rs"),
                include_str!("sweep.rs"),
                include_str!("endpoint.rs"),
                include_str!("mutation.rs"),
                include_str!("context.rs"),
                include_str!("job.rs"),
                include_str!("daily.rs"),
            ];
            for place in PLACES {
                let calls = sources.iter().map(|source| source.matches(&format!("\"{place}\"")).count()).sum::<usize>();
                assert!(calls >= 1, "nobody passes {place}");
            }
        }
    }
}
