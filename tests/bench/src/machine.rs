//! The machine and the versions that a run names: no name of a host, nothing that tells whose it is.

use std::{fs, sync::OnceLock};

use jifen_kernel::{Clock, SystemClock};

static SERVERS: OnceLock<String> = OnceLock::new();

/// The local day.
pub fn today() -> String {
    SystemClock.now().format("%Y-%m-%d").to_string()
}

/// Processors that a process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Cores, memory, processor, and what else goes on: the load average before anything of ours runs.
pub fn describe() -> String {
    let cores = cores();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!(
        "{cores} cores, {} GiB of memory, {} {}; load average {} at the start",
        kib.unwrap_or(0) / (1024 * 1024),
        std::env::consts::OS,
        std::env::consts::ARCH,
        load.split(' ').next().unwrap_or("unknown")
    )
}

/// Remembers which servers were used.
pub fn used(servers: &[String]) {
    SERVERS.get_or_init(|| servers.join(", "));
}

/// What was measured.
pub fn versions() -> String {
    let servers = SERVERS.get().map_or("", String::as_str);
    format!("jifen {}, {servers}", env!("CARGO_PKG_VERSION"))
}
