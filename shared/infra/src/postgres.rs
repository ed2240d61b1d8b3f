//! The embedded Postgres: a cluster of our own below the home, as a child process on one loopback port.
//!
//! Its configuration is written anew at every start; what an operator wants otherwise goes into `local.conf` in the data
//! folder, which is read last. Logs carry neither statements nor parameters: they could be personal data.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jifen_kernel::Ids;

use crate::Say;
use crate::child::{ChildError, ChildSpec, LOOK, ServerChild, Signal};
use crate::files::{create_server_dir, with_suffix, write_private};
use crate::home::Home;
use crate::previous::{self, Place, PreviousError};
use crate::server_user::ServerUser;

const NAME: &str = "Postgres";
const HOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const SUPERUSER: &str = "postgres";
/// After a crash Postgres replays its log first, which takes its time on a slow disk; it is watched meanwhile.
const READY_PATIENCE: Duration = Duration::from_mins(3);
/// Longer than a fast shutdown with its checkpoint takes.
const STOP_GRACE: Duration = Duration::from_secs(20);

/// How to run it.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// The folder with `postgres` and `initdb`.
    pub bin: PathBuf,
    /// The port on 127.0.0.1.
    pub port: u16,
    /// The database whose URL [`Postgres::admin_url`] gives; made by [`crate::database::ensure_database`].
    pub database: String,
    /// Give up durability for speed: for tests, whose data nobody misses.
    pub unsafe_fast: bool,
}

impl PostgresOptions {
    /// Postgres's port unless another is chosen: not the standard one, which may be taken.
    pub const DEFAULT_PORT: u16 = 15_432;
    /// The database's name unless another is chosen.
    pub const DEFAULT_DATABASE: &str = "jifen";

    /// The product's settings.
    pub fn new(bin: PathBuf) -> Self {
        Self { bin, port: Self::DEFAULT_PORT, database: Self::DEFAULT_DATABASE.into(), unsafe_fast: false }
    }
}

