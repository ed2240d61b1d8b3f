//! The system under test: the real program in a temporary home, on ports of its own.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use sqlx::{Connection, PgConnection};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const READY_WAIT: Duration = Duration::from_mins(2);

/// A running system.
pub struct System {
    child: Child,
    _home: tempfile::TempDir,
    http: String,
    admin_url: String,
    /// Where the broker is.
    pub nats_url: String,
    /// The program's process.
    pub jifen_pid: u32,
    /// The postmaster's.
    pub postgres_pid: u32,
    /// The broker's.
    pub nats_pid: u32,
}

/// Batches so far.
pub struct Batches {
    /// Transactions.
    pub count: f64,
    /// Messages and requests in them.
    pub messages: f64,
}

struct Ports {
    postgres: u16,
    nats: u16,
    monitor: u16,
    http: u16,
}

fn free_ports() -> Result<Ports> {
    // Held all at once, so that they differ.
    let listeners: Vec<TcpListener> = (0..4).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    let ports: Vec<u16> = listeners.iter().map(|listener| Ok(listener.local_addr()?.port())).collect::<Result<_>>()?;
    Ok(Ports { postgres: ports[0], nats: ports[1], monitor: ports[2], http: ports[3] })
}

fn launch(home: &Path, ports: &Ports) -> Result<Child> {
    let program = std::env::current_exe()?.with_file_name("jifen");
    Command::new(&program)
        .args(["--home".as_ref(), home.as_os_str(), "up".as_ref()])
        .env("JIFEN_POSTGRES_PORT", ports.postgres.to_string())
        .env("JIFEN_NATS_PORT", ports.nats.to_string())
        .env("JIFEN_NATS_MONITOR_PORT", ports.monitor.to_string())
        .env("JIFEN_HTTP_ADDRESS", format!("127.0.0.1:{}", ports.http))
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("starting {}: build it with `cargo build --release -p jifen`", program.display()))
}

impl System {
    /// Starts it twice: the second time with statement statistics, if this Postgres has them.
    pub async fn start() -> Result<Self> {
        let home = tempfile::Builder::new().prefix("jifen-bench-").tempdir()?;
        // The servers' user must get in.
        std::fs::set_permissions(home.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let ports = free_ports()?;
        let mut child = launch(home.path(), &ports)?;
        let http = format!("127.0.0.1:{}", ports.http);
        wait_until_ready(&mut child, &http).await?;
        stop(&mut child)?;
        let data = postgres_data(home.path())?;
        std::fs::write(data.join("local.conf"), "shared_preload_libraries = 'pg_stat_statements'\npg_stat_statements.track = top\n")?;
        let mut child = launch(home.path(), &ports)?;
        if wait_until_ready(&mut child, &http).await.is_err() {
            std::fs::write(data.join("local.conf"), "")?;
            child = launch(home.path(), &ports)?;
            wait_until_ready(&mut child, &http).await?;
        }
        let password = std::fs::read_to_string(home.path().join("keys/postgres"))?;
        let postmaster = std::fs::read_to_string(data.join("postmaster.pid"))?;
        let postgres_pid = postmaster.lines().next().context("an empty postmaster.pid")?.trim().parse()?;
        let jifen_pid = child.id();
        let nats_pid = child_named(jifen_pid, "nats-server").context("the broker's process was not found")?;
        Ok(Self {
            child,
            _home: home,
            http,
            admin_url: format!("postgres://postgres:{}@127.0.0.1:{}/jifen", password.trim(), ports.postgres),
            nats_url: format!("nats://127.0.0.1:{}", ports.nats),
            jifen_pid,
            postgres_pid,
            nats_pid,
        })
    }

    /// Ends it as Ctrl-C does.
    pub fn stop(&mut self) -> Result<()> {
        stop(&mut self.child)
    }

    /// Batches of all services so far, from the metrics.
    pub async fn batches(&self) -> Result<Batches> {
        let text = get(&self.http, "/metrics").await?;
        let sum = |name: &str| {
            text.lines().filter(|line| line.starts_with(name)).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
        };
        Ok(Batches { count: sum("jifen_batch_messages_count"), messages: sum("jifen_batch_messages_sum") })
    }

    /// Forgets the statements counted so far, where they are.
    pub async fn reset_statements(&self) -> Result<()> {
        let mut connection = PgConnection::connect(&self.admin_url).await?;
        // Not there on every Postgres: then there is nothing to count.
        if sqlx::raw_sql("create extension if not exists pg_stat_statements").execute(&mut connection).await.is_ok() {
            sqlx::raw_sql("select pg_stat_statements_reset()").execute(&mut connection).await?;
        }
        Ok(())
    }

    /// Statements of the services since then, without BEGIN and COMMIT.
    pub async fn statements(&self) -> Result<Option<f64>> {
        let mut connection = PgConnection::connect(&self.admin_url).await?;
        let calls: Result<i64, _> = sqlx::query_scalar(
            "select coalesce(sum(calls), 0)::bigint from pg_stat_statements s join pg_roles r on r.oid = s.userid
             where r.rolname like 'jifen\\_%' and query !~* '^(begin|commit|rollback)'",
        )
        .fetch_one(&mut connection)
        .await;
        Ok(calls.ok().map(|calls| calls as f64))
    }
}

impl Drop for System {
    fn drop(&mut self) {
        // Only where `stop` was not reached: a leftover would disturb the next run.
        let _ = self.child.kill();
    }
}

fn stop(child: &mut Child) -> Result<()> {
    kill(Pid::from_raw(i32::try_from(child.id())?), Signal::SIGTERM)?;
    child.wait()?;
    Ok(())
}

fn postgres_data(home: &Path) -> Result<PathBuf> {
    let data = home.join("postgres");
    if !data.join("PG_VERSION").exists() {
        bail!("the database's folder is not where it was expected: {}", data.display());
    }
    Ok(data)
}

async fn wait_until_ready(child: &mut Child, http: &str) -> Result<()> {
    let deadline = tokio::time::Instant::now() + READY_WAIT;
    loop {
        if let Some(status) = child.try_wait()? {
            bail!("jifen ended with {status} before it was ready");
        }
        if get(http, "/readyz").await.is_ok_and(|text| text.ends_with("ready\n") && text.starts_with("HTTP/1.1 200")) {
            return Ok(());
        }
        if tokio::time::Instant::now() > deadline {
            bail!("jifen was not ready within {} s", READY_WAIT.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn get(address: &str, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

fn child_named(parent: u32, name: &str) -> Option<u32> {
    let children = std::fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    children.into_iter().find(|pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let command =
            stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')')).map(|(command, rest)| (command.to_owned(), rest.to_owned()));
        command.is_some_and(|(command, rest)| {
            name.starts_with(&command) && rest.split_whitespace().nth(1) == Some(parent.to_string().as_str())
        })
    })
}
