//! `with-servers COMMAND …` starts the servers for tests once, runs the command with their URLs in its environment, stops them
//! and ends as the command did. `with-servers --print-nats` prints the accounts that a NATS given by URL needs.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, ExitStatus};

use anyhow::Context;
use jifen_infra::nats_config;
use jifen_testkit::{DATABASE_URL_VAR, NATS_URL_VAR, Servers, Wish, accounts, test_keys};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1).peekable();
    if args.peek().is_some_and(|arg| arg == "--print-nats") {
        let printed = writeln!(std::io::stdout(), "accounts: {:#}", nats_config::accounts(&test_keys(), &accounts()));
        return if printed.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let Some(program) = args.next() else {
        let _ = writeln!(std::io::stderr(), "usage: with-servers COMMAND [ARGUMENT …] | with-servers --print-nats");
        return ExitCode::from(2);
    };
    let mut command = Command::new(program);
    command.args(args);
    match run(command) {
        Ok(status) => {
            let code = status.code().or(status.signal().map(|number| 128 + number)).unwrap_or(1);
            ExitCode::from(u8::try_from(code).unwrap_or(1))
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "with-servers: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut command: Command) -> anyhow::Result<ExitStatus> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    // From here on signals are ours: the servers are stopped in any case.
    let mut signals = {
        let _context = runtime.enter();
        [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal)
    };
    let servers = Servers::start(&Wish::from_environment())?;
    command.env(DATABASE_URL_VAR, &servers.database_url).env(NATS_URL_VAR, &servers.nats_url);
    let mut child = command.spawn().with_context(|| format!("starting {}", command.get_program().display()))?;
    let pid = Pid::from_raw(i32::try_from(child.id())?);
    let status = runtime.block_on(async {
        let mut ended = tokio::task::spawn_blocking(move || child.wait());
        let [interrupt, terminate, hangup] = &mut signals;
        let (interrupt, terminate, hangup) = (interrupt.as_mut(), terminate.as_mut(), hangup.as_mut());
        let (Ok(interrupt), Ok(terminate), Ok(hangup)) = (interrupt, terminate, hangup) else {
            anyhow::bail!("can't listen for signals");
        };
        loop {
            let received = tokio::select! {
                status = &mut ended => return Ok(status??),
                _ = interrupt.recv() => Signal::SIGINT,
                _ = terminate.recv() => Signal::SIGTERM,
                _ = hangup.recv() => Signal::SIGHUP,
            };
            let _ = kill(pid, received);
        }
    });
    drop(servers);
    status
}
