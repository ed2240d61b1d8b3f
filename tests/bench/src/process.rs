//! CPU time and memory of processes, from /proc.

use std::{fs, time::Duration};

use anyhow::{Context, Result};

use crate::system::System;

/// CPU time spent so far, user and system.
#[derive(Debug, Clone, Copy)]
pub struct Cpu {
    /// The program under test.
    pub jifen: Duration,
    /// The postmaster and all of its processes, living and ended.
    pub postgres: Duration,
    /// The broker.
    pub nats: Duration,
}

impl Cpu {
    /// Reads the three.
    pub fn read(system: &System) -> Result<Self> {
        Ok(Self { jifen: own(system.jifen_pid)?, postgres: with_children(system.postgres_pid)?, nats: own(system.nats_pid)? })
    }

    /// What was spent since `before`.
    pub fn since(&self, before: &Self) -> Self {
        Self {
            jifen: self.jifen.saturating_sub(before.jifen),
            postgres: self.postgres.saturating_sub(before.postgres),
            nats: self.nats.saturating_sub(before.nats),
        }
    }

    /// All three.
    pub fn total(&self) -> Duration {
        self.jifen + self.postgres + self.nats
    }
}

/// The fields of /proc/PID/stat behind the command, which may hold blanks.
fn stat(pid: u32) -> Result<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid} has ended"))?;
    let rest = text.rsplit_once(") ").context("an unexpected /proc format")?.1;
    Ok(rest.split(' ').map(str::to_owned).collect())
}

fn ticks(fields: &[String], places: &[usize]) -> Duration {
    let ticks: u64 = places.iter().filter_map(|place| fields.get(*place)?.parse::<u64>().ok()).sum();
    // Linux counts in hundredths of a second for user space, whatever the kernel's own tick.
    Duration::from_millis(ticks * 10)
}

fn own(pid: u32) -> Result<Duration> {
    Ok(ticks(&stat(pid)?, &[11, 12]))
}

fn with_children(pid: u32) -> Result<Duration> {
    let mut all = ticks(&stat(pid)?, &[11, 12, 13, 14]);
    for entry in fs::read_dir("/proc")? {
        let Some(child) = entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // A process may end while we look.
        if let Ok(fields) = stat(child)
            && fields.get(1).is_some_and(|parent| *parent == pid.to_string())
        {
            all += ticks(&fields, &[11, 12]);
        }
    }
    Ok(all)
}

/// The most memory that a process has had, in MiB.
pub fn peak_mib(pid: u32) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1024)
}
