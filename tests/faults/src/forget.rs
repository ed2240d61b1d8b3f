//! What can become of a broker's folder between its death and its next start.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use rand::{Rng, rngs::StdRng};

use crate::plan::faults::Amnesia;

/// Places of a file that get wrong bits.
const FLIPS: usize = 8;

/// Copies a folder with its owners and modes over whatever is there.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    let done = Command::new("cp").arg("-a").args([from, to]).output()?;
    ensure!(done.status.success(), "copying {}: {}", from.display(), String::from_utf8_lossy(&done.stderr));
    Ok(())
}

/// Does to the store what `amnesia` says.
pub(crate) fn spoil(store: &Path, copied: &Path, amnesia: Amnesia, rng: &mut StdRng) -> Result<()> {
    match amnesia {
        Amnesia::Recreated(_) => Ok(()),
        Amnesia::Deleted => Ok(fs::remove_dir_all(store.join("jetstream"))?),
        Amnesia::Restored => copy(copied, store),
        Amnesia::Truncated(stream, permille) => {
            let file = File::options().write(true).open(last_block(store, stream)?)?;
            let length = file.metadata()?.len();
            Ok(file.set_len(length - length * permille / 1_000)?)
        }
        Amnesia::Flipped(stream) => {
            let mut file = File::options().read(true).write(true).open(last_block(store, stream)?)?;
            let length = file.metadata()?.len();
            for _ in 0..FLIPS {
                let at = SeekFrom::Start(rng.random_range(0..length.max(1)));
                let mut byte = [0];
                file.seek(at)?;
                if file.read(&mut byte)? == 1 {
                    byte[0] ^= 1 << rng.random_range(0..8);
                    file.seek(at)?;
                    file.write_all(&byte)?;
                }
            }
            Ok(())
        }
    }
}

/// The file with a stream's newest messages.
fn last_block(store: &Path, stream: &str) -> Result<PathBuf> {
    let folder = store.join("jetstream/JIFEN/streams").join(stream).join("msgs");
    let number = |path: &PathBuf| path.file_stem()?.to_str()?.parse::<u64>().ok();
    let blocks = fs::read_dir(&folder)?.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "blk"));
    blocks.max_by_key(number).with_context(|| format!("no block in {}", folder.display()))
}
