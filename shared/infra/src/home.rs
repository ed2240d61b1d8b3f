//! `JIFEN_HOME`: the one folder that holds keys, data, logs and fetched servers.
//!
//! Started by root, the servers run as another user, who must be able to reach the data. A home below a closed
//! folder (root's own home is 0700) is therefore moved to `/var/lib/jifen-<hash of the wanted path>`, always the
//! same for the same wish, and [`Home::notice`] says so.

use std::fs::{self, File, Permissions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::files::{OPEN, PRIVATE, create_dir};
use crate::server_user::ServerUser;

/// Where a home goes that its servers could not reach, first the one that survives a restart of the machine.
const ELSEWHERE: [&str; 2] = ["/var/lib", "/tmp"];

/// Why there is no home.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// It can't be made or written.
    #[error("can't write to {path}: {source}; choose another folder with JIFEN_HOME, or make this one writable for this user")]
    Unwritable {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process works in it.
    #[error("{path} is in use by another jifen{by}: stop that one, or give this one a home of its own with JIFEN_HOME")]
    InUse {
        /// The home.
        path: PathBuf,
        /// Who holds it, where known: ` (process 7)`.
        by: String,
    },
    /// Someone else made the folder that we would use.
    #[error("{path} belongs to another user; remove it, or choose another folder with JIFEN_HOME")]
    NotOurs {
        /// The folder.
        path: PathBuf,
    },
}

/// A home that exists, is absolute and can be reached by the servers' user.
#[derive(Debug, Clone)]
pub struct Home {
    root: PathBuf,
    user: ServerUser,
    notice: Option<String>,
}

impl Home {
    /// Finds the home for `wanted`, and makes it where it is missing. The same wish leads to the same home, so that
    /// a second process (`jifen account`) meets the first one's.
    pub fn locate(wanted: &Path) -> Result<Self, HomeError> {
        let user = ServerUser::of_this_process();
        let (root, notice) = reachable_dir(wanted, user)?;
        let home = Self { root, user, notice };
        home.prepare().map_err(unwritable(&home.root))?;
        Ok(home)
    }

    /// The home that [`Self::locate`] leads to, if it is there: for processes that only ask. Makes nothing.
    pub fn find(wanted: &Path) -> Result<Option<Self>, HomeError> {
        let user = ServerUser::of_this_process();
        let wanted = std::path::absolute(wanted).map_err(unwritable(wanted))?;
        let root = if closed_above(&wanted, user)?.is_none() {
            wanted.canonicalize().ok()
        } else {
            ELSEWHERE.iter().map(|parent| Path::new(parent).join(stand_in(&wanted))).find(|path| is_ours(path).unwrap_or(false))
        };
        Ok(root.map(|root| Self { root, user, notice: None }))
    }

    fn prepare(&self) -> io::Result<()> {
        let mode = self.root.metadata()?.mode();
        if self.user.is_dropped() && mode & 0o001 == 0 {
            // Ours alone until now: passing is enough, its secrets lie in closed folders of their own.
            fs::set_permissions(&self.root, Permissions::from_mode((mode & 0o7777) | 0o011))?;
        }
        for (dir, mode) in [(self.keys_dir(), PRIVATE), (self.logs_dir(), PRIVATE), (self.bin_dir(), OPEN)] {
            create_dir(&dir, mode)?;
        }
        Ok(())
    }

    /// Takes the home for this process, until the lock is dropped or the process ends, however it ends.
    pub fn lock(&self) -> Result<HomeLock, HomeError> {
        let path = self.root.join("lock");
        let unwritable = |source| HomeError::Unwritable { path: path.clone(), source };
        let mut file = File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(unwritable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let pid = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse::<u32>().ok());
                let by = pid.map(|pid| format!(" (process {pid})")).unwrap_or_default();
                return Err(HomeError::InUse { path: self.root.clone(), by });
            }
            Err(TryLockError::Error(source)) => return Err(unwritable(source)),
        }
        let written = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
        written.map_err(unwritable)?;
        Ok(HomeLock { _file: file })
    }

    /// The folder itself, absolute.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// What the operator should hear: that the home lies elsewhere than wished, and why.
    pub fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    /// Whom the servers of this home run as.
    pub fn server_user(&self) -> ServerUser {
        self.user
    }

    /// The keys: 0700, the one folder to back up and to guard.
    pub fn keys_dir(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// The servers' logs.
    pub fn logs_dir(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// Fetched servers.
    pub fn bin_dir(&self) -> PathBuf {
        self.root.join("bin")
    }

    /// The data of the embedded NATS.
    pub fn nats_dir(&self) -> PathBuf {
        self.root.join("nats")
    }

    /// The data of the embedded Postgres.
    pub fn postgres_dir(&self) -> PathBuf {
        self.root.join("postgres")
    }
}

fn unwritable(path: &Path) -> impl FnOnce(io::Error) -> HomeError + use<> {
    let path = path.to_path_buf();
    move |source| HomeError::Unwritable { path, source }
}

/// Makes the folder `wanted`, or the one that stands for it where `user` could not reach it, and then says so.
pub fn reachable_dir(wanted: &Path, user: ServerUser) -> Result<(PathBuf, Option<String>), HomeError> {
    let wanted = std::path::absolute(wanted).map_err(unwritable(wanted))?;
    // What would have to move is not made where it was wanted.
    let Some(closed) = closed_above(&wanted, user)? else {
        create_dir(&wanted, OPEN).map_err(unwritable(&wanted))?;
        return Ok((wanted.canonicalize().map_err(unwritable(&wanted))?, None));
    };
    let root = elsewhere(&wanted)?;
    let notice = format!(
        "{} can't be reached by the servers' user {} (closed folder {}): using {} instead",
        wanted.display(),
        user.name(),
        closed.display(),
        root.display()
    );
    Ok((root, Some(notice)))
}

/// The folder above `wanted` that `user` can't pass, if there is one.
fn closed_above(wanted: &Path, user: ServerUser) -> Result<Option<PathBuf>, HomeError> {
    let nearest = wanted.ancestors().find(|dir| dir.exists()).unwrap_or(Path::new("/"));
    let above = if nearest == wanted { wanted.parent().unwrap_or(nearest) } else { nearest };
    user.stopped_at(above).map_err(unwritable(above))
}

/// The name of the folder that stands for `wanted` elsewhere.
fn stand_in(wanted: &Path) -> String {
    let hash = hex::encode(Sha256::digest(wanted.as_os_str().as_encoded_bytes()));
    format!("jifen-{}", &hash[..12])
}

/// In a folder where everybody may write, somebody may have been there first.
fn is_ours(path: &Path) -> io::Result<bool> {
    let meta = path.symlink_metadata()?;
    Ok(meta.is_dir() && meta.uid() == nix::unistd::Uid::effective().as_raw())
}

/// Held while a process works in a home.
#[derive(Debug)]
pub struct HomeLock {
    _file: File,
}

fn elsewhere(wanted: &Path) -> Result<PathBuf, HomeError> {
    let name = stand_in(wanted);
    let mut last = None;
    for parent in ELSEWHERE {
        let path = Path::new(parent).join(&name);
        match create_dir(&path, OPEN).and_then(|()| is_ours(&path)) {
            Ok(true) => return Ok(path),
            Ok(false) => return Err(HomeError::NotOurs { path }),
            Err(source) => last = Some(HomeError::Unwritable { path, source }),
        }
    }
    Err(last.unwrap_or(HomeError::NotOurs { path: wanted.to_path_buf() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_only_asks_finds_the_home_and_makes_none() {
        let dir = tempfile::tempdir().expect("dir");
        // Closed for the servers' user, as root's own home is.
        fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).expect("mode");
        let wanted = dir.path().join(".jifen");
        assert!(Home::find(&wanted).expect("find").is_none());
        assert!(!wanted.exists());
        let home = Home::locate(&wanted).expect("home");
        let found = Home::find(&wanted).expect("find").expect("found");
        assert_eq!(found.path(), home.path());
        if home.path() != wanted.canonicalize().unwrap_or_default() {
            fs::remove_dir_all(home.path()).expect("removed");
        }
    }

    #[test]
    fn a_second_lock_on_one_home_is_refused_and_names_the_holder() {
        let dir = tempfile::tempdir().expect("dir");
        let home = Home::locate(&dir.path().join("a/.jifen")).expect("home");
        let held = home.lock().expect("lock");
        let error = home.lock().expect_err("held").to_string();
        assert!(error.contains(&format!("process {}", std::process::id())) && error.contains("JIFEN_HOME"), "{error}");
        drop(held);
        home.lock().expect("free again");
    }

    #[test]
    fn the_same_wish_leads_to_the_same_home_and_a_move_is_said() {
        let dir = tempfile::tempdir().expect("dir");
        let closed = dir.path().join("closed");
        create_dir(&closed, PRIVATE).expect("closed");
        let wanted = closed.join(".jifen");
        let (first, second) = (Home::locate(&wanted).expect("home"), Home::locate(&wanted).expect("home"));
        assert_eq!(first.path(), second.path());
        if first.server_user().is_dropped() {
            let notice = first.notice().expect("notice");
            assert!(notice.contains(&first.path().display().to_string()), "{notice}");
            assert!(!wanted.exists());
            assert_eq!(first.server_user().stopped_at(first.path()).expect("path"), None);
            fs::remove_dir_all(first.path()).expect("removed");
        } else {
            assert_eq!(first.notice(), None);
        }
    }

    #[test]
    fn a_folder_that_cannot_be_made_says_what_to_do() {
        let dir = tempfile::tempdir().expect("dir");
        let file = dir.path().join("file");
        fs::write(&file, "").expect("file");
        let error = Home::locate(&file.join("home")).expect_err("a file is no folder").to_string();
        assert!(error.contains("JIFEN_HOME"), "{error}");
    }
}
