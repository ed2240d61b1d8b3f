//! What an overload does to processes and streams, looked at all the time; and the keeper at its work.

use std::{
    collections::BTreeMap,
    fs,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Result;
use async_nats::jetstream;
use jifen_infra::{
    keeper::{self, FULL_PERCENT},
    streams::SPECS,
};
use tokio::{task::JoinHandle, time::Instant};

use crate::follow::Follower;

/// The streams of this round are small: they are looked after more often than every two seconds.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Whoever listens to the events here must have heard them before they go. A service that is slower keeps them anyway.
const HEARD_WITHIN: Duration = Duration::from_secs(20);

/// What was seen.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The most memory that a process held, in MiB.
    pub peak_mib: BTreeMap<&'static str, u64>,
    /// Memory before the load, in MiB.
    pub first_mib: BTreeMap<&'static str, u64>,
    /// How full each stream was at most, in percent of its limit.
    pub fullest: BTreeMap<&'static str, u64>,
    /// Messages that the keeper made room of.
    pub purged: u64,
    /// How often it did.
    pub times: u32,
    /// Streams above their limits.
    pub wrong: Vec<String>,
}

/// The watch.
pub struct Watch {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

impl Watch {
    /// Begins to look at these processes.
    pub fn start(nats: async_nats::Client, processes: Vec<(&'static str, u32)>, events: Arc<Follower>) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let into = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            loop {
                look_at_processes(&processes, &into);
                // A broker that is busy is asked again.
                if let Err(error) = look_at_streams(&nats, &events, &into).await {
                    drop(error);
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        });
        Self { seen, task }
    }

    /// What was seen so far.
    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a process holds in memory, as the kernel counts it.
fn resident_mib(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().trim_end_matches(" kB").trim().parse::<u64>().ok()? / 1_024)
}

fn look_at_processes(processes: &[(&'static str, u32)], seen: &Mutex<Seen>) {
    for (name, pid) in processes {
        let Some(now) = resident_mib(*pid) else { continue };
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.first_mib.entry(name).or_insert(now);
        let peak = seen.peak_mib.entry(name).or_default();
        *peak = (*peak).max(now);
    }
}

async fn look_at_streams(nats: &async_nats::Client, events: &Follower, seen: &Mutex<Seen>) -> Result<()> {
    let js = jetstream::new(nats.clone());
    let mut is_full = false;
    for spec in SPECS {
        let stream = js.get_stream(spec.name).await?;
        let info = stream.cached_info();
        let percent = keeper::percent_full(info);
        is_full |= percent > FULL_PERCENT && spec.name != "NOTIFY";
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let fullest = seen.fullest.entry(spec.name).or_default();
        *fullest = (*fullest).max(percent);
        if i64::try_from(info.state.bytes)? > info.config.max_bytes {
            seen.wrong.push(format!("stream {} holds {} bytes of {}", spec.name, info.state.bytes, info.config.max_bytes));
        }
    }
    if is_full {
        let heard = js.get_stream("EVENTS").await?.cached_info().state.last_sequence;
        let since = Instant::now();
        while !events.has_heard(heard) && since.elapsed() < HEARD_WITHIN {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let kept = keeper::make_room(nats).await?;
        let purged: u64 = kept.iter().map(|kept| kept.purged).sum();
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.purged += purged;
        seen.times += u32::from(purged > 0);
    }
    Ok(())
}
