//! The embedded NATS: a JetStream server of our own below the home, as a child process.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jifen_kernel::StoreCode;
use serde_json::Value;

use crate::Say;
use crate::child::{ChildError, ChildSpec, LOOK, ServerChild, Signal, check_port};
use crate::files::{create_server_dir, write_private};
use crate::home::Home;
use crate::keys::Keys;
use crate::nats_config::{self, Account, ServerSettings, Tls};
use crate::previous::{self, Place, PreviousError};
use crate::rights;

const NAME: &str = "NATS";
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// After a crash the server checks its streams first.
const READY_PATIENCE: Duration = Duration::from_mins(2);
/// Longer than writing its state takes.
const STOP_GRACE: Duration = Duration::from_secs(15);
/// A changed configuration is read within milliseconds.
const RELOAD_PATIENCE: Duration = Duration::from_secs(5);
/// One answer of the monitor.
const MONITOR_PATIENCE: Duration = Duration::from_secs(2);

/// How to run it.
#[derive(Debug, Clone)]
pub struct NatsOptions {
    /// `nats-server`.
    pub program: PathBuf,
    /// Where it listens. Elsewhere than on a loopback address everybody needs credentials.
    pub host: IpAddr,
    /// The port for clients.
    pub port: u16,
    /// The port of its health page, always on 127.0.0.1.
    pub monitor_port: u16,
    /// The most that its streams may hold, in bytes.
    pub max_file_store: i64,
    /// Every write is on the disk before it is acknowledged. Dear, and no promise of ours rests on it.
    pub sync_always: bool,
    /// For connections from elsewhere.
    pub tls: Option<Tls>,
}

impl NatsOptions {
    /// NATS's port unless another is chosen: not the standard one, which may be taken.
    pub const DEFAULT_PORT: u16 = 14_222;
    /// The monitor's port unless another is chosen.
    pub const DEFAULT_MONITOR_PORT: u16 = 18_222;
    /// Above what the streams reserve together ([`crate::streams`]).
    pub const DEFAULT_MAX_FILE_STORE: i64 = 10 * 1024 * 1024 * 1024;

    /// The product's settings.
    pub fn new(program: PathBuf) -> Self {
        Self {
            program,
            host: LOOPBACK,
            port: Self::DEFAULT_PORT,
            monitor_port: Self::DEFAULT_MONITOR_PORT,
            max_file_store: Self::DEFAULT_MAX_FILE_STORE,
            sync_always: false,
            tls: None,
        }
    }
}

/// Why it does not run.
#[derive(Debug, thiserror::Error)]
pub enum NatsServerError {
    /// Its folder or configuration can't be written.
    #[error("NATS data at {path}: {source}; make the folder writable or choose another JIFEN_HOME")]
    Io {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something of an earlier run, or the port.
    #[error(transparent)]
    Previous(#[from] PreviousError),
    /// The child.
    #[error(transparent)]
    Child(#[from] ChildError),
    /// It does not come up, perhaps because it can't get through its files.
    #[error(
        "{source}\nIf that log ends in the restore of a stream, its files are damaged: move {store} away and start again. Nothing is lost: \
         what jifen had published is published again from the database, and stores send again what has no receipt"
    )]
    NotReady {
        /// What it said.
        source: ChildError,
        /// Where its streams lie.
        store: PathBuf,
    },
    /// It goes on with its old users.
    #[error("NATS did not take its new configuration; the last lines of its log:\n{0}")]
    NotReloaded(String),
}

/// A running embedded NATS. Dropped, it is stopped.
#[derive(Debug)]
pub struct NatsServer {
    child: ServerChild,
    config: PathBuf,
    /// Of the configuration that it has read.
    accounts: Vec<Account>,
    home: Home,
    options: NatsOptions,
}

impl NatsServer {
    /// Starts it with the users of an installation with these stores, and returns when JetStream is ready. Blocks; the
    /// caller holds the home's lock.
    pub fn start(home: &Home, keys: &Keys, options: NatsOptions, stores: &[StoreCode], say: Say<'_>) -> Result<Self, NatsServerError> {
        Self::start_with(home, keys, options, &installation(stores), say)
    }

