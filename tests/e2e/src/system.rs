//! A whole system: `jifen up` in a temporary home, on free ports, with the servers' programs that all tests share.

use std::{
    fs::{self, File},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::OnceLock,
    time::{Duration, Instant},
};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use jifen_testkit::Programs;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rand::Rng;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{Client, Output, PATIENCE, executable, until};

/// Longer than finishing batches and stopping two servers takes.
const STOP_PATIENCE: Duration = Duration::from_mins(1);
/// All services.
pub const SERVICES: [&str; 7] = ["campaign", "ingest", "member", "notification", "points", "program", "tier"];

/// The ports of one system.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// Postgres.
    pub postgres: u16,
    /// NATS.
    pub nats: u16,
    /// NATS's own health page.
    pub monitor: u16,
    /// jifen's health and metrics.
    pub http: u16,
}

/// Below the range from which the kernel takes the near ends of connections: a port that is free now stays free while a
/// system is killed and started again.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let mut rng = rand::rng();
    // Held all at once, so that they differ.
    let listeners = [(); N].map(|()| {
        std::iter::repeat_with(|| rng.random_range(20_000..32_000))
            .take(1_000)
            .find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok())
            .expect("a free port")
    });
    listeners.map(|listener| listener.local_addr().expect("its address").port())
}

fn programs() -> &'static Programs {
    static PROGRAMS: OnceLock<Programs> = OnceLock::new();
    PROGRAMS.get_or_init(|| jifen_testkit::programs().expect("programs of the servers"))
}

/// A system; running or not. Dropped, it is killed and its home removed.
#[derive(Debug)]
pub struct System {
    dir: TempDir,
    ports: Ports,
    variables: Vec<(String, String)>,
    child: Option<Child>,
    copies: Vec<(Child, String)>,
}

impl Default for System {
    fn default() -> Self {
        Self::new()
    }
}

impl System {
    /// A home that is not there yet, with the servers' programs already found: nothing is fetched.
    pub fn new() -> Self {
        let Programs { nats_server, postgres_bin } = programs();
        Self::bare().with("JIFEN_NATS_SERVER", nats_server.display()).with("JIFEN_POSTGRES_BIN", postgres_bin.display())
    }

    /// As a new user begins: nothing is given but ports, which may be taken on this machine.
    pub fn bare() -> Self {
        let dir = tempfile::Builder::new().prefix("jifen-e2e-").tempdir().expect("a temporary folder");
        // The servers' user must get in.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("mode");
        let [postgres, nats, monitor, http] = free_ports();
        Self { dir, ports: Ports { postgres, nats, monitor, http }, variables: Vec::new(), child: None, copies: Vec::new() }
    }

