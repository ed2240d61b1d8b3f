//! The keys of an installation: four secrets of 32 bytes in `HOME/keys`, made at the first start, each known by
//! an id that is no secret. Which ids belong to a database is kept there ([`crate::key_ids`]): whoever loses a key loses
//! what it protects, so a start with another key is refused instead of quietly making a new one.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit, Mac};
use jifen_kernel::Ids;
use sha2::{Digest, Sha256};

use crate::files::write_private;
use crate::home::Home;

/// The names of the keys, as files and in the database.
pub const KEY_NAMES: [&str; 4] = ["vault", "lookup", "seal", "broker"];

/// What is wrong with the keys.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A key's file is not there.
    #[error("key `{name}` is missing at {path}: restore it from your backup of the keys folder")]
    Missing {
        /// The key.
        name: &'static str,
        /// Where it should be.
        path: PathBuf,
    },
    /// A key's file holds something else.
    #[error("key `{name}` at {path} is damaged (64 hexadecimal digits expected): restore it from your backup of the keys folder")]
    Damaged {
        /// The key.
        name: &'static str,
        /// Its file.
        path: PathBuf,
    },
    /// A key's file can't be read or written.
    #[error("key `{name}` at {path}: {source}; run as the user who made the keys, or give this user the right to the folder")]
    Unreadable {
        /// The key.
        name: &'static str,
        /// Its file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// One secret. Prints its id only.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    name: &'static str,
    bytes: [u8; 32],
}

impl Key {
    /// The secret itself.
    pub fn expose(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// Its name: `vault`, `lookup`, `seal` or `broker`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// 16 hexadecimal digits by which a key is known without being told; depends on the name too, so that two keys
    /// swapped are found out.
    pub fn id(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(b"jifen key id v1\0");
        hash.update(self.name.as_bytes());
        hash.update([0]);
        hash.update(self.bytes);
        hex::encode(&hash.finalize()[..8])
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} {})", self.name, self.id())
    }
}

/// The keys of one installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// Wraps each member's data key.
    pub vault: Key,
    /// Makes the keyed hashes by which personal values are looked up.
    pub lookup: Key,
    /// Seals payloads at rest and signs the ledger's seals.
    pub seal: Key,
    /// Encrypts the broker's store and makes the passwords of its users and of the database roles.
    pub broker: Key,
}

impl Keys {
    /// Keys of given bytes, in the order of [`KEY_NAMES`]: for tests, and for keys that come from elsewhere.
    pub fn from_bytes([vault, lookup, seal, broker]: [[u8; 32]; 4]) -> Self {
        let key = |index: usize, bytes| Key { name: KEY_NAMES[index], bytes };
        Self { vault: key(0, vault), lookup: key(1, lookup), seal: key(2, seal), broker: key(3, broker) }
    }

    /// Reads the keys of `home`; all of them must be there.
    pub fn load(home: &Home) -> Result<Self, KeysError> {
        let mut bytes = [[0; 32]; 4];
        for (name, bytes) in KEY_NAMES.into_iter().zip(&mut bytes) {
            let path = home.keys_dir().join(name);
            *bytes = read(name, &path)?.ok_or(KeysError::Missing { name, path })?;
        }
        Ok(Self::from_bytes(bytes))
    }

    /// Reads the keys of `home` and makes those that are missing, unless `stored` knows their name: then data
    /// exists that only the missing key opens. Also says which were made.
    pub(crate) fn load_or_make(home: &Home, stored: impl Fn(&str) -> bool) -> Result<(Self, Vec<&'static str>), KeysError> {
        let mut keys = [[0; 32]; 4];
        let mut missing = Vec::new();
        for (name, bytes) in KEY_NAMES.into_iter().zip(&mut keys) {
            let path = home.keys_dir().join(name);
            match read(name, &path)? {
                Some(found) => *bytes = found,
                None if stored(name) => return Err(KeysError::Missing { name, path }),
                None => {
                    Ids::system().fill(bytes);
                    missing.push((name, path, *bytes));
                }
            }
        }
        // Only when nothing stands against it is anything written.
        let mut made = Vec::new();
        for (name, path, bytes) in missing {
            let text = format!("{}\n", hex::encode(bytes));
            write_private(&path, text.as_bytes(), None).map_err(|source| KeysError::Unreadable { name, path, source })?;
            made.push(name);
        }
        Ok((Self::from_bytes(keys), made))
    }