/// Why it does not run.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// A file or folder of the cluster can't be handled.
    #[error("Postgres data at {path}: {source}; make the folder writable or choose another JIFEN_HOME")]
    Io {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is data and no password for it.
    #[error("the password of the database at {data} is missing at {path}: restore it from your backup of the keys folder")]
    PasswordMissing {
        /// The cluster.
        data: PathBuf,
        /// Where the password should be.
        path: PathBuf,
    },
    /// Something of an earlier run, or the port.
    #[error(transparent)]
    Previous(#[from] PreviousError),
    /// The child.
    #[error(transparent)]
    Child(#[from] ChildError),
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> PostgresError {
    let path = path.to_path_buf();
    move |source| PostgresError::Io { path, source }
}

/// The version that made the home's data, if there is any: no other can open it.
pub fn data_major(home: &Home) -> Option<u32> {
    fs::read_to_string(home.postgres_dir().join("PG_VERSION")).ok()?.trim().parse().ok()
}

/// A running embedded Postgres. Dropped, it is stopped.
#[derive(Debug)]
pub struct Postgres {
    child: ServerChild,
    password: String,
    port: u16,
    database: String,
}

impl Postgres {
    /// Starts it, making its data at the first start, and returns when it takes connections. Blocks; the caller holds
    /// the home's lock.
    pub fn start(home: &Home, options: &PostgresOptions, say: Say<'_>) -> Result<Self, PostgresError> {
        let data = home.postgres_dir();
        let place = Place {
            name: NAME,
            program: "postgres",
            dir: &data,
            host: HOST,
            port: options.port,
            port_option: "JIFEN_POSTGRES_PORT",
            stop: Signal::SIGINT,
        };
        previous::wait_until_free(place, say)?;
        let password = prepare_data(home, options, say)?;
        let user = home.server_user();
        write_private(&data.join("postgresql.conf"), settings(options).as_bytes(), Some(user)).map_err(io_at(&data))?;
        let since = Instant::now();
        loop {
            match Self::launch(home, options) {
                Ok(child) => return Ok(Self { child, password, port: options.port, database: options.database.clone() }),
                // A postmaster was killed and its workers, which nobody sees any more, still leave.
                Err(ChildError::Ended { lines, .. })
                    if lines.contains("pre-existing shared memory block") && since.elapsed() < previous::PATIENCE =>
                {
                    std::thread::sleep(LOOK * 20);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn launch(home: &Home, options: &PostgresOptions) -> Result<ServerChild, ChildError> {
        let data = home.postgres_dir();
        let mut child = ServerChild::spawn(ChildSpec {
            name: NAME,
            program: options.bin.join("postgres"),
            args: vec!["-D".into(), data.clone().into()],
            log: home.logs_dir().join("postgres.log"),
            user: home.server_user(),
            stop: Signal::SIGINT,
        })?;
        let (pid, file) = (child.pid().to_string(), data.join("postmaster.pid"));
        child.wait_ready(READY_PATIENCE, || {
            let text = fs::read_to_string(&file).unwrap_or_default();
            text.lines().next() == Some(&pid) && text.lines().last().is_some_and(|line| line.trim() == "ready")
        })?;
        Ok(child)
    }

    /// The administrator's URL. Never for a service.
    pub fn admin_url(&self) -> String {
        format!("postgres://{SUPERUSER}:{}@{HOST}:{}/{}", self.password, self.port, self.database)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// An error with its last words if it has ended: to be asked while it should run.
    pub fn check(&mut self) -> Result<(), ChildError> {
        self.child.check()
    }

    /// Ends it cleanly: connections are closed, data is written. Blocks.
    pub fn stop(mut self) {
        if !self.child.stop(STOP_GRACE) {
            tracing::warn!("Postgres did not stop in {} s and was killed; it recovers at its next start", STOP_GRACE.as_secs());
        }
    }
}

/// Makes the cluster if there is none, and returns the administrator's password.
fn prepare_data(home: &Home, options: &PostgresOptions, say: Say<'_>) -> Result<String, PostgresError> {
    let (data, file) = (home.postgres_dir(), home.keys_dir().join("postgres"));
    let password = match fs::read_to_string(&file) {
        Ok(text) => Some(text.trim().to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(io_at(&file)(error)),
    };
    match (data.join("PG_VERSION").exists(), password) {
        (true, Some(password)) => Ok(password),
        (true, None) => Err(PostgresError::PasswordMissing { data, path: file }),
        (false, _) => {
            say("making a new Postgres database (a few seconds)");
            let mut bytes = [0; 16];
            Ids::system().fill(&mut bytes);
            let password = hex::encode(bytes);
            write_private(&file, password.as_bytes(), None).map_err(io_at(&file))?;
            initdb(home, options, &password)?;
            Ok(password)
        }
    }
}

/// Makes the cluster beside its place and moves it there when it is whole: killed half way, it starts over.
fn initdb(home: &Home, options: &PostgresOptions, password: &str) -> Result<(), PostgresError> {
    let data = home.postgres_dir();
    sweep_unfinished(home).map_err(io_at(home.path()))?;
    // An empty folder, as a mount would leave it, is ours to replace; a full one without PG_VERSION is somebody's.
    if data.exists() {
        fs::remove_dir(&data).map_err(io_at(&data))?;
    }
    let (unfinished, user) = (with_suffix(&data, &format!(".unfinished-{}", std::process::id())), home.server_user());
    create_server_dir(&unfinished, user).map_err(io_at(&unfinished))?;
    let handover = with_suffix(&unfinished, "-password");
    write_private(&handover, password.as_bytes(), Some(user)).map_err(io_at(&handover))?;
    let made = run_initdb(home, options, &unfinished, &handover, user);
    fs::remove_file(&handover).map_err(io_at(&handover))?;
    made?;
    fs::rename(&unfinished, &data).map_err(io_at(&data))
}

fn run_initdb(home: &Home, options: &PostgresOptions, into: &Path, password: &Path, user: ServerUser) -> Result<(), ChildError> {
    let mut args: Vec<OsString> =
        ["--encoding=UTF8", "--locale=C", "--auth=scram-sha-256", "--no-instructions", "--data-checksums"].map(Into::into).into();
    if options.unsafe_fast {
        args.push("--no-sync".into());
    }
    args.push(format!("--username={SUPERUSER}").into());
    for (option, path) in [("--pwfile=", password), ("--pgdata=", into)] {
        let mut arg = OsString::from(option);
        arg.push(path);
        args.push(arg);
    }
    let log = home.logs_dir().join("postgres-initdb.log");
    let program = options.bin.join("initdb");
    let mut child = ServerChild::spawn(ChildSpec { name: "initdb", program, args, log, user, stop: Signal::SIGTERM })?;
    let status = child.wait()?;
    if status.success() { Ok(()) } else { Err(child.ended(status)) }
}

fn sweep_unfinished(home: &Home) -> io::Result<()> {
    for entry in fs::read_dir(home.path())? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("postgres.unfinished-") {
            remove_unfinished(&entry.path())?;
        }
    }
    Ok(())
}

/// The `initdb` of a killed run hears of it from the kernel; until then it still writes, or clears up behind itself.
fn remove_unfinished(path: &Path) -> io::Result<()> {
    let since = Instant::now();
    loop {
        let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        match removed {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !path.exists() => return Ok(()),
            Err(error)
                if matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotFound)
                    && since.elapsed() < previous::PATIENCE =>
            {
                std::thread::sleep(LOOK);
            }
            removed => return removed,
        }
    }
}

fn settings(options: &PostgresOptions) -> String {
    let port = options.port;
    let durability = if options.unsafe_fast {
        "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\nwal_level = minimal\nmax_wal_senders = 0\nautovacuum_naptime = 10min\n\
         max_connections = 400\nshared_buffers = 128MB\n"
    } else {
        "max_connections = 200\nshared_buffers = 256MB\nwal_compression = on\n"
    };
    format!(
        "# Written by jifen at every start. Your own settings belong in local.conf beside this file.
listen_addresses = '{HOST}'
port = {port}
unix_socket_directories = ''
password_encryption = scram-sha-256
{durability}max_wal_size = 2GB
checkpoint_timeout = 15min
jit = off
timezone = 'UTC'
lc_messages = 'C'

# No statement, parameter or value may reach the log: they can be personal data. Failed statements, whose messages quote
# values, are not logged at all; whoever sent one logs its failure.
log_min_messages = log
log_destination = stderr
logging_collector = off
log_line_prefix = '%m [%p] %u@%d '
log_statement = none
log_duration = off
log_min_duration_statement = -1
log_min_error_statement = panic
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_error_verbosity = terse
log_lock_waits = off
log_checkpoints = off
log_autovacuum_min_duration = -1

include_if_exists = 'local.conf'
"
    )
}
