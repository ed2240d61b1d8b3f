//! Folders and files with the right mode whatever the umask, and files that are there whole or not at all.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::server_user::ServerUser;

/// Only for us.
pub(crate) const PRIVATE: u32 = 0o700;
/// For everybody to pass and to read.
pub(crate) const OPEN: u32 = 0o755;

/// Makes the folder and whatever is missing above it; each made one gets exactly `mode`, one that stood already
/// keeps its own.
pub(crate) fn create_dir(path: &Path, mode: u32) -> io::Result<()> {
    let missing: Vec<&Path> = path.ancestors().take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists()).collect();
    for dir in missing.into_iter().rev() {
        match fs::DirBuilder::new().mode(mode).create(dir) {
            Ok(()) => fs::set_permissions(dir, Permissions::from_mode(mode))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    if path.is_dir() { Ok(()) } else { Err(io::Error::from(io::ErrorKind::NotADirectory)) }
}

/// Makes a folder that belongs to the servers' user alone.
pub(crate) fn create_server_dir(path: &Path, user: ServerUser) -> io::Result<()> {
    create_dir(path, PRIVATE)?;
    fs::set_permissions(path, Permissions::from_mode(PRIVATE))?;
    user.give(path)
}

/// Writes a file of mode 0600 that is there whole or not at all, also after a power failure.
pub(crate) fn write_private(path: &Path, content: &[u8], owner: Option<ServerUser>) -> io::Result<()> {
    let unfinished = with_suffix(path, ".new");
    let _ = fs::remove_file(&unfinished);
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    file.write_all(content)?;
    file.sync_all()?;
    if let Some(user) = owner {
        user.give(&unfinished)?;
    }
    fs::rename(&unfinished, path)?;
    let parent = path.parent().unwrap_or_else(|| Path::new("/"));
    File::open(parent)?.sync_all()
}

/// `path` with `suffix` behind its last name.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
