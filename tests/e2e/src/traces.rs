//! Personal values in files.

use std::{collections::BTreeSet, fs, path::Path};

/// Which of `values` (letters and digits, at least ten characters) stand in clear in which files below `folder`.
pub fn find(folder: &Path, values: &[String]) -> Vec<String> {
    assert!(values.iter().all(|value| value.len() >= SHORTEST && value.bytes().all(|byte| byte.is_ascii_alphanumeric())), "{values:?}");
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(find(&path, values));
        } else {
            let bytes = fs::read(&path).expect("a file");
            found.extend(values_in(&bytes, values).into_iter().map(|value| format!("{value} in {}", path.display())));
        }
    }
    found
}

/// No shorter value can be looked for.
const SHORTEST: usize = 10;

/// A run of letters and digits as long as a value covers every tenth byte somewhere, so no other bytes are looked at until one
/// is found: whole databases are read in no time.
fn values_in<'a>(bytes: &[u8], values: &'a [String]) -> BTreeSet<&'a String> {
    let mut found = BTreeSet::new();
    let mut at = SHORTEST - 1;
    while at < bytes.len() {
        if bytes[at].is_ascii_alphanumeric() {
            let outside = |byte: &u8| !byte.is_ascii_alphanumeric();
            let from = bytes[..at].iter().rposition(outside).map_or(0, |last| last + 1);
            let to = bytes[at..].iter().position(outside).map_or(bytes.len(), |next| at + next);
            if to - from >= SHORTEST {
                let run = String::from_utf8_lossy(&bytes[from..to]);
                found.extend(values.iter().filter(|value| run.contains(value.as_str())));
            }
            at = to;
        }
        at += SHORTEST;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_wherever_it_stands() {
        let dir = tempfile::tempdir().expect("dir");
        fs::create_dir(dir.path().join("a")).expect("dir");
        let path = dir.path().join("a/b");
        let values = ["13800138000".to_owned(), "13800138001".to_owned()];
        for before in 0..40 {
            for after in [0, 30] {
                let bytes = [vec![0; before], b"a b 7 \xff+8613800138000".to_vec(), vec![b' '; after]].concat();
                fs::write(&path, bytes).expect("file");
                assert_eq!(find(dir.path(), &values), [format!("13800138000 in {}", path.display())], "{before} {after}");
            }
        }
    }
}
