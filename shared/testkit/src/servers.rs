//! Which pair of servers a run uses: the one given by URL; else the kind asked for with `JIFEN_TEST_SERVERS`; else Docker
//! if an engine answers; else children of this process. Said once.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::docker::Docker;
use crate::local::Local;

/// The administrator's URL of the Postgres to use.
pub const DATABASE_URL_VAR: &str = "JIFEN_TEST_DATABASE_URL";
/// The URL of the NATS to use; its configuration must have the accounts that `with-servers --print-nats` prints.
pub const NATS_URL_VAR: &str = "JIFEN_TEST_NATS_URL";
const KIND_VAR: &str = "JIFEN_TEST_SERVERS";
/// An engine on this machine answers at once; an installed client proves nothing.
const PING_PATIENCE: Duration = Duration::from_millis(300);

/// Where servers come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Somebody else's, by URL.
    Given,
    /// Containers.
    Docker,
    /// Children of this process.
    Local,
}

/// What the environment asks for.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// [`DATABASE_URL_VAR`].
    pub database_url: Option<String>,
    /// [`NATS_URL_VAR`].
    pub nats_url: Option<String>,
    /// `JIFEN_TEST_SERVERS`: `docker` or `local`.
    pub kind: Option<String>,
    /// `DOCKER_HOST`.
    pub docker_host: Option<String>,
}

impl Wish {
    /// The wish of this process's environment.
    pub fn from_environment() -> Self {
        let var = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
        Self { database_url: var(DATABASE_URL_VAR), nats_url: var(NATS_URL_VAR), kind: var(KIND_VAR), docker_host: var("DOCKER_HOST") }
    }

    fn decide(&self) -> anyhow::Result<Kind> {
        match (&self.database_url, &self.nats_url) {
            (Some(_), Some(_)) => return Ok(Kind::Given),
            (None, None) => {}
            _ => bail!("{DATABASE_URL_VAR} and {NATS_URL_VAR} go together: set both or none"),
        }
        match self.kind.as_deref() {
            Some("docker") => Ok(Kind::Docker),
            Some("local") => Ok(Kind::Local),
            Some(other) => bail!("{KIND_VAR} is `docker` or `local`, not `{other}`"),
            None if self.docker_answers() => Ok(Kind::Docker),
            None => Ok(Kind::Local),
        }
    }

    fn docker_answers(&self) -> bool {
        let host = self.docker_host.as_deref().unwrap_or("unix:///var/run/docker.sock");
        match host.split_once("://") {
            Some(("unix", path)) => UnixStream::connect(path).is_ok_and(|stream| {
                let limited = stream.set_read_timeout(Some(PING_PATIENCE)).and(stream.set_write_timeout(Some(PING_PATIENCE)));
                limited.is_ok() && pong(stream)
            }),
            Some(("tcp" | "http", address)) => TcpStream::connect(address).is_ok_and(|stream| {
                let limited = stream.set_read_timeout(Some(PING_PATIENCE)).and(stream.set_write_timeout(Some(PING_PATIENCE)));
                limited.is_ok() && pong(stream)
            }),
            _ => false,
        }
    }
}

fn pong(mut stream: impl Read + Write) -> bool {
    let mut answer = [0; 12];
    stream.write_all(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n").is_ok()
        && stream.read_exact(&mut answer).is_ok()
        && answer.starts_with(b"HTTP/1.")
        && answer.ends_with(b"200")
}

/// A pair of servers. Dropped, it is stopped.
#[derive(Debug)]
pub struct Servers {
    /// The administrator's URL of Postgres.
    pub database_url: String,
    /// The URL of NATS, without a user.
    pub nats_url: String,
    /// Where they came from.
    pub kind: Kind,
    _running: Running,
}

#[derive(Debug)]
enum Running {
    Elsewhere,
    Docker { _servers: Box<Docker> },
    Local { _servers: Box<Local> },
}

impl Servers {
    /// Starts what is wished, or takes what is given. Blocks; not to be called in an async context.
    pub fn start(wish: &Wish) -> anyhow::Result<Self> {
        let kind = wish.decide()?;
        let (database_url, nats_url, running) = match kind {
            Kind::Given => {
                let given = |url: &Option<String>| url.clone().unwrap_or_default();
                (given(&wish.database_url), given(&wish.nats_url), Running::Elsewhere)
            }
            Kind::Docker => {
                say("test servers: containers");
                let servers = Docker::start().context("starting containers for tests (JIFEN_TEST_SERVERS=local does without)")?;
                (servers.database_url.clone(), servers.nats_url.clone(), Running::Docker { _servers: Box::new(servers) })
            }
            Kind::Local => {
                let servers = Local::start().context("starting local servers for tests")?;
                (servers.database_url(), servers.nats_url(), Running::Local { _servers: Box::new(servers) })
            }
        };
        Ok(Self { database_url, nats_url, kind, _running: running })
    }

    /// The pair of this process, started when it is first asked for. It ends with the process.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Servers> = OnceLock::new();
        SHARED.get_or_init(|| {
            // A thread of its own: this one may belong to an async runtime.
            let started = std::thread::spawn(|| Self::start(&Wish::from_environment())).join();
            match started {
                Ok(Ok(servers)) => servers,
                Ok(Err(error)) => panic!("no servers for tests: {error:#}"),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }
}

/// To the terminal, beside what tests print.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_go_before_the_kind_and_half_a_pair_is_refused() {
        let url = || Some("x://y".to_owned());
        let both = Wish { database_url: url(), nats_url: url(), kind: Some("local".into()), docker_host: None };
        assert_eq!(both.decide().expect("given"), Kind::Given);
        assert!(Wish { database_url: url(), ..Wish::default() }.decide().is_err());
        assert!(Wish { kind: Some("podman".into()), ..Wish::default() }.decide().is_err());
        let nobody = Wish { docker_host: Some("unix:///nowhere".into()), ..Wish::default() };
        assert_eq!(nobody.decide().expect("local"), Kind::Local);
    }
}
