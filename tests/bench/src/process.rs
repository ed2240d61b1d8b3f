//! CPU time and memory of processes, from /proc.

use std::{fs, time::Duration};

use anyhow::{Context, Result};

use crate::stage::Split;

/// The processes of a stage.
#[derive(Debug, Clone, Copy)]
pub struct Processes {
    /// The program under test.
    pub program: u32,
    /// The postmaster.
    pub postgres: u32,
    /// The broker.
    pub nats: u32,
}

/// CPU time spent so far, user and system.
#[derive(Debug, Clone, Copy)]
pub struct Cpu {
    /// The program under test.
    pub program: Duration,
    /// The postmaster and all of its processes, living and ended.
    pub postgres: Duration,
    /// The broker.
    pub nats: Duration,
}

impl Processes {
    /// What each has used so far.
    pub fn cpu(&self) -> Result<Cpu> {
        Ok(Cpu { program: own(self.program)?, postgres: with_children(self.postgres)?, nats: own(self.nats)? })
    }

    /// The most memory that each has had, in MiB; of Postgres the largest process, most of which is the shared cache.
    pub fn peak_mib(&self) -> Result<[u64; 3]> {
        let postgres = children(self.postgres)?.into_iter().filter_map(|pid| peak_mib(pid).ok()).max();
        Ok([peak_mib(self.program)?, postgres.unwrap_or(0), peak_mib(self.nats)?])
    }
}

impl Cpu {
    /// What was spent since `before`.
    pub fn since(&self, before: &Self) -> Self {
        Self {
            program: self.program.saturating_sub(before.program),
            postgres: self.postgres.saturating_sub(before.postgres),
            nats: self.nats.saturating_sub(before.nats),
        }
    }

    /// Microseconds for each of `count`.
    pub fn micros_each(&self, count: usize) -> Split {
        let each = |time: Duration| time.as_secs_f64() * 1e6 / count as f64;
        Split { program: each(self.program), postgres: each(self.postgres), nats: each(self.nats) }
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

/// What the children of a process that have ended had used.
pub fn reaped(pid: u32) -> Result<Duration> {
    Ok(ticks(&stat(pid)?, &[13, 14]))
}

/// Backends are the postmaster's own children: those that ended are in its account of children, the others are asked.
/// One that ends in between would count on both sides or on none: then it is read again.
pub fn with_children(pid: u32) -> Result<Duration> {
    loop {
        let reaped = ticks(&stat(pid)?, &[13, 14]);
        let living: Duration = children(pid)?.into_iter().filter_map(|child| own(child).ok()).sum();
        let parent = stat(pid)?;
        if ticks(&parent, &[13, 14]) == reaped {
            return Ok(ticks(&parent, &[11, 12]) + reaped + living);
        }
    }
}

fn children(pid: u32) -> Result<Vec<u32>> {
    let parent = pid.to_string();
    let numbers = fs::read_dir("/proc")?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    // A process may end while we look.
    Ok(numbers.filter(|child| stat(*child).is_ok_and(|fields| fields.get(1) == Some(&parent))).collect())
}

/// The most memory that a process has had, in MiB.
pub fn peak_mib(pid: u32) -> Result<u64> {
    memory_mib(pid, "VmHWM:")
}

/// What it has now, in MiB.
pub fn resident_mib(pid: u32) -> Result<u64> {
    memory_mib(pid, "VmRSS:")
}

/// What the postmaster and its processes have now, in MiB, shared memory divided among those that share it.
pub fn shared_out_mib(postmaster: u32) -> Result<u64> {
    let mut sum = 0;
    for pid in children(postmaster)?.into_iter().chain([postmaster]) {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap_or("0 kB");
        sum += line.trim().trim_end_matches(" kB").parse::<u64>()?;
    }
    Ok(sum / 1024)
}

fn memory_mib(pid: u32, field: &str) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)).with_context(|| format!("no {field}"))?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1024)
}
