//! A NATS of a test's own, whose disk the test may damage.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use async_nats::Client;
use jifen_infra::home::Home;
use jifen_infra::nats_server::NatsOptions;
use jifen_infra::rights::{self, Credentials};
use jifen_infra::{HomeLock, NatsServer, nats};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::accounts::test_keys;
use crate::local::{TemporaryDir, free_port, own_home, programs};

/// A server that its test stops, kills, damages and starts again, on the same port. Its users have the names of production.
/// It goes when it is dropped.
#[derive(Debug)]
pub struct Broker {
    server: Option<NatsServer>,
    options: NatsOptions,
    home: Home,
    _lock: HomeLock,
    _dir: TemporaryDir,
}

impl Broker {
    /// A running one without streams. Blocks; panics with the reason if there can be none.
    pub fn start() -> Self {
        match Self::try_start() {
            Ok(broker) => broker,
            Err(error) => panic!("no broker for this test: {error:#}"),
        }
    }

    fn try_start() -> anyhow::Result<Self> {
        let program = programs()?.nats_server;
        let (home, dir) = own_home()?;
        let lock = home.lock()?;
        let options = NatsOptions { port: free_port()?, monitor_port: free_port()?, ..NatsOptions::new(program) };
        let mut broker = Self { server: None, options, home, _lock: lock, _dir: dir };
        broker.run()?;
        Ok(broker)
    }

    fn run(&mut self) -> anyhow::Result<()> {
        self.server = Some(NatsServer::start(&self.home, &test_keys(), self.options.clone(), &[], &|_| {})?);
        Ok(())
    }

    /// Where clients connect.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.options.port)
    }

    /// Credentials of a user as [`rights`] names it.
    pub fn credentials(&self, user: &str) -> Credentials {
        rights::credentials(&test_keys(), user)
    }

    /// A connection of that user.
    pub async fn client(&self, user: &str) -> Client {
        match nats::connect(&self.url(), &self.credentials(user)).await {
            Ok(client) => client,
            Err(error) => panic!("{error}"),
        }
    }

    /// Ends it as an operator does.
    pub fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop();
        }
    }

    /// Ends it as a power cut does.
    pub fn kill(&mut self) {
        if let Some(server) = self.server.take() {
            let pid = i32::try_from(server.pid()).unwrap_or_else(|_| unreachable!("a process id"));
            // It may have ended by itself.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }

    /// Starts it again on what its disk holds now. Panics with the reason if it can't.
    pub fn start_again(&mut self) {
        if let Err(error) = self.run() {
            panic!("the broker does not start again: {error:#}");
        }
    }

    /// Where its streams lie.
    pub fn store(&self) -> PathBuf {
        self.home.nats_dir().join("store")
    }

    /// The folder of a stream.
    pub fn stream(&self, name: &str) -> PathBuf {
        self.store().join("jetstream/JIFEN/streams").join(name)
    }

    /// A folder beside the store for a copy of it.
    pub fn backup(&self) -> PathBuf {
        self.home.nats_dir().join("backup")
    }

    /// Makes `to` what `from` is, owners included.
    pub fn replace(from: &Path, to: &Path) {
        let copied = (|| {
            let _ = std::fs::remove_dir_all(to);
            let status = Command::new("cp").arg("-a").arg(from).arg(to).status()?;
            ensure!(status.success(), "cp: {status}");
            anyhow::Ok(())
        })();
        if let Err(error) = copied.with_context(|| format!("copying {} to {}", from.display(), to.display())) {
            panic!("{error:#}");
        }
    }
}
