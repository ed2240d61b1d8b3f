//! What a killed run left behind. Its servers are told to stop by the kernel and take their time; a start waits
//! for them instead of failing on their port or their data. The caller holds the home's lock, so whatever still works in
//! the home belongs to no living run.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::Say;
use crate::child::{ChildError, LOOK, check_port};

/// How long a start waits for the servers of the last run.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Why the start can't go on.
#[derive(Debug, thiserror::Error)]
pub enum PreviousError {
    /// A server of the last run does not end.
    #[error("{name} of an earlier run (process {pids}) still works in {dir} after {} s: stop it (kill {pids}) and start again", PATIENCE.as_secs())]
    StillRunning {
        /// The server.
        name: &'static str,
        /// Its processes.
        pids: String,
        /// Where.
        dir: PathBuf,
    },
    /// The port belongs to somebody else.
    #[error(transparent)]
    Port(#[from] ChildError),
}

/// A server about to start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub name: &'static str,
    /// What its program is called, so that an editor with the same folder on its command line is left alone.
    pub program: &'static str,
    /// Its folder, which also stands on its command line.
    pub dir: &'a Path,
    pub host: IpAddr,
    pub port: u16,
    /// What to change if the port is taken.
    pub port_option: &'static str,
    /// What stops it.
    pub stop: Signal,
}

/// Waits until nothing of an earlier run works in the place and its port is free.
pub(crate) fn wait_until_free(place: Place<'_>, say: Say<'_>) -> Result<(), PreviousError> {
    let since = Instant::now();
    let mut said = false;
    loop {
        let left = left_in(place.dir, place.program);
        if left.is_empty() {
            // A killed server's port is free with its death; nobody of ours holds it any more.
            return Ok(check_port(place.name, place.host, place.port, place.port_option)?);
        }
        if !said {
            say(&format!("{} of an earlier run is still stopping: waiting up to {} s", place.name, PATIENCE.as_secs()));
            for process in left.iter().filter(|process| process.is_server) {
                let _ = kill(Pid::from_raw(process.pid), place.stop);
            }
            said = true;
        }
        if since.elapsed() > PATIENCE {
            let pids = left.iter().map(|process| process.pid.to_string()).collect::<Vec<_>>().join(" ");
            return Err(PreviousError::StillRunning { name: place.name, pids, dir: place.dir.to_path_buf() });
        }
        std::thread::sleep(LOOK * 5);
    }
}

struct Process {
    pid: i32,
    /// The server itself, not one of its workers: a worker takes the stop signal for something else.
    is_server: bool,
}

/// The processes that work in `dir`: it is their current folder (Postgres and all its workers) or stands on their
/// command line. A pid file proves nothing: its number may be somebody else's by now.
#[cfg(target_os = "linux")]
fn left_in(dir: &Path, program: &str) -> Vec<Process> {
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let inside = |pid: i32| {
        // One that has died and was not waited for yet has no command line, and holds nothing.
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        let called = line.split(['\0', ' ', ':']).next().and_then(|word| Path::new(word).file_name())?;
        let is_server = line.split('\0').any(|word| Path::new(word).starts_with(dir));
        let works_there = || std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == dir);
        (called == program && (is_server || works_there())).then_some(Process { pid, is_server })
    };
    let numbers = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    numbers.filter_map(inside).collect()
}

/// Without `/proc`: the process in the server's own pid file, if it lives.
#[cfg(not(target_os = "linux"))]
fn left_in(dir: &Path, _: &str) -> Vec<Process> {
    let pid_of = |name: &str| std::fs::read_to_string(dir.join(name)).ok()?.lines().next()?.trim().parse::<i32>().ok();
    let alive = |pid: &i32| kill(Pid::from_raw(*pid), None).is_ok();
    ["postmaster.pid", "nats.pid"].into_iter().filter_map(pid_of).filter(alive).map(|pid| Process { pid, is_server: true }).collect()
}
