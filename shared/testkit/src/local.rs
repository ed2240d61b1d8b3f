//! The pair as children of this process, in a temporary home that goes with it.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context;
use jifen_infra::binaries::{Found, Search, find_nats_server, find_postgres};
use jifen_infra::home::reachable_dir;
use jifen_infra::nats_server::NatsOptions;
use jifen_infra::postgres::PostgresOptions;
use jifen_infra::server_user::ServerUser;
use jifen_infra::{Home, HomeLock, NatsServer, Postgres};

use crate::accounts::{accounts, test_keys};
use crate::servers::say;

/// More than the streams of all accounts reserve together; only what is written takes room on the disk.
const MAX_FILE_STORE: i64 = 1024 * 1024 * 1024 * 1024;
/// A port that was free may be taken a moment later.
const TRIES: u32 = 3;
const HOMES: &str = "jifen-test-";

#[derive(Debug)]
pub(crate) struct Local {
    // In this order they end: the servers, then the lock, then the folder.
    nats: NatsServer,
    postgres: Postgres,
    _lock: HomeLock,
    _dir: TemporaryDir,
}

impl Local {
    pub(crate) fn start() -> anyhow::Result<Self> {
        sweep_homes_of_the_dead();
        let mut failed = None;
        for _ in 0..TRIES {
            match Self::try_start() {
                Ok(started) => return Ok(started),
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or_else(|| anyhow::anyhow!("not tried")))
    }

    fn try_start() -> anyhow::Result<Self> {
        let (home, dir) = own_home()?;
        let lock = home.lock()?;
        let (postgres, nats) = find_programs(home.server_user())?;
        say(&format!("test servers: Postgres {postgres}; NATS {nats}"));
        let options = PostgresOptions { bin: postgres.path, port: free_port()?, database: "postgres".into(), unsafe_fast: true };
        let postgres = Postgres::start(&home, &options, &|_| {})?;
        let options =
            NatsOptions { port: free_port()?, monitor_port: free_port()?, max_file_store: MAX_FILE_STORE, ..NatsOptions::new(nats.path) };
        let nats = NatsServer::start_with(&home, &test_keys(), options, &accounts(), &|_| {})?;
        Ok(Self { nats, postgres, _lock: lock, _dir: dir })
    }

    pub(crate) fn database_url(&self) -> String {
        self.postgres.admin_url()
    }

    pub(crate) fn nats_url(&self) -> String {
        self.nats.url()
    }
}

/// A new home, and what removes it.
pub(crate) fn own_home() -> anyhow::Result<(Home, TemporaryDir)> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("{HOMES}{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let home = Home::locate(&std::env::temp_dir().join(name))?;
    let dir = TemporaryDir(home.path().to_path_buf());
    Ok((home, dir))
}

/// The servers' programs that tests use.
#[derive(Debug, Clone)]
pub struct Programs {
    /// `nats-server`.
    pub nats_server: PathBuf,
    /// The folder of Postgres's programs.
    pub postgres_bin: PathBuf,
}

/// Finds or fetches them, for tests that start servers in their own way. Blocks.
pub fn programs() -> anyhow::Result<Programs> {
    let (postgres, nats) = find_programs(ServerUser::of_this_process())?;
    Ok(Programs { nats_server: nats.path, postgres_bin: postgres.path })
}

/// Postgres and NATS.
fn find_programs(user: ServerUser) -> anyhow::Result<(Found, Found)> {
    let search = search(user)?;
    Ok((find_postgres(&search, None, &say)?, find_nats_server(&search, &say)?))
}

/// How tests look for programs: as the product does, with a cache that all runs share.
fn search(user: ServerUser) -> anyhow::Result<Search> {
    let path = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = path("XDG_CACHE_HOME").or_else(|| path("HOME").map(|home| home.join(".cache"))).unwrap_or_else(std::env::temp_dir);
    let (cache, _) = reachable_dir(&cache.join("jifen"), user)?;
    Ok(Search {
        nats_server: path("JIFEN_NATS_SERVER"),
        postgres_bin: path("JIFEN_POSTGRES_BIN"),
        path: std::env::var_os("PATH"),
        cache,
        offline: path("JIFEN_OFFLINE").is_some(),
        user,
    })
}

pub(crate) fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("looking for a free port")?;
    Ok(listener.local_addr()?.port())
}

/// A process that was killed, or that kept its servers to its end, leaves its folder to the next one.
fn sweep_homes_of_the_dead() {
    let parents = [std::env::temp_dir(), PathBuf::from("/var/lib")];
    for entry in parents.iter().filter_map(|parent| fs::read_dir(parent).ok()).flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(HOMES)?.split('-').next()?.parse::<i32>().ok());
        if owner.is_some_and(|pid| !is_alive(pid)) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn is_alive(pid: i32) -> bool {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None) != Err(nix::errno::Errno::ESRCH)
}

#[derive(Debug)]
pub(crate) struct TemporaryDir(PathBuf);

impl Drop for TemporaryDir {
    fn drop(&mut self) {
        let dir: &Path = &self.0;
        let _ = fs::remove_dir_all(dir);
    }
}