    /// A system with one more variable.
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.variables.push((name.to_owned(), value.to_string()));
        self
    }

    /// A system for which it is `instant` now; time goes on from there.
    pub fn at(self, instant: DateTime<Utc>) -> Self {
        self.travel(instant);
        let clock = self.clock_file();
        self.with("JIFEN_TEST_CLOCK", clock.display())
    }

    /// Moves the time of a system that was made with [`System::at`], also while it runs.
    pub fn travel(&self, instant: DateTime<Utc>) {
        // Written beside and renamed: a reader sees the old instant or the new one.
        let new = self.dir.path().join("clock.new");
        fs::write(&new, instant.to_rfc3339()).expect("the clock is written");
        fs::rename(&new, self.clock_file()).expect("the clock is set");
    }

    /// Travels, and waits until the work of every day up to then is done.
    pub async fn travel_and_work(&self, instant: DateTime<Utc>, client: &Client) {
        self.travel(instant);
        let day = (instant + TimeDelta::hours(8)).date_naive();
        let mut database = PgConnection::connect(&self.database_url()).await.expect("the database");
        until(&format!("the work of {day}"), PATIENCE, async || (behind(&mut database, day).await == 0).then_some(())).await;
        self.quiet(client).await;
    }

    fn clock_file(&self) -> PathBuf {
        self.dir.path().join("clock")
    }

    /// Its ports.
    pub fn ports(&self) -> Ports {
        self.ports
    }

    /// The folder around its home: what lies there is part of the system, as its log.
    pub fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// Its home.
    pub fn home(&self) -> PathBuf {
        self.dir.path().join(".jifen")
    }

    /// All that `up` has said so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.dir.path().join("up.log")
    }

    /// Where its broker is.
    pub fn nats_url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.ports.nats)
    }

    /// Its database as the administrator reaches it, from the password in its keys.
    pub fn database_url(&self) -> String {
        let password = fs::read_to_string(self.home().join("keys/postgres")).expect("the database's password");
        format!("postgres://postgres:{}@127.0.0.1:{}/jifen", password.trim(), self.ports.postgres)
    }

    /// Where its health is.
    pub fn http_address(&self) -> String {
        format!("127.0.0.1:{}", self.ports.http)
    }

    /// `jifen` with these arguments, in this system's environment. The home is the default one of the working directory.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = executable::command();
        let Ports { postgres, nats, monitor, .. } = self.ports;
        command.args(arguments).current_dir(self.dir.path());
        command.env("JIFEN_POSTGRES_PORT", postgres.to_string()).env("JIFEN_NATS_PORT", nats.to_string());
        command.env("JIFEN_NATS_MONITOR_PORT", monitor.to_string()).env("JIFEN_HTTP_ADDRESS", self.http_address());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a verb to its end.
    pub async fn run(&self, arguments: &[&str]) -> Output {
        executable::run(self.command(arguments)).await
    }

    /// `jifen up`, until it is ready.
    pub async fn start(&mut self) {
        self.launch(&["up"]);
        self.wait_until_ready().await;
    }

    /// Starts `jifen` with these arguments and does not wait for anything.
    pub fn launch(&mut self, arguments: &[&str]) {
        assert!(self.child.is_none(), "it runs already");
        let log = File::options().create(true).append(true).open(self.log_file()).expect("the log");
        let mut command = self.command(arguments);
        command.stdout(log.try_clone().expect("a second handle")).stderr(log);
        self.child = Some(command.spawn().expect("jifen starts"));
    }

    /// Until `/readyz` says so.
    pub async fn wait_until_ready(&mut self) {
        let http = self.http_address();
        let log = self.log_file();
        let child = self.child.as_mut().expect("it was launched");
        until("jifen is ready", PATIENCE, async || {
            if let Some(status) = child.try_wait().expect("waiting for jifen") {
                panic!("jifen ended with {status} before it was ready:\n{}", fs::read_to_string(&log).unwrap_or_default());
            }
            is_ready(&http).await.then_some(())
        })
        .await;
    }

    /// One more copy of every service, by `jifen serve` on the same servers. Ready when this returns.
    pub async fn add_copy(&mut self) {
        let [port] = free_ports();
        let http = format!("127.0.0.1:{port}");
        let log = File::options().create(true).append(true).open(self.log_file()).expect("the log");
        let mut command = self.command(&["serve"]);
        // Its address holds no password that matters: services log in with roles of their own.
        let database = format!("postgres://127.0.0.1:{}/jifen", self.ports.postgres);
        command.env("JIFEN_DATABASE_URL", database).env("JIFEN_NATS_URL", self.nats_url()).env("JIFEN_HTTP_ADDRESS", &http);
        let child = command.stdout(log.try_clone().expect("a second handle")).stderr(log).spawn().expect("jifen starts");
        self.copies.push((child, http.clone()));
        let child = self.copies.last_mut().map(|(child, _)| child).expect("just pushed");
        until("the copy is ready", PATIENCE, async || {
            assert!(child.try_wait().expect("waiting for the copy").is_none(), "the copy ended");
            is_ready(&http).await.then_some(())
        })
        .await;
    }

    /// The process of `up`.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// A client without credentials, as a POS on the same machine.
    pub async fn client(&self) -> Client {
        Client::connect(&self.nats_url()).await
    }

    /// Asks it to stop as Ctrl-C (SIGINT) or a service manager (SIGTERM) does: exit code 0, and nothing of it is left.
    pub async fn stop(&mut self, signal: Signal) {
        for (mut child, _) in std::mem::take(&mut self.copies) {
            end(&mut child, Signal::SIGTERM).await;
        }
        let mut child = self.child.take().expect("it runs");
        let servers = self.processes();
        assert!(servers.len() > 2 || !Path::new("/proc/self").exists(), "the servers are seen: {servers:?}");
        end(&mut child, signal).await;
        assert_eq!(self.processes(), [], "processes left behind");
        let alive: Vec<_> = servers.into_iter().filter(|(pid, _)| Path::new(&format!("/proc/{pid}")).exists()).collect();
        assert_eq!(alive, [], "processes left behind");
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        tell(self.child.as_ref().expect("it runs"), signal);
    }

    /// Waits until it ends by itself; gives its exit code.
    pub async fn ended(&mut self) -> Option<i32> {
        let mut child = self.child.take().expect("it runs");
        until("jifen ends", STOP_PATIENCE, async || child.try_wait().expect("waiting for jifen")).await.code()
    }

    /// `kill -9`, whatever it does at the moment. Its servers are not waited for.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("killed");
        child.wait().expect("ended");
    }

    /// Every process that works in this system's folder: pid and command line. Empty where the kernel tells nothing of that.
    pub fn processes(&self) -> Vec<(u32, String)> {
        let Ok(list) = fs::read_dir("/proc") else { return Vec::new() };
        let folder = self.dir.path().canonicalize().expect("the folder");
        let pids = list.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let of_ours = |pid: u32| {
            // One that has died and was not waited for has neither.
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            let inside = fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(&folder));
            (inside || line.contains(&*folder.to_string_lossy())).then_some((pid, line))
        };
        pids.filter_map(of_ours).collect()
    }

    /// Waits until nothing is under way any more: no message waits, every outbox is published, every accrual is settled.
    pub async fn quiet(&self, client: &Client) {
        let mut database = PgConnection::connect(&self.database_url()).await.expect("the database");
        until("the system comes to rest", PATIENCE * 2, async || {
            let ends = client.ends().await;
            // In this order: what is published after the second look shows in the third, and in where the streams end.
            let rest = client.waiting().await == 0 && unpublished(&mut database).await == 0 && client.waiting().await == 0;
            let counts = client.ask("api.points.account.counts", &serde_json::json!({})).await;
            let settled = counts.is_ok_and(|reply| reply["counts"]["unsettled"].as_i64().unwrap_or(0) == 0);
            (rest && settled && client.ends().await == ends).then_some(())
        })
        .await;
    }
}

