//! The executable, as the build left it beside the tests.

use std::{
    fs::File,
    io::{Read, Seek},
    path::PathBuf,
    process::{Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

/// A verb that has not ended by then hangs, or runs where it should have refused.
const PATIENCE: Duration = Duration::from_mins(2);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// One run.
#[derive(Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// Its results.
    pub stdout: String,
    /// Progress and errors.
    pub stderr: String,
}

impl Output {
    /// Its results; panics if it failed.
    #[track_caller]
    pub fn ok(self) -> String {
        assert!(self.status.success(), "{self:#?}");
        self.stdout
    }

    /// What it said when it failed; panics if it did not.
    #[track_caller]
    pub fn refused(self) -> String {
        assert_eq!(self.status.code(), Some(1), "{self:#?}");
        self.stderr
    }
}

/// `target/debug/jifen` for tests in `target/debug/deps`.
pub fn path() -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    let folder = test.parent().and_then(|deps| deps.parent()).expect("tests lie in target/<profile>/deps");
    let path = folder.join("jifen");
    assert!(path.exists(), "{} is missing: build it with `cargo build --workspace`", path.display());
    path
}

/// The executable without any setting of this environment.
pub fn command() -> Command {
    let mut command = Command::new(path());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("JIFEN_")) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub async fn run(mut command: Command) -> Output {
    let run = move || {
        let files = [(); 2].map(|()| tempfile::tempfile().expect("a temporary file"));
        let [stdout, stderr] = files.each_ref().map(|file| file.try_clone().expect("a second handle"));
        let mut child = command.stdout(stdout).stderr(stderr).spawn().expect("jifen starts");
        let since = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().expect("waiting for jifen") {
                break status;
            }
            if since.elapsed() > PATIENCE {
                child.kill().expect("killed");
                child.wait().expect("ended");
                let [stdout, stderr] = files.map(text);
                panic!("{command:?} did not end within {PATIENCE:?}\n{stdout}\n{stderr}");
            }
            std::thread::sleep(LOOK_EVERY);
        };
        let [stdout, stderr] = files.map(text);
        Output { status, stdout, stderr }
    };
    tokio::task::spawn_blocking(run).await.expect("the run")
}

fn text(mut file: File) -> String {
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).expect("the output");
    String::from_utf8_lossy(&bytes).into_owned()
}