    /// The four keys, in the order of [`KEY_NAMES`].
    pub fn iter(&self) -> impl Iterator<Item = &Key> {
        [&self.vault, &self.lookup, &self.seal, &self.broker].into_iter()
    }

    /// A secret for `purpose`, 64 hexadecimal digits, the same whenever it is asked for: HMAC-SHA256 under the
    /// broker key.
    pub fn derive(&self, purpose: &str) -> String {
        hex::encode(self.mac(purpose))
    }

    fn mac(&self, purpose: &str) -> [u8; 32] {
        // A key of the block size is taken as it is; a longer one hashed: no length is an error for HMAC.
        let mut block = [0; 64];
        block[..32].copy_from_slice(&self.broker.bytes);
        let mut mac = <Hmac<Sha256> as KeyInit>::new(&block.into());
        mac.update(b"jifen derive v1\0");
        mac.update(purpose.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

fn read(name: &'static str, path: &Path) -> Result<Option<[u8; 32]>, KeysError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(KeysError::Damaged { name, path: path.to_path_buf() }),
        Err(source) => return Err(KeysError::Unreadable { name, path: path.to_path_buf(), source }),
    };
    let mut bytes = [0; 32];
    hex::decode_to_slice(text.trim(), &mut bytes).map_err(|_| KeysError::Damaged { name, path: path.to_path_buf() })?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn home() -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().expect("dir");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("mode");
        let home = Home::locate(&dir.path().join("home")).expect("home");
        (dir, home)
    }

    #[test]
    fn keys_are_made_once_and_come_back() {
        let (_dir, home) = home();
        assert!(matches!(Keys::load(&home), Err(KeysError::Missing { name: "vault", .. })));
        let (keys, made) = Keys::load_or_make(&home, |_| false).expect("made");
        assert_eq!(made, KEY_NAMES);
        assert_eq!(Keys::load(&home).expect("load"), keys);
        assert_eq!(Keys::load_or_make(&home, |_| true).expect("load"), (keys.clone(), vec![]));
        let mode = fs::metadata(home.keys_dir().join("seal")).expect("file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(keys.derive("nats/points"), Keys::load(&home).expect("load").derive("nats/points"));
        assert_ne!(keys.derive("nats/points"), keys.derive("nats/tier"));
        assert!(!format!("{keys:?}").contains(&hex::encode(keys.vault.expose())));
    }

    #[test]
    fn a_lost_or_damaged_key_is_named_and_never_replaced() {
        let (_dir, home) = home();
        Keys::load_or_make(&home, |_| false).expect("made");
        fs::remove_file(home.keys_dir().join("vault")).expect("removed");
        assert!(matches!(Keys::load_or_make(&home, |_| true), Err(KeysError::Missing { name: "vault", .. })));
        assert!(!home.keys_dir().join("vault").exists());
        fs::write(home.keys_dir().join("lookup"), "abc").expect("written");
        let error = Keys::load_or_make(&home, |_| false).expect_err("damaged").to_string();
        assert!(error.contains("`lookup`") && error.contains("backup"), "{error}");
        assert!(!home.keys_dir().join("vault").exists(), "nothing is written when a key is refused");
    }

    #[test]
    fn swapped_keys_have_other_ids() {
        let keys = Keys::from_bytes([[1; 32], [1; 32], [3; 32], [4; 32]]);
        assert_ne!(keys.vault.id(), keys.lookup.id());
        assert_eq!(keys.vault.id().len(), 16);
    }
}