/// Jobs whose work of `day` is not done.
async fn behind(database: &mut PgConnection, day: NaiveDate) -> i64 {
    let each = SERVICES.map(|service| format!("select '{service}/' || job as job, day, done_at from {service}.job_day"));
    let sql = format!(
        "select count(*) from (select job, max(day) filter (where done_at is not null) as done from ({}) days group by job) jobs
         where done is null or done < $1",
        each.join(" union all ")
    );
    sqlx::query_scalar(AssertSqlSafe(sql)).bind(day).fetch_one(database).await.expect("the days")
}

/// Rows of all outboxes that are not published yet.
async fn unpublished(database: &mut PgConnection) -> i64 {
    let each = SERVICES.map(|service| format!("select row_count from {service}.outbox_commit where published_at is null"));
    let sql = format!("select coalesce(sum(row_count), 0)::bigint from ({}) rows", each.join(" union all "));
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(database).await.expect("the outboxes")
}

impl Drop for System {
    fn drop(&mut self) {
        for child in self.copies.iter_mut().map(|(child, _)| child).chain(&mut self.child) {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let last = lines[lines.len().saturating_sub(60)..].join("\n");
            // To the captured output of the test.
            std::panic::catch_unwind(|| print_failed(&last)).ok();
        }
        // The servers hear of it from the kernel; their folder goes when they have gone.
        let since = Instant::now();
        while !self.processes().is_empty() && since.elapsed() < STOP_PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[expect(clippy::print_stdout, reason = "the test's own output, shown where it fails")]
fn print_failed(log: &str) {
    println!("the last of what jifen said:\n{log}");
}

fn tell(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).expect("a pid")), signal).expect("it lives");
}

async fn end(child: &mut Child, signal: Signal) {
    tell(child, signal);
    let status = until("jifen stops", STOP_PATIENCE, async || child.try_wait().expect("waiting for jifen")).await;
    assert_eq!(status.code(), Some(0), "{status}");
}

async fn is_ready(address: &str) -> bool {
    get(address, "/readyz").await.is_some_and(|text| text.starts_with("HTTP/1.1 200") && text.ends_with("ready\n"))
}

/// A page of `jifen`'s own HTTP server, if it answers.
pub async fn get(address: &str, path: &str) -> Option<String> {
    http(address, &format!("GET {path}"), &[], b"").await
}

/// One request to `jifen`'s own HTTP server: `request` is method and path. The whole answer, if there is one.
pub async fn http(address: &str, request: &str, headers: &[(&str, &str)], body: &[u8]) -> Option<String> {
    let length = body.len();
    let mut head = format!("{request} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n");
    for (name, value) in headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    head.push_str("\r\n");
    let ask = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        stream.write_all(head.as_bytes()).await.ok()?;
        // Who refuses by what the head says need not read the rest.
        let _ = stream.write_all(body).await;
        let mut text = String::new();
        stream.read_to_string(&mut text).await.ok()?;
        Some(text)
    };
    tokio::time::timeout(Duration::from_secs(20), ask).await.ok()?
}
