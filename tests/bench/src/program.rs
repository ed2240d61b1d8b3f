//! The process under test: the real `jifen`, or a worker of ours (the floor, the naive way).

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};

use crate::{
    process::{self, Processes},
    servers::{ServerPrograms, Servers, Sync, free_port},
};

const READY_WAIT: Duration = Duration::from_mins(2);
const LOOK: Duration = Duration::from_millis(10);
/// How much of a log an error quotes.
const LAST_LINES: usize = 20;

/// A running process.
pub struct Program {
    child: Child,
    /// Where its health and metrics are, if it has any.
    http: Option<String>,
    /// What it says.
    log: PathBuf,
}

/// Batches so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Batches {
    /// Transactions.
    pub count: f64,
    /// Messages and requests in them.
    pub messages: f64,
}

impl Program {
    /// Starts `jifen` with these arguments on a stage's servers, and waits until it is ready.
    pub async fn jifen(servers: &Servers, arguments: &[&str]) -> Result<Self> {
        let mut command = jifen(servers.home.path())?;
        command.args(arguments).env("JIFEN_DATABASE_URL", servers.admin_url()).env("JIFEN_NATS_URL", servers.nats_url());
        command.env("JIFEN_NATS_SYNC_ALWAYS", (servers.sync == Sync::Always).to_string());
        Self::ready(command, servers.home.path()).await
    }

    /// Starts `jifen up` with servers of its own in `home`, and waits until it is ready.
    pub async fn jifen_up(home: &Path, programs: &ServerPrograms, ports: [u16; 3]) -> Result<Self> {
        let mut command = jifen(home)?;
        command.arg("up").env("JIFEN_POSTGRES_BIN", &programs.postgres_bin).env("JIFEN_NATS_SERVER", &programs.nats_server);
        for (name, port) in ["JIFEN_POSTGRES_PORT", "JIFEN_NATS_PORT", "JIFEN_NATS_MONITOR_PORT"].into_iter().zip(ports) {
            command.env(name, port.to_string());
        }
        Self::ready(command, home).await
    }

    async fn ready(mut command: Command, home: &Path) -> Result<Self> {
        let http = format!("127.0.0.1:{}", free_port()?);
        command.env("JIFEN_HTTP_ADDRESS", &http);
        let mut program = Self::spawn(command, Some(http.clone()), home)?;
        let deadline = Instant::now() + READY_WAIT;
        while !get(&http, "/readyz").await.is_ok_and(|text| text.starts_with("HTTP/1.1 200") && text.ends_with("ready\n")) {
            program.check()?;
            if Instant::now() > deadline {
                bail!("jifen was not ready within {} s:\n{}", READY_WAIT.as_secs(), program.last_lines());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(program)
    }

    /// Starts one of our own workers.
    pub fn worker(name: &str, servers: &Servers, database_url: &str) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--worker").arg(name).env("BENCH_DATABASE_URL", database_url).env("BENCH_NATS_URL", servers.nats_url());
        command.env("BENCH_HOME", servers.home.path());
        Self::spawn(command, None, servers.home.path())
    }

    /// Runs a verb of `jifen` to its end; gives the most memory that it was seen with, in MiB. Blocks.
    pub fn run_verb(servers: &Servers, arguments: &[&str]) -> Result<u64> {
        let mut command = jifen(servers.home.path())?;
        command.args(arguments).env("JIFEN_DATABASE_URL", servers.admin_url()).env("JIFEN_NATS_URL", servers.nats_url());
        let mut program = Self::spawn(command, None, servers.home.path())?;
        let mut peak = 0;
        let status = loop {
            // None any more when it has just ended.
            peak = process::peak_mib(program.pid()).unwrap_or(peak);
            if let Some(status) = program.child.try_wait()? {
                break status;
            }
            std::thread::sleep(LOOK);
        };
        if status.success() { Ok(peak) } else { bail!("jifen {} ended with {status}:\n{}", arguments.join(" "), program.last_lines()) }
    }

    fn spawn(mut command: Command, http: Option<String>, home: &Path) -> Result<Self> {
        let log = home.join("logs").join("bench.log");
        std::fs::create_dir_all(home.join("logs"))?;
        let file = File::options().create(true).append(true).open(&log)?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        let child = command.spawn().with_context(|| format!("starting {}: build it with --release", command.get_program().display()))?;
        Ok(Self { child, http, log })
    }

    fn last_lines(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
    }

    /// It and the servers it works on.
    pub fn processes(&self, servers: &Servers) -> Processes {
        Processes { program: self.child.id(), postgres: servers.postgres_pid(), nats: servers.nats_pid() }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// An error if it has ended.
    pub fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("the process under test ended with {status}:\n{}", self.last_lines()),
            None => Ok(()),
        }
    }

    /// Batches of all services so far, from the metrics; none for a worker.
    pub async fn batches(&self) -> Result<Batches> {
        let Some(http) = &self.http else { return Ok(Batches::default()) };
        let text = get(http, "/metrics").await?;
        let sum = |name: &str| {
            text.lines().filter(|line| line.starts_with(name)).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
        };
        Ok(Batches { count: sum("jifen_batch_messages_count"), messages: sum("jifen_batch_messages_sum") })
    }

    /// Ends it as Ctrl-C does.
    pub fn stop(mut self) -> Result<()> {
        kill(Pid::from_raw(i32::try_from(self.child.id())?), Signal::SIGTERM)?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Only where `stop` was not reached: a leftover would disturb the next stage.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn jifen(home: &Path) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?.with_file_name("jifen"));
    command.arg("--home").arg(home);
    Ok(command)
}

async fn get(address: &str, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}
