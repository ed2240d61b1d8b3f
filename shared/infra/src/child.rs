//! A server as a child process: it runs as the servers' user, dies when we die, however we die, and tells its last
//! words when it ends early.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::net::{IpAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc;
use std::time::{Duration, Instant};

pub use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use crate::files::with_suffix;
use crate::server_user::ServerUser;

/// How long between two looks at a child; it is there in tens of milliseconds.
pub(crate) const LOOK: Duration = Duration::from_millis(10);
/// A log that has grown beyond this at a start is put aside.
const LOG_LIMIT: u64 = 16 * 1024 * 1024;
/// How much of a log a message quotes.
const LAST_LINES: usize = 12;
/// How long a child dropped without [`ServerChild::stop`] gets before it is killed.
const DROP_GRACE: Duration = Duration::from_secs(5);

/// Why a child does not run.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// It could not be started at all.
    #[error("can't start {name} ({program}): {source}")]
    Spawn {
        /// The server.
        name: &'static str,
        /// Its program.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Its log can't be written.
    #[error("can't write the log of {name} at {path}: {source}; make the folder writable or choose another JIFEN_HOME")]
    Log {
        /// The server.
        name: &'static str,
        /// The log.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It ended when it should run.
    #[error("{name} ended by itself ({status}); the last lines of {log}:\n{lines}")]
    Ended {
        /// The server.
        name: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// Its log.
        log: PathBuf,
        /// What it said last.
        lines: String,
    },
    /// It runs and does not become ready.
    #[error("{name} is not ready after {waited_s} s; the last lines of {log}:\n{lines}")]
    NotReady {
        /// The server.
        name: &'static str,
        /// How long it was waited for.
        waited_s: u64,
        /// Its log.
        log: PathBuf,
        /// What it said last.
        lines: String,
    },
    /// It may not listen where it should.
    #[error("can't listen on port {port} of {host} for {name}: {source}; choose another with {option}")]
    PortUnusable {
        /// The server.
        name: &'static str,
        /// The address.
        host: IpAddr,
        /// The port.
        port: u16,
        /// The option to change.
        option: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody else listens where it should.
    #[error("port {port} of {host} for {name} is taken by another program: stop that one, or choose another port with {option}")]
    PortTaken {
        /// The server.
        name: &'static str,
        /// The address.
        host: IpAddr,
        /// The port.
        port: u16,
        /// The option to change.
        option: &'static str,
    },
}

/// What to start.
#[derive(Debug)]
pub struct ChildSpec {
    /// For messages.
    pub name: &'static str,
    /// The program, absolute.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Where stdout and stderr go; appended.
    pub log: PathBuf,
    /// Whom it runs as.
    pub user: ServerUser,
    /// What makes it stop cleanly; also sent by the kernel when this process ends.
    pub stop: Signal,
}

/// A running child. Dropped, it is stopped.
#[derive(Debug)]
pub struct ServerChild {
    name: &'static str,
    child: Child,
    log: PathBuf,
    log_start: u64,
    stop: Signal,
}

impl ServerChild {
    /// Starts it. Its environment is empty but for a path and a locale: none of our secrets, none of its settings.
    pub fn spawn(spec: ChildSpec) -> Result<Self, ChildError> {
        let ChildSpec { name, program, args, log, user, stop } = spec;
        let on_log = |source| ChildError::Log { name, path: log.clone(), source };
        if log.metadata().is_ok_and(|meta| meta.len() > LOG_LIMIT) {
            fs::rename(&log, with_suffix(&log, ".1")).map_err(on_log)?;
        }
        let out = File::options().append(true).create(true).open(&log).map_err(on_log)?;
        let log_start = out.metadata().map_err(on_log)?.len();
        let err = out.try_clone().map_err(on_log)?;
        let mut command = Command::new(&program);
        command.args(args).stdin(Stdio::null()).stdout(out).stderr(err);
        // Ctrl-C at the terminal goes to its foreground group: to us, who then stop the children in order.
        command.env_clear().envs([("PATH", "/usr/bin:/bin"), ("LC_ALL", "C"), ("TZ", "UTC")]).current_dir("/").process_group(0);
        user.run(&mut command);
        let child = spawn_bound(command, stop).map_err(|source| ChildError::Spawn { name, program, source })?;
        Ok(Self { name, child, log, log_start, stop })
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// An error if it has ended: to be asked while it should run.
    pub fn check(&mut self) -> Result<(), ChildError> {
        match self.child.try_wait() {
            Ok(Some(status)) => Err(self.ended(status)),
            _ => Ok(()),
        }
    }

    /// Waits until `ready`, or says why it never will be.
    pub(crate) fn wait_ready(&mut self, patience: Duration, mut ready: impl FnMut() -> bool) -> Result<(), ChildError> {
        let since = Instant::now();
        while !ready() {
            self.check()?;
            if since.elapsed() > patience {
                let (waited_s, log, lines) = (patience.as_secs(), self.log.clone(), self.last_lines());
                return Err(ChildError::NotReady { name: self.name, waited_s, log, lines });
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(&mut self) -> Result<ExitStatus, ChildError> {
        self.child.wait().map_err(|source| ChildError::Spawn { name: self.name, program: self.log.clone(), source })
    }

    /// How it ended, with its last words.
    pub(crate) fn ended(&self, status: ExitStatus) -> ChildError {
        ChildError::Ended { name: self.name, status, log: self.log.clone(), lines: self.last_lines() }
    }

    /// Sends it a signal; one that has ended hears nothing.
    pub fn signal(&mut self, signal: Signal) {
        // Until it is waited for, its number is not given to another process.
        if let (Ok(None), Ok(pid)) = (self.child.try_wait(), i32::try_from(self.child.id())) {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Stops it cleanly, or kills it after `grace`. True if it stopped by itself.
    pub fn stop(&mut self, grace: Duration) -> bool {
        self.signal(self.stop);
        let since = Instant::now();
        while since.elapsed() < grace {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return true;
            }
            std::thread::sleep(LOOK);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        false
    }

    /// Its last lines since this start.
    pub fn last_lines(&self) -> String {
        let text = read_from(&self.log, self.log_start).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
    }
}

impl Drop for ServerChild {
    fn drop(&mut self) {
        self.stop(DROP_GRACE);
    }
}

fn read_from(path: &Path, start: u64) -> io::Result<String> {
    const AT_MOST: u64 = 64 * 1024;
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(start.max(length.saturating_sub(AT_MOST))))?;
    let mut bytes = Vec::new();
    file.take(AT_MOST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// An error if somebody listens there already.
pub(crate) fn check_port(name: &'static str, host: IpAddr, port: u16, option: &'static str) -> Result<(), ChildError> {
    match TcpListener::bind((host, port)) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(ChildError::PortTaken { name, host, port, option }),
        Err(source) => Err(ChildError::PortUnusable { name, host, port, option, source }),
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// Spawns from one thread that lives as long as this process: the kernel sends the death signal when the spawning
/// *thread* ends, and threads of an async runtime come and go.
fn spawn_bound(mut command: Command, stop: Signal) -> io::Result<Child> {
    static SPAWNER: OnceLock<mpsc::Sender<Job>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (jobs, inbox) = mpsc::channel::<Job>();
        // Without the thread the channel is closed and every spawn fails with a message of its own.
        let _ = std::thread::Builder::new().name("jifen-children".into()).spawn(move || inbox.into_iter().for_each(|job| job()));
        jobs
    });
    die_with_parent(&mut command, stop);
    let (answer, spawned) = mpsc::sync_channel(1);
    let gone = || io::Error::other("the thread that starts children is gone");
    let job: Job = Box::new(move || {
        let _ = answer.send(command.spawn());
    });
    spawner.send(job).map_err(|_| gone())?;
    spawned.recv().map_err(|_| gone())?
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the death signal can only be asked for between fork and exec")]
fn die_with_parent(command: &mut Command, signal: Signal) {
    let parent = Pid::this();
    let ask = move || {
        nix::sys::prctl::set_pdeathsig(signal)?;
        // The parent may have died before the signal was asked for.
        if Pid::parent() == parent { Ok(()) } else { Err(io::Error::from(nix::errno::Errno::ESRCH)) }
    };
    // SAFETY: between fork and exec the closure makes two system calls and allocates nothing.
    unsafe { command.pre_exec(ask) };
}

/// Elsewhere the kernel has no such signal: the next start stops what a killed run left behind.
#[cfg(not(target_os = "linux"))]
fn die_with_parent(_: &mut Command, _: Signal) {}