    /// As [`Self::start`], with other accounts: for tests.
    pub fn start_with(home: &Home, keys: &Keys, options: NatsOptions, accounts: &[Account], say: Say<'_>) -> Result<Self, NatsServerError> {
        let dir = home.nats_dir();
        let place = Place {
            name: NAME,
            program: "nats-server",
            dir: &dir,
            host: options.host,
            port: options.port,
            port_option: "JIFEN_NATS_PORT",
            stop: Signal::SIGTERM,
        };
        previous::wait_until_free(place, say)?;
        check_port("NATS's health page", LOOPBACK, options.monitor_port, "JIFEN_NATS_MONITOR_PORT")?;
        create_server_dir(&dir, home.server_user()).map_err(|source| NatsServerError::Io { path: dir.clone(), source })?;
        let config = dir.join("nats.conf");
        write_config(home, &config, &options, keys, accounts)?;
        let child = ServerChild::spawn(ChildSpec {
            name: NAME,
            program: options.program.clone(),
            args: vec!["--config".into(), config.clone().into()],
            log: home.logs_dir().join("nats.log"),
            user: home.server_user(),
            stop: Signal::SIGTERM,
        })?;
        let monitor_port = options.monitor_port;
        let mut server = Self { child, config, accounts: accounts.to_vec(), home: home.clone(), options };
        let ready = server.child.wait_ready(READY_PATIENCE, || is_healthy(monitor_port));
        ready.map_err(|source| match source {
            source @ ChildError::NotReady { .. } => NatsServerError::NotReady { source, store: dir.join("store") },
            other => other.into(),
        })?;
        Ok(server)
    }

    /// Rewrites users and rights for these stores and has the server read them, if they are other ones than before: while it
    /// reads, JetStream does not answer. Connections that may stay, stay. Blocks.
    pub fn set_stores(&mut self, keys: &Keys, stores: &[StoreCode]) -> Result<(), NatsServerError> {
        let accounts = installation(stores);
        if self.accounts == accounts {
            return Ok(());
        }
        let read_at = || monitor(self.options.monitor_port, "/varz").ok().and_then(|varz| varz.get("config_load_time").cloned());
        let before = read_at();
        // Until it says that it has read them, nobody knows which it has.
        self.accounts.clear();
        write_config(&self.home, &self.config, &self.options, keys, &accounts)?;
        self.child.signal(Signal::SIGHUP);
        let since = std::time::Instant::now();
        while since.elapsed() < RELOAD_PATIENCE {
            std::thread::sleep(LOOK);
            if read_at().is_some_and(|now| Some(now) != before) {
                self.accounts = accounts.to_vec();
                return Ok(());
            }
        }
        self.child.check()?;
        Err(NatsServerError::NotReloaded(self.child.last_lines()))
    }

    /// Where clients of this machine connect.
    pub fn url(&self) -> String {
        let host = if self.options.host.is_unspecified() { LOOPBACK } else { self.options.host };
        format!("nats://{}", SocketAddr::new(host, self.options.port))
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Whether JetStream works: a full disk switches it off while the port still answers.
    pub fn is_healthy(&self) -> bool {
        is_healthy(self.options.monitor_port)
    }

    /// An error with its last words if it has ended: to be asked while it should run.
    pub fn check(&mut self) -> Result<(), ChildError> {
        self.child.check()
    }

    /// Ends it cleanly. Blocks.
    pub fn stop(mut self) {
        if !self.child.stop(STOP_GRACE) {
            tracing::warn!("NATS did not stop in {} s and was killed; it recovers at its next start", STOP_GRACE.as_secs());
        }
    }
}

fn installation(stores: &[StoreCode]) -> [Account; 1] {
    [Account { name: "JIFEN".into(), users: rights::users("", stores) }]
}

fn write_config(home: &Home, path: &Path, options: &NatsOptions, keys: &Keys, accounts: &[Account]) -> Result<(), NatsServerError> {
    let local = || accounts.first().and_then(|account| account.users.iter().find(|user| user.name.ends_with(rights::LOCAL)));
    let settings = ServerSettings {
        host: options.host,
        port: options.port,
        monitor: (LOOPBACK, options.monitor_port),
        dir: &home.nats_dir(),
        max_file_store: options.max_file_store,
        sync_always: options.sync_always,
        no_auth_user: options.host.is_loopback().then(local).flatten().map(|user| user.name.clone()),
        tls: options.tls.clone(),
    };
    let text = nats_config::render(&settings, keys, accounts);
    let written = write_private(path, text.as_bytes(), Some(home.server_user()));
    written.map_err(|source| NatsServerError::Io { path: path.to_path_buf(), source })
}

fn is_healthy(monitor_port: u16) -> bool {
    monitor(monitor_port, "/healthz?js-enabled-only=true").is_ok_and(|health| health["status"] == "ok")
}

/// Asks the server's monitor, which speaks plain HTTP on this machine.
fn monitor(port: u16, path: &str) -> io::Result<Value> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::new(LOOPBACK, port), MONITOR_PATIENCE)?;
    stream.set_read_timeout(Some(MONITOR_PATIENCE))?;
    stream.set_write_timeout(Some(MONITOR_PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(1024 * 1024).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (_, body) = answer.split_once("\r\n\r\n").ok_or_else(|| io::Error::other("no HTTP answer"))?;
    serde_json::from_str(body).map_err(io::Error::from)
}

/// The process id in the server's own file, for another process that wants to look at it.
pub fn pid_of(home: &Home) -> Option<u32> {
    fs::read_to_string(home.nats_dir().join("nats.pid")).ok()?.trim().parse().ok()
}
