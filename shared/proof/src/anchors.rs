//! The anchors: seals as lines of JSON in a file outside of the database, only ever appended to.
//!
//! What the file has is on the disk; a line that a power failure tore is cut off and written again from the table.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::{Seal, Statement};

/// Why the file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum AnchorsError {
    /// The system.
    #[error("the anchors {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Its last line.
    #[error("the anchors {path}: the last line is no seal; move the file away, and a new one is written from the database")]
    NotASeal {
        /// The file.
        path: PathBuf,
    },
}

/// The file, open for appending.
#[derive(Debug)]
pub struct AnchorFile {
    path: PathBuf,
    file: File,
    last: Option<Statement>,
}

/// Read backwards in steps of this.
const STEP: u64 = 64 * 1024;

impl AnchorFile {
    /// Opens the file, makes it where it is missing, and cuts off a torn last line.
    pub fn open(path: &Path) -> Result<Self, AnchorsError> {
        let failed = |source| AnchorsError::Io { path: path.to_owned(), source };
        let is_new = !path.exists();
        if let Some(folder) = path.parent().filter(|folder| is_new && !folder.as_os_str().is_empty()) {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        }
        let mut file = File::options().read(true).append(true).create(true).mode(0o600).open(path).map_err(failed)?;
        if is_new {
            // The name must survive, too.
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        }
        let length = file.metadata().map_err(failed)?.len();
        let whole = line_end_before(&mut file, length).map_err(failed)?;
        if whole < length {
            file.set_len(whole).and_then(|()| file.sync_all()).map_err(failed)?;
        }
        let mut last = None;
        if whole > 0 {
            let start = line_end_before(&mut file, whole - 1).map_err(failed)?;
            let mut line = vec![0; usize::try_from(whole - start).unwrap_or_default()];
            file.seek(SeekFrom::Start(start)).and_then(|_| file.read_exact(&mut line)).map_err(failed)?;
            let seal: Seal = serde_json::from_slice(&line).map_err(|_| AnchorsError::NotASeal { path: path.to_owned() })?;
            last = Some(seal.statement);
        }
        Ok(Self { path: path.to_owned(), file, last })
    }

    /// What the last line says.
    pub fn last(&self) -> Option<&Statement> {
        self.last.as_ref()
    }

    /// Appends seals; they are on the disk when this returns.
    pub fn append(&mut self, seals: &[Seal]) -> Result<(), AnchorsError> {
        let Some(newest) = seals.last() else { return Ok(()) };
        let mut lines = Vec::new();
        for seal in seals {
            serde_json::to_writer(&mut lines, seal).unwrap_or_else(|error| unreachable!("a seal is JSON: {error}"));
            lines.push(b'\n');
        }
        let written = self.file.write_all(&lines).and_then(|()| self.file.sync_data());
        written.map_err(|source| AnchorsError::Io { path: self.path.clone(), source })?;
        self.last = Some(newest.statement.clone());
        Ok(())
    }
}

/// Behind the last line end before `end`; 0 if there is none.
fn line_end_before(file: &mut File, end: u64) -> io::Result<u64> {
    let mut upper = end;
    let mut part = Vec::new();
    while upper > 0 {
        let lower = upper.saturating_sub(STEP);
        part.resize(usize::try_from(upper - lower).unwrap_or_default(), 0);
        file.seek(SeekFrom::Start(lower))?;
        file.read_exact(&mut part)?;
        if let Some(at) = part.iter().rposition(|byte| *byte == b'\n') {
            return Ok(lower + at as u64 + 1);
        }
        upper = lower;
    }
    Ok(0)
}

/// A line of the anchors as it is read for a check.
#[derive(Debug)]
pub struct Line {
    /// Its number, from 1.
    pub number: u64,
    /// The seal, or that it is none.
    pub seal: Option<Seal>,
}

/// Reads anchors line by line: seals, or the events that announced them, as somebody else kept them. A torn last line is left out.
pub fn read(path: &Path) -> Result<impl Iterator<Item = Result<Line, AnchorsError>> + use<>, AnchorsError> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Kept {
        Seal(Seal),
        Event { data: Seal },
    }
    let path = path.to_owned();
    let failed = {
        let path = path.clone();
        move |source| AnchorsError::Io { path: path.clone(), source }
    };
    let mut reader = BufReader::with_capacity(1 << 20, File::open(&path).map_err(&failed)?);
    let mut number = 0;
    let next = move || loop {
        let mut line = Vec::new();
        match reader.read_until(b'\n', &mut line) {
            Err(source) => return Some(Err(failed(source))),
            Ok(0) => return None,
            Ok(_) => number += 1,
        }
        let whole = line.ends_with(b"\n");
        if line.trim_ascii().is_empty() {
            continue;
        }
        let seal = serde_json::from_slice::<Kept>(&line).ok().map(|kept| match kept {
            Kept::Seal(seal) | Kept::Event { data: seal } => seal,
        });
        if seal.is_some() || whole {
            return Some(Ok(Line { number, seal }));
        }
    };
    Ok(std::iter::from_fn(next))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Hash, SealingKey,
        seal::tests::{leaves, statement},
    };

    fn seal(number: i64, heads: u128) -> Seal {
        let said = Statement { seal: number, ..statement(Hash([9; 32]), 3) };
        SealingKey::new(&[7; 32]).sign(said).with_heads(&leaves(heads))
    }

    fn numbers(path: &Path) -> Vec<Option<i64>> {
        read(path).expect("open").map(|line| line.expect("line").seal.map(|seal| seal.statement.seal)).collect()
    }

    #[test]
    fn what_was_appended_is_found_again_and_a_torn_line_is_cut_off() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("seals/points.jsonl");
        let mut file = AnchorFile::open(&path).expect("made");
        assert!(file.last().is_none());
        // A line longer than a step.
        file.append(&[seal(1, 3), seal(2, 5_000)]).expect("written");
        assert_eq!(AnchorFile::open(&path).expect("open").last().map(|said| said.seal), Some(2));
        let whole = fs::read(&path).expect("content");
        // Torn anywhere in the second line, or in the first.
        for cut in [whole.len() - 1, whole.len() - 70_000, whole.len() / 2, 10] {
            fs::write(&path, &whole[..cut]).expect("torn");
            let mut torn = AnchorFile::open(&path).expect("repaired");
            let last = torn.last().map(|said| said.seal);
            assert_eq!(last, (cut > 1_000).then_some(1), "cut at {cut}");
            torn.append(&[seal(9, 1)]).expect("appended");
            assert_eq!(numbers(&path).last(), Some(&Some(9)));
            assert!(numbers(&path).iter().all(Option::is_some));
        }
        fs::write(&path, "{}\n").expect("nonsense");
        assert!(matches!(AnchorFile::open(&path), Err(AnchorsError::NotASeal { .. })));
    }

    #[test]
    fn seals_kept_as_events_are_read_and_what_is_none_is_said() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("kept");
        let line = |seal: &Seal| serde_json::to_string(seal).expect("json");
        let event = format!("{{\"specversion\":\"1.0\",\"data\":{}}}", line(&seal(4, 1)));
        fs::write(&path, format!("{}\n\nnonsense\n{event}\n{{\"seal\":", line(&seal(3, 1)))).expect("written");
        assert_eq!(numbers(&path), [Some(3), None, Some(4)]);
    }
}
