//! Starting and idling: `jifen up` with its own servers in a home that has run before.

use std::time::Duration;

use anyhow::{Context, Result};
use jifen_infra::{Home, nats_server};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{
    process::{self, Processes},
    program::Program,
    servers::{ServerPrograms, TemporaryDir, free_port},
    stage::Split,
};

const SECONDS_IDLE: u32 = 10;
/// After a start some things are still being settled.
const SETTLING: Duration = Duration::from_secs(3);

/// What starting and idling cost.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Start {
    /// From the command to readiness, with data there.
    pub warm_start_s: f64,
    /// CPU while nothing happens, in percent of one core.
    pub idle_percent: Split,
    /// Memory then, in MiB; of Postgres all processes, the shared cache counted once.
    pub resident_mib: Split,
}

/// Measures it.
pub async fn measure() -> Result<Start> {
    let home = Home::locate(&std::env::temp_dir().join(format!("jifen-bench-{}-start", std::process::id())))?;
    let _dir = TemporaryDir::of(&home);
    let ports = [free_port()?, free_port()?, free_port()?];
    let programs = tokio::task::block_in_place(|| ServerPrograms::find(home.server_user()))?;
    Program::jifen_up(home.path(), &programs, ports).await?.stop()?;
    let started = Instant::now();
    let program = Program::jifen_up(home.path(), &programs, ports).await?;
    let warm_start_s = started.elapsed().as_secs_f64();
    let postmaster = std::fs::read_to_string(home.postgres_dir().join("postmaster.pid"))?;
    let postgres = postmaster.lines().next().and_then(|line| line.trim().parse().ok()).context("an empty postmaster.pid")?;
    let nats = nats_server::pid_of(&home).context("the broker's process was not found")?;
    let processes = Processes { program: program.pid(), postgres, nats };
    tokio::time::sleep(SETTLING).await;
    let before = processes.cpu()?;
    tokio::time::sleep(Duration::from_secs(u64::from(SECONDS_IDLE))).await;
    let spent = processes.cpu()?.since(&before);
    let percent = |time: Duration| time.as_secs_f64() / f64::from(SECONDS_IDLE) * 100.0;
    let idle_percent = Split { program: percent(spent.program), postgres: percent(spent.postgres), nats: percent(spent.nats) };
    let resident_mib = Split {
        program: process::resident_mib(program.pid())? as f64,
        postgres: process::shared_out_mib(postgres)? as f64,
        nats: process::resident_mib(nats)? as f64,
    };
    program.stop()?;
    Ok(Start { warm_start_s, idle_percent, resident_mib })
}
