//! The user that the servers run as. Postgres refuses root, and no server of ours needs it: started by root, the
//! children run as `postgres` where that user exists, else as 65534 (nobody); started by anybody else, as that user.

use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::{Gid, Uid, User};

const NOBODY: u32 = 65_534;

/// Whom the servers run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerUser {
    uid: u32,
    gid: u32,
    dropped: bool,
}

impl ServerUser {
    /// The user that servers started by this process run as.
    pub fn of_this_process() -> Self {
        if !Uid::effective().is_root() {
            return Self { uid: Uid::effective().as_raw(), gid: Gid::effective().as_raw(), dropped: false };
        }
        let (uid, gid) = User::from_name("postgres").ok().flatten().map_or((NOBODY, NOBODY), |user| (user.uid.as_raw(), user.gid.as_raw()));
        Self { uid, gid, dropped: true }
    }

    /// For messages: the user's name, or its number.
    pub fn name(self) -> String {
        User::from_uid(Uid::from_raw(self.uid)).ok().flatten().map_or_else(|| self.uid.to_string(), |user| user.name)
    }

    /// Whether it is somebody else than this process.
    pub fn is_dropped(self) -> bool {
        self.dropped
    }

    /// Makes `command` run as this user.
    pub(crate) fn run(self, command: &mut Command) {
        if self.dropped {
            command.uid(self.uid).gid(self.gid);
        }
    }

    /// Gives the file or folder to this user.
    pub(crate) fn give(self, path: &Path) -> io::Result<()> {
        if self.dropped { chown(path, Some(self.uid), Some(self.gid)) } else { Ok(()) }
    }

    /// The first folder on the way to `path` (itself included) that this user may not pass, judged by mode bits.
    pub(crate) fn stopped_at(self, path: &Path) -> io::Result<Option<PathBuf>> {
        if !self.dropped {
            return Ok(None);
        }
        let real = path.canonicalize()?;
        let mut folders: Vec<&Path> = real.ancestors().collect();
        folders.reverse();
        for folder in folders {
            let meta = folder.metadata()?;
            let bit = match (meta.uid() == self.uid, meta.gid() == self.gid) {
                (true, _) => 0o100,
                (false, true) => 0o010,
                (false, false) => 0o001,
            };
            if meta.is_dir() && meta.mode() & bit == 0 {
                return Ok(Some(folder.to_path_buf()));
            }
        }
        Ok(None)
    }
}
